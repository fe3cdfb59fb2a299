"""A project's own RPC client sends the versions that its pin allows."""

from typing import Any

import oslo_messaging as messaging
from oslo_messaging.rpc import dispatcher

from sgconductor import exception
from sgconductor import objects
from sgconductor import rpcapi
from sgconductor import versions
from tests import primitives
from tests.functional import base

HISTORY = versions.History(
    '1.0',
    versions.Release('1.0', {'Service': '1.0'}),
    versions.Release('1.1', {'Service': '1.1'}),
)


class WorkerAPI(rpcapi.PinnedAPI):
    BINARY = 'acme-worker'
    HISTORY = HISTORY
    TARGET = messaging.Target(exchange='pinned', topic='pinned')

    def work(self, thing: Any = None) -> Any:
        with self.prepare(server='node1') as rpc:
            version = 'new' if rpc.can_send('1.1') else 'old'
            return rpc.call({}, f'work_the_{version}_way', thing=thing)


class Worker:
    target = messaging.Target(version='1.1')

    def work_the_old_way(self, context: Any, thing: Any) -> Any:
        return ['old', thing]

    def work_the_new_way(self, context: Any, thing: Any) -> Any:
        return ['new', thing]


class Recorder(messaging.RPCDispatcher):
    """A dispatcher that records the RPC versions of the calls."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.versions: list[str] = []

    def dispatch(self, incoming: Any) -> Any:
        self.versions.append(incoming.message['version'])
        return super().dispatch(incoming)


class PinnedTest(base.ConductorTest):
    scenarios = [base.EMBEDDED, base.ON_MARIADB]

    def setUp(self) -> None:
        super().setUp()
        self.api = WorkerAPI(
            self.remote.transport, self.remote.pins, timeout=10
        )

    def serve(self) -> Recorder:
        """Start an RPC server of acme-worker on node1."""
        recorder = Recorder(
            [Worker()],
            messaging.NoOpSerializer(),
            dispatcher.DefaultRPCAccessPolicy,
        )
        remote = self.deployment.remote()
        target = messaging.Target(
            exchange='pinned', topic='pinned', server='node1'
        )
        server = messaging.rpc.server.RPCServer(
            remote.transport, target, recorder
        )
        server.start()
        self.addCleanup(server.wait)
        self.addCleanup(server.stop)
        return recorder

    def hold(self, version: int) -> None:
        objects.Pin.get_by_binary(self.context, 'acme-worker').hold(version)


class TestCalls(PinnedTest):
    def test_calls_are_sent_in_the_version_that_the_pin_allows(
        self,
    ) -> None:
        recorder = self.serve()
        self.member('node1', version=1)
        self.assertEqual('old', self.api.work()[0])
        self.assertFalse(self.api.can_send('1.1'))
        self.member('node1', version=2)
        self.wait_for('the new pin', lambda: self.api.can_send('1.1'))
        self.assertEqual('new', self.api.work()[0])
        self.hold(1)
        self.wait_for('the hold', lambda: not self.api.can_send('1.1'))
        self.assertEqual('old', self.api.work()[0])
        self.assertEqual(['1.0', '1.1', '1.0'], recorder.versions)

    def test_a_caller_older_than_the_pin_sends_its_newest_version(
        self,
    ) -> None:
        recorder = self.serve()
        self.member('node1', version=9)
        self.assertEqual('new', self.api.work()[0])
        self.assertEqual(['1.1'], recorder.versions)

    def test_the_pin_cannot_change_between_can_send_and_the_call(self) -> None:
        self.serve()
        self.member('node1', version=2)
        with self.api.prepare(server='node1') as rpc:
            self.assertTrue(rpc.can_send('1.1'))
            self.hold(1)
            self.wait_for('the hold', lambda: not self.api.can_send('1.1'))
            self.assertTrue(rpc.can_send('1.1'))
            answer = rpc.call({}, 'work_the_new_way', thing=1)
            # While the hold is not confirmed, no older service may join.
            pin = objects.Pin.get_by_binary(self.context, 'acme-worker')
            self.assertLess(self.remote.pins.epoch, pin.epoch)
        self.assertEqual(['new', 1], answer)
        self.assertEqual(pin.epoch, self.remote.pins.epoch)

    def test_objects_are_sent_in_the_versions_of_the_pin(self) -> None:
        self.serve()
        service = objects.Service.obj_from_primitive(
            primitives.frozen('Service', '1.2')
        )
        self.member('node1', version=1)
        _, arrived = self.api.work({'in': [service]})
        self.assertEqual(primitives.frozen('Service', '1.0'), arrived['in'][0])
        self.member('node1', version=2)
        self.wait_for('the new pin', lambda: self.api.can_send('1.1'))
        _, arrived = self.api.work(service)
        self.assertEqual(primitives.frozen('Service', '1.1'), arrived)

    def test_an_object_of_an_older_peer_keeps_its_version(self) -> None:
        self.serve()
        self.member('node1', version=2)
        older = primitives.frozen('Service', '1.0')
        service = objects.Service.obj_from_primitive(older)
        service.VERSION = '1.0'
        services = objects.ServiceList(objects=[service])
        _, arrived = self.api.work([service, services])
        self.assertEqual(older, arrived[0])
        nested = arrived[1]['versioned_object.data']['objects']
        self.assertEqual([older], nested)

    def test_objects_in_a_list_without_a_version_are_sent_in_theirs(
        self,
    ) -> None:
        self.serve()
        self.member('node1', version=1)
        service = objects.Service.obj_from_primitive(
            primitives.frozen('Service', '1.2')
        )
        _, arrived = self.api.work(objects.ServiceList(objects=[service]))
        nested = arrived['versioned_object.data']['objects']
        self.assertEqual([primitives.frozen('Service', '1.0')], nested)

    def test_a_cast_is_sent_in_the_version_that_the_pin_allows(self) -> None:
        recorder = self.serve()
        self.member('node1', version=1)
        with self.api.prepare(server='node1') as rpc:
            rpc.cast({}, 'work_the_old_way', thing=1)
        self.wait_for('the cast', lambda: recorder.versions)
        self.assertEqual(['1.0'], recorder.versions)


class TestFailure(PinnedTest):
    def test_a_binary_that_never_joined_is_an_error(self) -> None:
        error = self.assertRaises(exception.UnknownBinary, self.api.work)
        self.assertIn("'acme-worker'", str(error))
        self.assertRaises(exception.UnknownBinary, self.api.can_send, '1.0')

    def test_without_a_conductor_the_caller_gets_an_error(self) -> None:
        self.conductor.stop()
        remote = self.deployment.remote(timeout=0.5)
        api = WorkerAPI(remote.transport, remote.pins)
        self.assertRaises(exception.ConductorUnreachable, api.work)
