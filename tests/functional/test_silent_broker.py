"""A broker that a part of the processes cannot hear any more."""

import itertools
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import fixtures
import oslo_messaging as messaging
from kombu import connection as kombu_connection

from sgconductor import exception
from sgconductor import objects
from sgconductor.messaging import batch_listener
from sgconductor.messaging import graceful_server
from sgconductor.messaging import notification
from sgconductor.messaging import shortcuts
from sgconductor.messaging import transports
from tests.functional import base
from tests.servers import process
from tests.servers import proxy

_DOWN_AFTER = 12
# Seconds within which a server has stopped, with room for a loaded machine. It
# is less than one AMQP heartbeat of _LONG.
_STOPS_WITHIN = 10
_LONG = 70


class _Beats(batch_listener.BatchDispatcher):
    def __init__(self) -> None:
        self.numbers: set[int] = set()

    def dispatch(self, incoming: Sequence[Any]) -> Sequence[Any]:
        for each in incoming:
            self.numbers.add(each.message['payload']['number'])
        return []


class SilentBrokerTest(base.DeploymentTest):
    scenarios = [base.ON_MARIADB]

    def setUp(self) -> None:
        super().setUp()
        self.proxy = self.useFixture(
            proxy.Proxy(process.LOOPBACK, self.broker.port)
        )
        *_, vhost = self.deployment.transport_url.split('/')
        self.through_proxy = (
            f'rabbit://guest:guest@{self.proxy.address}/{vhost}'
        )

    def conf(self, **more: Any) -> Any:
        return self.deployment.conf(
            servicegroup__down_after=_DOWN_AFTER, **more
        )


class TestBeats(SilentBrokerTest):
    tables = False

    def listen(self, **more: Any) -> _Beats:
        beats = _Beats()
        transport = transports.beat_transport(self.conf(**more))
        self.addCleanup(transport.cleanup)
        listener = batch_listener.BatchListener(
            transport,
            [messaging.Target(exchange='beats', topic='beats')],
            beats,
            batch_size=10,
            batch_timeout=0.05,
        )
        listener.start(override_pool_size=1)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)
        return beats

    def test_beats_that_a_silent_conductor_was_given_go_to_others(
        self,
    ) -> None:
        silent = self.listen(transport_url=self.through_proxy)
        others = self.listen()
        rpc = transports.rpc_transport(self.conf())
        self.addCleanup(rpc.cleanup)
        sender = notification.sender(
            rpc, 'messaging', ['beats'], exchange='beats'
        )
        fields = ('message_id', 'publisher_id', 'event_type', 'timestamp')
        numbers = itertools.count()

        def send() -> int:
            number = next(numbers)
            message = {**dict.fromkeys(fields, 'any'), 'priority': 'INFO'}
            sender.send({**message, 'payload': {'number': number}}, {})
            return number

        def is_dealt_to_both() -> bool:
            send()
            return bool(silent.numbers and others.numbers)

        self.wait_for('beats for both', is_dealt_to_both)
        self.proxy.freeze()
        sent = {send() for _ in range(20)}
        self.assertFalse(sent <= others.numbers)
        self.wait_for('all beats', lambda: sent <= others.numbers, _DOWN_AFTER)
        self.proxy.heal()


class TestCalls(SilentBrokerTest):
    def test_a_call_ends_after_its_timeout(self) -> None:
        self.deployment.conductor()
        remote = self.deployment.remote(
            timeout=2,
            transport_url=self.through_proxy,
            servicegroup__down_after=_DOWN_AFTER,
        )
        self.assertEqual([], base.services(remote.context()))
        self.proxy.freeze()
        begin = time.monotonic()
        self.assertRaises(
            exception.Unreachable,
            objects.ServiceList.get_page,
            remote.context(),
        )
        self.assertLess(time.monotonic() - begin, 10)
        self.proxy.heal()

        def answers() -> bool:
            try:
                objects.ServiceList.get_page(remote.context())
            except exception.Unreachable:
                return False
            return True

        self.wait_for('an answer', answers)
        # Calls that were given up go on, and may connect after the remote is
        # closed.
        self.wait_for(
            'the end of all calls',
            lambda: 'call' not in {t.name for t in threading.enumerate()},
        )


class TestStop(SilentBrokerTest):
    """Servers stop at once, also where the broker does not answer."""

    tables = False

    def setUp(self) -> None:
        super().setUp()
        if shortcuts.Shortcut.CLOSE_SOON not in shortcuts.usable():
            self.skipTest(f'{shortcuts.VARIABLE} is set')

    def conf(self, **more: Any) -> Any:
        return self.deployment.conf(
            servicegroup__down_after=_LONG,
            transport_url=self.through_proxy,
            **more,
        )

    def started_listener(self) -> batch_listener.BatchListener:
        transport = transports.beat_transport(self.conf())
        self.addCleanup(transport.cleanup)
        made = batch_listener.BatchListener(
            transport,
            [messaging.Target(exchange='beats', topic='beats')],
            _Beats(),
            batch_size=10,
            batch_timeout=0.05,
        )
        made.start(override_pool_size=1)
        self.wait_until_consuming(made)
        return made

    def started_server(self) -> graceful_server.Server:
        transport = transports.rpc_transport(self.conf())
        self.addCleanup(transport.cleanup)
        made: graceful_server.Server = messaging.get_rpc_server(
            transport,
            messaging.Target(exchange='calls', topic='calls', server='any'),
            [],
            access_policy=messaging.ExplicitRPCAccessPolicy,
            server_cls=graceful_server.Server,
        )
        made.start()
        self.wait_until_consuming(made)
        return made

    def wait_until_consuming(self, server: Any) -> None:
        connection = server.listener._poll_style_listener.conn.connection
        self.wait_for('consumers', lambda: not connection._new_tags)

    def see_an_end(self, *steps: Callable[[], None]) -> None:
        """Check that all steps end soon while the broker is silent."""

        def run() -> None:
            for step in steps:
                step()

        self.proxy.freeze()
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(_STOPS_WITHIN)
        ended = not thread.is_alive()
        self.proxy.heal()
        thread.join()
        self.assertTrue(ended)
        self.wait_for('no connection', lambda: not self.proxy.connections)

    def test_a_listener_gives_back_at_once(self) -> None:
        listener = self.started_listener()
        self.see_an_end(listener.give_back, listener.wait)

    def test_a_listener_stops_at_once(self) -> None:
        listener = self.started_listener()
        self.see_an_end(listener.stop, listener.wait)

    def test_a_server_of_calls_is_drained_at_once(self) -> None:
        server = self.started_server()
        self.see_an_end(lambda: graceful_server.drain(server), server.wait)

    def test_a_server_of_calls_stops_at_once(self) -> None:
        server = self.started_server()
        self.see_an_end(server.stop, server.wait)

    def test_a_listener_stops_while_it_connects_again(self) -> None:
        """The broker hangs when the listener has just connected."""
        self.through_proxy += '?heartbeat_timeout_threshold=2'
        listener = self.started_listener()
        hung = threading.Event()
        connect: Any = kombu_connection.Connection.ensure_connection

        def connect_and_hang(*args: Any, **kwargs: Any) -> Any:
            self.proxy.heal()
            made = connect(*args, **kwargs)
            self.proxy.freeze()
            hung.set()
            return made

        with fixtures.MonkeyPatch(
            'kombu.connection.Connection.ensure_connection', connect_and_hang
        ):
            for _ in range(5):
                self.proxy.refuse()
                if hung.wait(5):
                    break
                # The thread that sends heartbeats has noticed it first, and
                # connects in another way.
                self.proxy.heal()
                self.wait_until_consuming(listener)
            self.assertTrue(hung.is_set())
        self.see_an_end(listener.give_back, listener.wait)
