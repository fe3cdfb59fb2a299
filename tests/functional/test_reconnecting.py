"""Listeners come back, whichever of the brokers in transport_url are dead."""

import threading
from collections.abc import Sequence
from concurrent import futures
from typing import Any

import fixtures
import oslo_messaging as messaging
import testresources
from oslo_config import cfg

from sgconductor import conf as sg_conf
from sgconductor.messaging import batch_listener
from sgconductor.messaging import graceful_server
from sgconductor.messaging import notification
from sgconductor.messaging import polling
from sgconductor.messaging import shortcuts
from sgconductor.messaging import transports
from tests import base
from tests import resources
from tests.servers import process
from tests.servers import proxy

_HOSTS = 3
# In the order of the URL; all clients are connected to the first.
_DEAD = [(), (1,), (2,), (1, 2)]
_EXCHANGE = 'reconnecting'


class _Beats(batch_listener.BatchDispatcher):
    def __init__(self) -> None:
        self.arrived = threading.Event()

    def dispatch(self, incoming: Sequence[Any]) -> Sequence[Any]:
        self.arrived.set()
        return []


class _Calls:
    target = messaging.Target(version='1.0')

    def __init__(self) -> None:
        self.cast = threading.Event()

    @messaging.expose  # type: ignore[untyped-decorator]
    def answer(self, context: dict[str, Any]) -> str:
        return 'answer'

    @messaging.expose  # type: ignore[untyped-decorator]
    def hear(self, context: dict[str, Any]) -> None:
        self.cast.set()


class Clients(fixtures.Fixture):
    """One listener of each kind, behind three proxies of one broker.

    :param broker: a RabbitMQ
    :param name: of a vhost, which is left
    :ivar broker: as given
    :ivar proxies: for the hosts of the transport URL
    """

    def __init__(self, broker: Any, name: str) -> None:
        self.broker = broker
        self.name = name

    def _setUp(self) -> None:
        direct = self.broker.vhost(self.name)
        self.proxies = [
            self.useFixture(proxy.Proxy(process.LOOPBACK, self.broker.port))
            for _ in range(_HOSTS)
        ]
        hosts = ','.join(f'guest:guest@{one.address}' for one in self.proxies)
        conf = self._conf(f'rabbit://{hosts}/{self.name}')
        rpc = transports.rpc_transport(conf)
        self.addCleanup(rpc.cleanup)
        self._calls = _Calls()
        self._serve(rpc, 'ours', self._calls)
        self._beats = _Beats()
        beat_transport = transports.beat_transport(conf)
        self.addCleanup(beat_transport.cleanup)
        listener = batch_listener.BatchListener(
            beat_transport,
            [messaging.Target(exchange=_EXCHANGE, topic='beats')],
            self._beats,
            batch_size=200,
            batch_timeout=0.05,
        )
        listener.start(override_pool_size=1)
        self.addCleanup(_end, listener)
        self._caller = self._client(rpc, 'theirs')
        polling.speed_up_replies(rpc, 0.2)
        # The other side of each is connected to the broker itself.
        peer = transports.rpc_transport(self._conf(direct))
        self.addCleanup(peer.cleanup)
        self._serve(peer, 'theirs', _Calls())
        self._peer = self._client(peer, 'ours')
        self._fanout = self._client(peer, 'ours', fanout=True)
        self._sender = notification.sender(
            peer, 'messaging', ['beats'], exchange=_EXCHANGE
        )

    def _conf(self, url: str) -> cfg.ConfigOpts:
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        sg_conf.register_opts(conf)
        transports.use_url(conf, url)
        return conf

    def _serve(self, transport: Any, topic: str, calls: _Calls) -> None:
        server = messaging.get_rpc_server(
            transport,
            messaging.Target(exchange=_EXCHANGE, topic=topic, server='any'),
            [calls],
            access_policy=messaging.ExplicitRPCAccessPolicy,
            server_cls=graceful_server.Server,
        )
        server.start()
        self.addCleanup(_end, server)

    def _client(self, transport: Any, topic: str, **target: Any) -> Any:
        return messaging.get_rpc_client(
            transport,
            messaging.Target(
                exchange=_EXCHANGE, topic=topic, version='1.0', **target
            ),
            timeout=1,
            retry=_HOSTS,
        )

    def server_answers(self) -> bool:
        return _answers(self._peer)

    def caller_gets_replies(self) -> bool:
        return _answers(self._caller)

    def fanout_arrives(self) -> bool:
        self._calls.cast.clear()
        self._fanout.cast({}, 'hear')
        return self._calls.cast.wait(1)

    def beats_arrive(self) -> bool:
        self._beats.arrived.clear()
        message = dict.fromkeys(
            ('message_id', 'publisher_id', 'event_type', 'timestamp'), 'any'
        )
        self._sender.send({**message, 'priority': 'INFO', 'payload': {}}, {})
        return self._beats.arrived.wait(1)

    def delete_queues(self) -> None:
        """Make the broker cancel all consumers, as if a node with its queues
        had died, and the one that the clients are connected to had not.
        """
        self.broker.evaluate(
            f'[rabbit_amqqueue:delete(Queue, false, false, <<"tests">>) || '
            f'Queue <- rabbit_amqqueue:list(<<"{self.name}">>)].'
        )


def _answers(client: Any) -> bool:
    try:
        return bool(client.call({}, 'answer') == 'answer')
    except messaging.MessagingTimeout:
        return False


def _end(server: Any) -> None:
    server.stop()
    server.wait()


class ReconnectingTest(testresources.ResourcedTestCase, base.TestCase):
    """All orders of dead hosts at once, which takes no longer than one."""

    resources = [('broker', resources.RABBITMQ)]
    broker: Any

    def setUp(self) -> None:
        super().setUp()
        if shortcuts.Shortcut.RECONNECT not in shortcuts.usable():
            self.skipTest(f'{shortcuts.VARIABLE} is set')
        # oslo.messaging shuffles the hosts.
        self.useFixture(fixtures.MonkeyPatch('random.shuffle', lambda _: None))
        self._made: list[Clients] = []
        self.addCleanup(self._close)

    def clients(self, name: str) -> Clients:
        clients = Clients(self.broker, name)
        clients.setUp()
        self._made.append(clients)
        self.see(clients)
        return clients

    def _close(self) -> None:
        # Together, because each waits for seconds until its threads end.
        with futures.ThreadPoolExecutor() as closing:
            for done in [closing.submit(one.cleanUp) for one in self._made]:
                done.result()
        for one in self._made:
            one.broker.delete_vhost(one.name)

    def see(self, clients: Clients) -> None:
        for arrives in (
            clients.server_answers,
            clients.beats_arrive,
            clients.fanout_arrives,
            clients.caller_gets_replies,
        ):
            self.wait_for(arrives.__name__, arrives)

    def see_all(self, several: Sequence[Clients]) -> None:
        with futures.ThreadPoolExecutor(len(several)) as looking:
            for seen in looking.map(self.see, several):
                self.assertIsNone(seen)


class TestDeadHosts(ReconnectingTest):
    def clients_with_dead_hosts(self, name: str) -> list[Clients]:
        several = []
        for number, dead in enumerate(_DEAD):
            clients = self.clients(f'{name}_{number}')
            for host in dead:
                clients.proxies[host].refuse()
            several.append(clients)
        return several

    def test_all_are_back_after_the_broker_cancelled_them(self) -> None:
        several = self.clients_with_dead_hosts('cancelled')
        for clients in several:
            clients.delete_queues()
        self.see_all(several)

    def test_all_are_back_after_their_connections_were_cut(self) -> None:
        several = self.clients_with_dead_hosts('cut')
        for clients in several:
            clients.proxies[0].cut()
        self.see_all(several)

    def test_all_are_back_after_their_host_died(self) -> None:
        *several, none_left = self.clients_with_dead_hosts('died')
        for clients in (*several, none_left):
            clients.proxies[0].refuse()
        self.see_all(several)
        # The last one finds a host as soon as there is one.
        none_left.proxies[2].heal()
        self.see(none_left)


class TestSilentHosts(ReconnectingTest):
    def test_a_host_that_accepts_and_does_not_answer_is_passed_over(
        self,
    ) -> None:
        clients = self.clients('silent')
        clients.proxies[1].freeze()
        clients.proxies[2].refuse()
        clients.proxies[0].cut()
        self.see(clients)
