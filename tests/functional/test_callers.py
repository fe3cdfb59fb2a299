"""Callers of other releases, strangers, and what an answer may not say."""

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


# Beats that no test will see.
RARELY: Any = {'report_interval': 10_000, 'down_after': 20_000}


class CallerTest(base.ConductorTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def setUp(self) -> None:
        super().setUp()
        self.api = conductor_api.ConductorAPI(
            transports.rpc_transport(self.deployment.conf()), 10
        )
        self.client = self.api._client

    def as_wire(self, method: str, **args: Any) -> Any:
        """What comes back to a caller that knows no objects at all."""
        plain = messaging.get_rpc_client(
            self.client.transport,
            self.client.target,
            timeout=10,
            serializer=messaging.NoOpSerializer(),
        )
        return plain.call(self.context.to_dict(), method, **args)


class TestOlderCaller(CallerTest):
    def class_action(self, name: str, method: str, *args: Any) -> Any:
        return self.as_wire(
            'object_class_action_versions',
            objname=name,
            objmethod=method,
            object_versions={'Service': '1.0', 'ServiceList': '1.0'},
            args=list(args),
            kwargs={},
        )

    def expected(self, service: objects.Service) -> Any:
        """The frozen shape, with the values of a service."""
        primitive = primitives.frozen('Service', '1.0')
        data = service.obj_to_primitive()['versioned_object.data']
        primitive['versioned_object.data'] = {
            name: data[name] for name in primitive['versioned_object.data']
        }
        return primitive

    def test_it_gets_an_object_of_its_version(self) -> None:
        service = self.member(**RARELY).service
        self.assertEqual(
            self.expected(service),
            self.class_action('Service', 'get_by_uuid', service.uuid),
        )

    def test_it_gets_a_list_of_its_version(self) -> None:
        wanted = [
            self.expected(self.member(f'node{i}', **RARELY).service)
            for i in range(3)
        ]
        found = self.class_action('ServiceList', 'get_page')
        conductor, *workers = found['versioned_object.data']['objects']
        self.assertEqual(wanted, workers)
        self.assertEqual(
            sorted(wanted[0]['versioned_object.data']),
            sorted(conductor['versioned_object.data']),
        )

    def test_it_can_edit_and_gets_no_field_it_does_not_know(self) -> None:
        self.member(**RARELY)
        old = self.class_action(
            'Service', 'get_by_host_and_binary', 'node1', 'acme-worker'
        )
        old['versioned_object.data']['disabled'] = True
        old['versioned_object.changes'] = ['disabled']
        updates, result = self.as_wire(
            'object_action',
            objinst=old,
            objmethod='save',
            args=[],
            kwargs={},
        )
        self.assertEqual({'updated_at', 'obj_what_changed'}, set(updates))
        self.assertTrue(self.get_service().disabled)

    def test_it_can_have_a_newer_object_backported(self) -> None:
        for version in primitives.versions('Service'):
            self.assertEqual(
                primitives.frozen('Service', '1.0'),
                self.as_wire(
                    'object_backport_versions',
                    objinst=primitives.frozen('Service', version),
                    object_versions={'Service': '1.0'},
                ),
            )


class TestNewerCaller(CallerTest):
    """A caller of a later release, which is a process of its own."""

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

    def test_it_reads_writes_and_joins(self) -> None:
        self.member(**RARELY)
        told = self.run_later_release(self.deployment.config_file())
        self.assertEqual(['1.4', True, False], told['read'])
        self.assertTrue(self.get_service().disabled)
        self.assertEqual([True, 1], told['joined'])
        self.assertIn('Service 1.5 sets mood', told['refused'])
        self.assertIn('Upgrade the conductors first', told['refused'])

    def test_its_manifest_is_not_taken_as_an_order(self) -> None:
        service = self.member(**RARELY).service
        found = self.as_wire(
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


class TestStranger(CallerTest):
    def refused(self, error: type[Exception], method: str, **args: Any) -> str:
        """What the caller is told; and that is all it is told."""
        told = self.assertRaises(
            error, self.api._call, self.context, method, **args
        )
        self.assertNotIn('Traceback', str(told))
        self.assertNotIn('.py', str(told))
        self.assertEqual(0, self.logged('Exception during message handling'))
        return str(told)

    def class_action(self, error: type[Exception], **overrides: Any) -> str:
        args = {
            'objname': 'Service',
            'objmethod': 'get_by_uuid',
            'object_versions': {'Service': '1.1', 'ServiceList': '1.0'},
            'args': [UUID],
            'kwargs': {},
            **overrides,
        }
        return self.refused(error, 'object_class_action_versions', **args)

    def test_unknown_objects(self) -> None:
        told = self.class_action(
            ovo_exc.UnsupportedObjectError,
            objname='Aggregate',
            object_versions={'Aggregate': '1.0'},
        )
        self.assertIn('Aggregate', told)

    def test_other_major_versions(self) -> None:
        told = self.class_action(
            ovo_exc.IncompatibleObjectVersion,
            object_versions={'Service': '2.0'},
        )
        self.assertIn('Version 2.0 of Service is not supported', told)
        told = self.refused(
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
        self.assertIn('Version 2.3 of Service is not supported', told)

    def test_other_major_versions_within_a_list(self) -> None:
        for version in ('2.0', '0.9'):
            told = self.class_action(
                ovo_exc.IncompatibleObjectVersion,
                objname='ServiceList',
                objmethod='get_page',
                object_versions={'ServiceList': '1.0', 'Service': version},
                args=[],
            )
            self.assertIn(f'Version {version} of Service is not', told)

    def test_newer_versions_of_what_is_older(self) -> None:
        told = self.refused(
            exception.InvalidInput,
            'object_backport_versions',
            objinst=primitives.frozen('Service', '1.0'),
            object_versions={'Service': '1.1'},
        )
        self.assertIn('Service 1.0 cannot become Service 1.1', told)

    def test_methods_of_the_other_kind(self) -> None:
        self.class_action(exception.NotRemotable, objmethod='save', args=[])
        self.refused(
            exception.NotRemotable,
            'object_action',
            objinst=primitives.frozen('Service', '1.1'),
            objmethod='get_by_uuid',
            args=[],
            kwargs={},
        )

    def test_methods_that_are_not_remote(self) -> None:
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
            told = self.class_action(exception.NotRemotable, objmethod=name)
            self.assertIn(f'Service.{name} is not a remote method', told)
            told = self.refused(
                exception.NotRemotable,
                'object_action',
                objinst=primitives.frozen('Service', '1.1'),
                objmethod=name,
                args=[],
                kwargs={},
            )
            self.assertIn(f'Service.{name} is not a remote method', told)

    def test_arguments_of_the_wrong_shape(self) -> None:
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
            told = self.class_action(exception.InvalidInput, **overrides)
            self.assertTrue(told.startswith('Invalid input: '), told)

    def test_calls_of_the_wrong_shape(self) -> None:
        for args in ({}, {'bogus': 1}, {'objinst': 5, 'bogus': 1}):
            told = self.refused(
                exception.InvalidInput, 'object_backport_versions', **args
            )
            self.assertIn('object_backport_versions: ', told)

    def test_filters_no_service_can_match(self) -> None:
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
            told = self.class_action(
                exception.InvalidInput,
                objname='ServiceList',
                objmethod='get_page',
                args=[],
                kwargs=kwargs,
            )
            (name,) = kwargs
            self.assertIn(name, told)

    def test_things_that_are_no_objects(self) -> None:
        things: tuple[Any, ...] = (None, 5, 'Service', [], {}, {'a': 1})
        for objinst in things:
            for method, more in (
                ('object_action', {'objmethod': 'save', 'args': []}),
                ('object_backport_versions', {}),
            ):
                args = {'objinst': objinst, **more}
                if more:
                    args['kwargs'] = {}
                else:
                    args['object_versions'] = {}
                self.refused(exception.InvalidInput, method, **args)

    def test_names_that_cannot_join(self) -> None:
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
            told = self.refused(
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
            self.assertIn(name, told)
        self.assertEqual([], self.services())

    def test_methods_and_versions_the_endpoint_does_not_have(self) -> None:
        for name in ('nothing', '_run', '__init__', 'target'):
            told = self.refused(exception.NotRemotable, name)
            self.assertIn(f'conductor.{name} is not', told)
        self.client.target.version = '1.99'
        told = self.refused(exception.InvalidInput, 'object_action')
        self.assertIn('does not speak RPC 1.99', told)

    def test_objects_that_lack_what_a_method_needs(self) -> None:
        empty = {
            **primitives.frozen('Service', '1.1'),
            'versioned_object.data': {},
        }
        for name in ('save', 'refresh', 'destroy', 'leave', 'sync', 'join'):
            told = self.refused(
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
            self.assertTrue(told.startswith('Invalid input: '), told)


class TestWire(CallerTest):
    scenarios = [base.ON_MARIADB]

    def test_no_traceback_is_on_the_wire(self) -> None:
        # This caller knows none of our errors, and keeps all it was sent.
        conf = self.deployment.conf()
        self.addCleanup(transports.rpc_transport(conf).cleanup)
        bare = messaging.get_rpc_transport(conf)
        self.addCleanup(bare.cleanup)
        client = messaging.get_rpc_client(bare, self.client.target, timeout=10)
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
    def test_our_own_bug_is_logged_here_and_named_there(self) -> None:
        self.member()
        liveness: Any = self.conductor.backend.judges.primary
        judge = liveness.judge

        def explode(*args: Any) -> Any:
            if base.in_an_rpc_call():
                raise ZeroDivisionError('secret')
            return judge(*args)

        liveness.judge = explode
        told = self.assertRaises(exception.UnexpectedFailure, self.get_service)
        self.assertNotIn('secret', str(told))
        self.assertNotIn('Traceback', str(told))
        self.assertEqual(1, self.logged('ERROR Unexpected failure in'))
        self.assertIn('ZeroDivisionError: secret', self.log.output)
        request_id = told.args[0]
        self.assertIn(f'request {request_id}', self.log.output)
        self.assertIn(request_id, str(told))


class TestSerializedContext(base.DeploymentTest):
    scenarios = [base.EMBEDDED]

    def test_neither_backend_nor_conductor_travels(self) -> None:
        remote = self.deployment.remote()
        sent = json.dumps(remote.context(user_id='ann').to_dict())
        self.assertNotIn('conductor', sent)
        self.assertNotIn('backend', sent)

    def test_only_a_conductor_has_a_database(self) -> None:
        remote = self.deployment.remote()
        method: Any = objects.Service.get_by_uuid
        self.assertRaises(
            exception.NoBackend,
            method.original_fn,
            objects.Service,
            remote.context(),
            UUID,
        )
