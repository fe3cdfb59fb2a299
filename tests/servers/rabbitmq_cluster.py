"""Three RabbitMQs that form a cluster."""

import secrets
import subprocess
import time
from collections.abc import Iterable
from collections.abc import Sequence
from typing import ClassVar

from tests import drills
from tests.cluster import cluster
from tests.servers import process
from tests.servers import rabbitmq

__all__ = [
    'DurableCluster',
    'MirroredCluster',
    'Node',
    'QuorumCluster',
    'RabbitMQCluster',
    'StreamCluster',
]

_SIZE = 3
_PATIENCE = 90.0

_SETTINGS = """\
cluster_partition_handling = pause_minority
cluster_formation.peer_discovery_backend = classic_config
"""

_MIRROR = """\
rabbit_policy:set(<<"{name}">>, <<"mirrored">>, <<"^(?!amq[.]).*">>,
    [{{<<"ha-mode">>, <<"all">>}}, {{<<"ha-sync-mode">>, <<"automatic">>}}],
    0, <<"all">>, <<"tests">>).
"""

_CUT = """\
[begin erlang:set_cookie(Peer, {cookie}), erlang:disconnect_node(Peer) end ||
    Peer <- [{peers}]].
"""

_HEAL = '[erlang:set_cookie(Peer, {cookie}) || Peer <- [{peers}]].'

_HOME = """\
{{ok, Queue}} = rabbit_amqqueue:lookup(
    rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)),
case amqqueue:get_pid(Queue) of
    {{_, Leader}} -> Leader;
    Pid -> node(Pid)
end.
"""

_RUNNING = 'length(rabbit_mnesia:cluster_nodes(running)).'


class Node(rabbitmq.RabbitMQ):
    """One node of a cluster.

    :param number: from 1
    :param cookie: of all nodes
    :param epmd_port: of the port mapper of all nodes
    """

    # The broker, the distribution of Erlang.
    PORT_COUNT: ClassVar[int] = 2
    DEADLINE: ClassVar[float] = _PATIENCE

    def __init__(self, number: int, cookie: str, epmd_port: int) -> None:
        super().__init__()
        self._number = number
        self._shared_cookie = cookie
        self._shared_epmd = epmd_port

    @property
    def node_name(self) -> str:
        return f'rabbit{self._number}@localhost'

    @property
    def epmd_port(self) -> int:
        return self._shared_epmd

    @property
    def running_nodes(self) -> int:
        """How many nodes this one sees run; 0 while it does not answer."""
        try:
            return int(self.evaluate(_RUNNING))
        except (RuntimeError, ValueError, subprocess.TimeoutExpired):
            return 0

    def _make_cookie(self) -> str:
        return self._shared_cookie

    def _settings(self) -> str:
        # The first one does not wait for others. A node that has joined
        # keeps to its cluster.
        first = 'cluster_formation.classic_config.nodes.1 = rabbit1@localhost'
        return f'{super()._settings()}{_SETTINGS}{first}\n'

    def _start_epmd(self) -> None:
        """Do nothing: the cluster has started it."""


class RabbitMQCluster(cluster.ServerCluster):
    """Three nodes that share vhosts, queues and one account, guest.

    A node in a minority pauses.
    """

    NAME: ClassVar[str] = 'RabbitMQ cluster'

    @classmethod
    def missing(cls) -> str | None:
        return Node.missing()

    def _setUp(self) -> None:
        self._cookie = secrets.token_hex()
        self._mapper = self.useFixture(rabbitmq.PortMapper())
        self._nodes = [
            self.useFixture(Node(i + 1, self._cookie, self._mapper.port))
            for i in range(_SIZE)
        ]
        self.wait_until_whole()

    @property
    def names(self) -> Sequence[str]:
        return [f'rabbit{i + 1}' for i in range(_SIZE)]

    @property
    def broker(self) -> 'RabbitMQCluster':
        return self

    @property
    def ports(self) -> Sequence[int]:
        """The nodes' ports for clients."""
        return [node.port for node in self._nodes]

    def url(self, vhost: str, ports: Iterable[int] | None = None) -> str:
        """The transport URL of a vhost.

        :param ports: of the hosts, in order; None for those of all nodes
        """
        hosts = ','.join(
            f'guest:guest@{process.LOOPBACK}:{port}'
            for port in ports or self.ports
        )
        return f'rabbit://{hosts}/{vhost}'

    def vhost(self, name: str) -> str:
        """Add a vhost and return its transport URL with all nodes."""
        self._some_node().vhost(name)
        return self.url(name)

    def delete_vhost(self, name: str) -> None:
        """Delete a vhost with its queues and connections."""
        self._some_node().delete_vhost(name)

    def queues(self, vhost: str) -> dict[str, int]:
        """The messages of each queue, as :meth:`rabbitmq.RabbitMQ.queues`."""
        return self._some_node().queues(vhost)

    def queue_depth(self, vhost: str, queue: str) -> int:
        """The messages in a queue; KeyError if there is no such queue."""
        return self.queues(vhost)[queue]

    def evaluate(self, code: str) -> str:
        """Run Erlang code in a node that runs and return what it prints."""
        return self._some_node().evaluate(code)

    def home(self, vhost: str, queue: str) -> int:
        """The index of the node that has a queue, or its leader."""
        name = self.evaluate(_HOME.format(vhost=vhost, queue=queue))
        return [node.node_name for node in self._nodes].index(
            name.strip().strip("'")
        )

    def state(self) -> str:
        return ', '.join(
            f'{name} {"runs" if node.running else "is away"}'
            for name, node in zip(self.names, self._nodes, strict=True)
        )

    def node(self, number: int) -> Node:
        return self._nodes[number]

    def isolate(self, node: int) -> None:
        self._nodes[node].evaluate(
            _CUT.format(cookie='wrong', peers=self._peers(node))
        )

    def heal(self, node: int) -> None:
        self._nodes[node].evaluate(
            _HEAL.format(cookie=f"'{self._cookie}'", peers=self._peers(node))
        )

    def wait_until_whole(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while any(node.running_nodes != _SIZE for node in self._nodes):
            if time.monotonic() > deadline:
                raise drills.DrillError(f'no whole cluster: {self.state()}')
            time.sleep(20 * process.PAUSE)

    def _peers(self, node: int) -> str:
        return ', '.join(
            f"'{each.node_name}'"
            for index, each in enumerate(self._nodes)
            if index != node
        )

    def _some_node(self) -> Node:
        """A node that answers."""
        for node in self._nodes:
            if node.running and node.running_nodes:
                return node
        raise RuntimeError(f'no node answers: {self.state()}')


class DurableCluster(RabbitMQCluster):
    """Classic queues: each is on one node, and is away when that is."""


class MirroredCluster(RabbitMQCluster):
    """Classic queues with a copy on each node."""

    def vhost(self, name: str) -> str:
        url = super().vhost(name)
        self.evaluate(_MIRROR.format(name=name))
        return url


class QuorumCluster(RabbitMQCluster):
    """Quorum queues, also for replies and for what goes to all."""

    def more(self) -> str:
        return (
            '[oslo_messaging_rabbit]\n'
            'rabbit_quorum_queue = true\n'
            'rabbit_transient_quorum_queue = true\n'
        )


class StreamCluster(QuorumCluster):
    """Quorum queues, and a stream for what goes to all."""

    def more(self) -> str:
        return (
            f'{super().more()}'
            'rabbit_stream_fanout = true\n'
            'rabbit_qos_prefetch_count = 100\n'
        )
