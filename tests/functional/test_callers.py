"""RPC callers of other releases, invalid calls, and error replies."""

import json
import pathlib
import subprocess
import sys
from typing import Any

import oslo_messaging as messaging
from oslo_versionedobjects import exception as ovo_exc

from sgconductor import exception
from sgconductor import objects
from sgconductor.messaging import transports
from sgconductor.rpcapi import conductor as conductor_api
from tests import primitives
from tests.functional import base

UUID = '5d0dd9a1-33a0-4bca-a62b-1e8d79bb1b6c'


# With it, a member sends no beat during a test.
RARELY: Any = {'report_interval': 10_000, 'down_after': 20_000}


class CallerTest(base.ConductorTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def setUp(self) -> None:
        super().setUp()
        self.api = conductor_api.ConductorAPI(
            transports.rpc_transport(self.deployment.conf()), 10
        )
        self.client = self.api._client

    def call_without_objects(self, method: str, **args: Any) -> Any:
        """The reply as a caller gets it that has no objects: primitives."""
        client = messaging.get_rpc_client(
            self.client.transport,
            self.client.target,
            timeout=10,
            serializer=messaging.NoOpSerializer(),
        )
        return client.call(self.context.to_dict(), method, **args)


class TestOlderCaller(CallerTest):
    """A caller that knows version 1.0 of the objects."""

    def call_class_method(self, name: str, method: str, *args: Any) -> Any:
        return self.call_without_objects(
            'object_class_action_versions',
            objname=name,
            objmethod=method,
            object_versions={'Service': '1.0', 'ServiceList': '1.0'},
            args=list(args),
            kwargs={},
        )

    def expected(self, service: objects.Service) -> Any:
        """The frozen primitive of Service 1.0, with a service's values."""
        primitive = primitives.frozen('Service', '1.0')
        data = service.obj_to_primitive()['versioned_object.data']
        primitive['versioned_object.data'] = {
            name: data[name] for name in primitive['versioned_object.data']
        }
        return primitive

    def test_an_older_caller_gets_an_object_of_its_version(self) -> None:
        service = self.member(**RARELY).service
        self.assertEqual(
            self.expected(service),
            self.call_class_method('Service', 'get_by_uuid', service.uuid),
        )

    def test_an_older_caller_gets_a_list_of_its_version(self) -> None:
        expected = [
            self.expected(self.member(f'node{i}', **RARELY).service)
            for i in range(3)
        ]
        found = self.call_class_method('ServiceList', 'get_page')
        conductor, *workers = found['versioned_object.data']['objects']
        self.assertEqual(expected, workers)
        self.assertEqual(
            sorted(expected[0]['versioned_object.data']),
            sorted(conductor['versioned_object.data']),
        )

    def test_an_older_caller_edits_and_gets_no_unknown_field(self) -> None:
        self.member(**RARELY)
        old = self.call_class_method(
            'Service', 'get_by_host_and_binary', 'node1', 'acme-worker'
        )
        old['versioned_object.data']['disabled'] = True
        old['versioned_object.changes'] = ['disabled']
        updates, result = self.call_without_objects(
            'object_action',
            objinst=old,
            objmethod='save',
            args=[],
            kwargs={},
        )
        self.assertEqual({'updated_at', 'obj_what_changed'}, set(updates))
        self.assertTrue(self.get_service().disabled)

    def test_an_older_caller_has_a_newer_object_backported(self) -> None:
        for version in primitives.versions('Service'):
            self.assertEqual(
                primitives.frozen('Service', '1.0'),
                self.call_without_objects(
                    'object_backport_versions',
                    objinst=primitives.frozen('Service', version),
                    object_versions={'Service': '1.0'},
                ),
            )


class TestNewerCaller(CallerTest):
    """A caller of a later release, which runs as a process."""

    scenarios = [base.ON_MARIADB]

    def run_later_release(self, conf: str) -> Any:
        script = pathlib.Path(__file__).parent / 'later_release.py'
        done = subprocess.run(
            [sys.executable, str(script), conf],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        return json.loads(done.stdout)

    def test_a_newer_caller_reads_writes_and_joins(self) -> None:
        self.member(**RARELY)
        printed = self.run_later_release(self.deployment.config_file())
        self.assertEqual(['1.4', True, False], printed['read'])
        self.assertTrue(self.get_service().disabled)
        self.assertEqual([True, 1], printed['joined'])
        self.assertIn('Service 1.5 sets mood', printed['refused'])
        self.assertIn('Upgrade the conductors first', printed['refused'])

    def test_a_newer_manifest_does_not_make_objects_newer(self) -> None:
        service = self.member(**RARELY).service
        found = self.call_without_objects(
            'object_class_action_versions',
            objname='Service',
            objmethod='get_by_uuid',
            object_versions={'Service': '1.7', 'Novelty': '1.0'},
            args=[service.uuid],
            kwargs={},
        )
        self.assertEqual(
            objects.Service.VERSION, found['versioned_object.version']
        )


class TestInvalidCalls(CallerTest):
    def call_and_fail(
        self, error: type[Exception], method: str, **args: Any
    ) -> str:
        """Make a call that fails; return the error's message.

        The message has no traceback, and the conductor logs none.
        """
        message = str(
            self.assertRaises(
                error, self.api._call, self.context, method, **args
            )
        )
        self.assertNotIn('Traceback', message)
        self.assertNotIn('.py', message)
        self.assertEqual(0, self.logged('Exception during message handling'))
        return message

    def fail_class_method(
        self, error: type[Exception], **overrides: Any
    ) -> str:
        args = {
            'objname': 'Service',
            'objmethod': 'get_by_uuid',
            'object_versions': {'Service': '1.1', 'ServiceList': '1.0'},
            'args': [UUID],
            'kwargs': {},
            **overrides,
        }
        return self.call_and_fail(
            error, 'object_class_action_versions', **args
        )

    def test_an_unknown_object_is_refused(self) -> None:
        message = self.fail_class_method(
            ovo_exc.UnsupportedObjectError,
            objname='Aggregate',
            object_versions={'Aggregate': '1.0'},
        )
        self.assertIn('Aggregate', message)

    def test_another_major_version_is_refused(self) -> None:
        message = self.fail_class_method(
            ovo_exc.IncompatibleObjectVersion,
            object_versions={'Service': '2.0'},
        )
        self.assertIn('Version 2.0 of Service is not supported', message)
        message = self.call_and_fail(
            ovo_exc.IncompatibleObjectVersion,
            'object_action',
            objinst={
                **primitives.frozen('Service', '1.1'),
                'versioned_object.version': '2.3',
            },
            objmethod='save',
            args=[],
            kwargs={},
        )
        self.assertIn('Version 2.3 of Service is not supported', message)

    def test_another_major_version_within_a_list_is_refused(self) -> None:
        for version in ('2.0', '0.9'):
            message = self.fail_class_method(
                ovo_exc.IncompatibleObjectVersion,
                objname='ServiceList',
                objmethod='get_page',
                object_versions={'ServiceList': '1.0', 'Service': version},
                args=[],
            )
            self.assertIn(f'Version {version} of Service is not', message)

    def test_an_object_is_not_ported_to_a_newer_version(self) -> None:
        message = self.call_and_fail(
            exception.InvalidInput,
            'object_backport_versions',
            objinst=primitives.frozen('Service', '1.0'),
            object_versions={'Service': '1.1'},
        )
        self.assertIn('Service 1.0 cannot become Service 1.1', message)

    def test_class_and_instance_methods_are_not_mixed_up(self) -> None:
        self.fail_class_method(
            exception.NotRemotable, objmethod='save', args=[]
        )
        self.call_and_fail(
            exception.NotRemotable,
            'object_action',
            objinst=primitives.frozen('Service', '1.1'),
            objmethod='get_by_uuid',
            args=[],
            kwargs={},
        )

    def test_methods_that_are_not_remote_are_refused(self) -> None:
        for name in (
            'from_row',
            'obj_name',
            '_read',
            '__init__',
            'fields',
            'nothing',
            '',
            5,
            None,
        ):
            message = self.fail_class_method(
                exception.NotRemotable, objmethod=name
            )
            self.assertIn(f'Service.{name} is not a remote method', message)
            message = self.call_and_fail(
                exception.NotRemotable,
                'object_action',
                objinst=primitives.frozen('Service', '1.1'),
                objmethod=name,
                args=[],
                kwargs={},
            )
            self.assertIn(f'Service.{name} is not a remote method', message)

    def test_invalid_arguments_of_a_class_method_are_refused(self) -> None:
        shapes: tuple[dict[str, Any], ...] = (
            {'args': []},
            {'args': [UUID, 'more']},
            {'args': 'x'},
            {'args': None},
            {'kwargs': []},
            {'kwargs': {'bogus': 1}},
            {'args': [None]},
            {'args': [5]},
            {'args': ['x']},
            {'args': [{'a': 1}]},
            {'objname': 5},
            {'objname': ['Service']},
            {'object_versions': None},
            {'object_versions': {}},
            {'object_versions': {'Service': None}},
            {'object_versions': {'Service': 'x.y'}},
            *(
                {'object_versions': {'Service': version}}
                for version in ('', '1', '.1', '1.', '1..0', '٣.١', 1.1)
            ),
            {'object_versions': ['Service']},
        )
        for overrides in shapes:
            message = self.fail_class_method(
                exception.InvalidInput, **overrides
            )
            self.assertTrue(message.startswith('Invalid input: '), message)

    def test_invalid_arguments_of_the_endpoint_are_refused(self) -> None:
        for args, expected in (
            ({}, 'objinst must be an object'),
            ({'bogus': 1}, 'does not know the arguments bogus'),
            ({'objinst': 5, 'bogus': 1}, 'the arguments bogus'),
        ):
            message = self.call_and_fail(
                exception.InvalidInput, 'object_backport_versions', **args
            )
            self.assertIn(expected, message)
        for method in ('object_class_action_versions', 'object_action'):
            self.call_and_fail(exception.InvalidInput, method)

    def test_invalid_filters_are_refused_by_name(self) -> None:
        for kwargs in (
            {'limit': 0},
            {'limit': 10001},
            {'limit': '5'},
            {'limit': True},
            {'marker': -1},
            {'marker': 'x'},
            {'marker': 2**40},
            {'host': ''},
            {'host': 'a b'},
            {'host': 'é'},
            {'host': 'x' * 191},
            {'host': "'; DROP TABLE services; --"},
            {'binary': '../..'},
            {'topic': 'a#'},
            {'topic': 7},
            {'disabled': 'yes'},
            {'up': 1},
        ):
            message = self.fail_class_method(
                exception.InvalidInput,
                objname='ServiceList',
                objmethod='get_page',
                args=[],
                kwargs=kwargs,
            )
            (name,) = kwargs
            self.assertIn(name, message)

    def test_a_value_that_is_not_an_object_is_refused(self) -> None:
        values: tuple[Any, ...] = (None, 5, 'Service', [], {}, {'a': 1})
        for objinst in values:
            for method, more in (
                ('object_action', {'objmethod': 'save', 'args': []}),
                ('object_backport_versions', {}),
            ):
                args = {'objinst': objinst, **more}
                if more:
                    args['kwargs'] = {}
                else:
                    args['object_versions'] = {}
                self.call_and_fail(exception.InvalidInput, method, **args)

    def test_a_join_with_an_invalid_value_is_refused_by_name(self) -> None:
        good = {
            'host': 'node1',
            'binary': 'acme-worker',
            'topic': 'worker',
            'version': 1,
            'report_interval': 10,
            'down_after': 60,
        }
        for name, value in (
            ('host', ''),
            ('host', 'a/b'),
            ('host', '.'),
            ('host', '..'),
            ('host', 'a\x00b'),
            ('host', 'x' * 191),
            ('binary', ''),
            ('binary', 'x' * 65),
            ('topic', 'a b'),
            ('topic', '#'),
            ('version', -1),
            ('version', '7'),
            ('version', 2**31),
            ('report_interval', 0),
            ('report_interval', 60),
            ('down_after', 10),
            ('down_after', 10**9),
        ):
            data = {**good, name: value}
            message = self.call_and_fail(
                exception.InvalidInput,
                'object_action',
                objinst={
                    'versioned_object.name': 'Service',
                    'versioned_object.namespace': 'sgconductor',
                    'versioned_object.version': '1.1',
                    'versioned_object.data': data,
                    'versioned_object.changes': sorted(data),
                },
                objmethod='join',
                args=[UUID],
                kwargs={},
            )
            self.assertIn(name, message)
        self.assertEqual([], self.services())

    def test_unknown_rpc_methods_and_versions_are_refused(self) -> None:
        for name in ('nothing', '_run', '__init__', 'target'):
            message = self.call_and_fail(exception.NotRemotable, name)
            self.assertIn(f'conductor.{name} is not', message)
        self.client.target.version = '1.99'
        message = self.call_and_fail(exception.InvalidInput, 'object_action')
        self.assertIn('does not speak RPC 1.99', message)

    def test_an_object_without_a_key_is_refused(self) -> None:
        empty = {
            **primitives.frozen('Service', '1.1'),
            'versioned_object.data': {},
        }
        for name in ('save', 'refresh', 'destroy', 'leave', 'sync', 'join'):
            message = self.call_and_fail(
                exception.InvalidInput,
                'object_action',
                objinst={
                    **empty,
                    'versioned_object.data': {'disabled': True},
                    'versioned_object.changes': ['disabled'],
                },
                objmethod=name,
                args=[UUID] if name == 'join' else [],
                kwargs={},
            )
            self.assertTrue(message.startswith('Invalid input: '), message)


class TestWire(CallerTest):
    scenarios = [base.ON_MARIADB]

    def test_an_error_reply_has_no_traceback(self) -> None:
        # This transport may not rebuild our errors: RemoteError has the
        # whole reply.
        conf = self.deployment.conf()
        self.addCleanup(transports.rpc_transport(conf).cleanup)
        transport = messaging.get_rpc_transport(conf)
        self.addCleanup(transport.cleanup)
        client = messaging.get_rpc_client(
            transport, self.client.target, timeout=10
        )
        for args in ({'objinst': 5}, {'objinst': 5, 'object_versions': {}}):
            error = self.assertRaises(
                messaging.RemoteError,
                client.call,
                {},
                'object_backport_versions',
                **args,
            )
            self.assertEqual('InvalidInput', error.exc_type)
            self.assertNotIn('File "', str(error))


class TestBug(CallerTest):
    def test_a_bug_is_logged_and_its_caller_gets_the_request_id(self) -> None:
        self.member()
        liveness: Any = self.conductor.backend.judges.primary
        judge = liveness.judge

        def explode(*args: Any) -> Any:
            if base.in_an_rpc_call():
                raise ZeroDivisionError('secret')
            return judge(*args)

        liveness.judge = explode
        error = self.assertRaises(
            exception.UnexpectedFailure, self.get_service
        )
        self.assertNotIn('secret', str(error))
        self.assertNotIn('Traceback', str(error))
        self.assertEqual(1, self.logged('ERROR Unexpected failure in'))
        self.assertIn('ZeroDivisionError: secret', self.log.output)
        request_id = error.args[0]
        self.assertIn(f'request {request_id}', self.log.output)
        self.assertIn(request_id, str(error))


class TestSerializedContext(base.DeploymentTest):
    scenarios = [base.EMBEDDED]

    def test_a_serialized_context_has_no_backend_or_conductor(self) -> None:
        remote = self.deployment.remote()
        sent = json.dumps(remote.context(user_id='ann').to_dict())
        self.assertNotIn('conductor', sent)
        self.assertNotIn('backend', sent)

    def test_a_remote_context_has_no_backend(self) -> None:
        remote = self.deployment.remote()
        method: Any = objects.Service.get_by_uuid
        self.assertRaises(
            exception.NoBackend,
            method.original_fn,
            objects.Service,
            remote.context(),
            UUID,
        )
