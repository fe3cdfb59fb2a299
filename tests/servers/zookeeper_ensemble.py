"""Three ZooKeepers that form an ensemble."""

import pathlib
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

from tests import drills
from tests.cluster import cluster
from tests.servers import peer_network
from tests.servers import process
from tests.servers import zookeeper

__all__ = ['Ensemble']

_SIZE = 3
_PATIENCE = 60.0
_CHROOT = '/acme/cloud'


class Peer(zookeeper.ZooKeeper):
    """One server of an ensemble.

    :param number: its ``myid``
    :param ports: for clients, for peers, and for elections
    :param servers: the lines of the configuration that name all servers
    """

    MAIN: ClassVar[str] = 'org.apache.zookeeper.server.quorum.QuorumPeerMain'

    def __init__(
        self,
        number: int,
        ports: Sequence[int],
        servers: Mapping[str, str],
        properties: Mapping[str, str],
    ) -> None:
        super().__init__(
            properties={
                **properties,
                # Milliseconds; a candidate waits for each connection.
                'zookeeper.cnxTimeout': '500',
            }
        )
        self._number = number
        self._own_ports = tuple(ports)
        self._servers = servers

    @property
    def mode(self) -> str:
        """'leader' or 'follower'; '' while it does not serve."""
        for line in self.ask('srvr').splitlines():
            if line.startswith('Mode: '):
                return line.removeprefix('Mode: ')
        return ''

    def _initialise(self) -> None:
        data = pathlib.Path(self.directory, 'data')
        data.mkdir()
        (data / 'myid').write_text(f'{self._number}\n')

    def _start_somewhere(self) -> None:
        # The others know its ports already.
        self.ports = self._own_ports
        self.start()

    def _settings(self) -> dict[str, str]:
        return {
            **super()._settings(),
            'initLimit': '20',
            # As ZooKeeper's own example and the drill's session timeout are
            # to each other: a server that is cut off notices that only when
            # the sessions of its clients expire.
            'syncLimit': '20',
            **self._servers,
        }


class Ensemble(cluster.ServerCluster):
    """Three ZooKeepers, with a chroot for clients.

    They reach each other through a network of their own.
    """

    NAME: ClassVar[str] = 'ZooKeeper'

    @classmethod
    def missing(cls) -> str | None:
        return Peer.missing()

    def _setUp(self) -> None:
        ports = process.free_ports(3 * _SIZE)
        numbers = range(_SIZE)
        of_node = [ports[3 * node : 3 * node + 3] for node in numbers]
        servers = {
            f'server.{node + 1}': f'{process.LOOPBACK}:{quorum}:{election}'
            for node, (_, quorum, election) in enumerate(of_node)
        }
        self._network = self.useFixture(
            peer_network.PeerNetwork(
                {port: node for node in numbers for port in of_node[node][1:]}
            )
        )
        self._nodes = [
            self.useFixture(
                Peer(
                    node + 1,
                    of_node[node],
                    servers,
                    self._network.properties(node),
                )
            )
            for node in numbers
        ]
        self.wait_until_whole()

    @property
    def names(self) -> Sequence[str]:
        return [f'zookeeper{i + 1}' for i in range(_SIZE)]

    @property
    def hosts(self) -> str:
        """All servers and a chroot, as clients are configured."""
        return ','.join(node.hosts for node in self._nodes) + _CHROOT

    @property
    def leader(self) -> int:
        """The index of the leader.

        :raises DrillError: if there is none
        """
        for index, node in enumerate(self._nodes):
            if node.mode == 'leader':
                return index
        raise drills.DrillError('no ZooKeeper leads')

    def options(self) -> Mapping[str, Any]:
        return {
            'servicegroup__driver': 'zookeeper',
            'servicegroup_zookeeper__hosts': self.hosts,
            'servicegroup_zookeeper__session_timeout': 4,
        }

    def state(self) -> str:
        return ', '.join(
            f'{name} {node.mode or "away"}'
            for name, node in zip(self.names, self._nodes, strict=True)
        )

    def faults(self) -> Sequence[cluster.Fault]:
        return [
            *super().faults(),
            self._of_leader('kill', self.kill, self.start),
            self._of_leader('stop', self.freeze, self.thaw),
            self._of_leader('isolate', self.isolate, self.heal),
            cluster.Fault('lose the quorum', self._kill_two, self._start_two),
            cluster.Fault('stop all', self._freeze_all, self._thaw_all),
            cluster.Fault('rolling restart', self._roll, lambda: None),
        ]

    def _of_leader(self, what: str, begin: Any, end: Any) -> cluster.Fault:
        found: list[int] = []

        def begin_() -> None:
            found.append(self.leader)
            begin(found[-1])

        return cluster.Fault(
            f'{what} the leader', begin_, lambda: end(found[-1])
        )

    def _kill_two(self) -> None:
        for node in (0, 1):
            self.kill(node)

    def _start_two(self) -> None:
        for node in (0, 1):
            self.start(node)

    def _freeze_all(self) -> None:
        for node in range(_SIZE):
            self.freeze(node)

    def _thaw_all(self) -> None:
        for node in range(_SIZE):
            self.thaw(node)

    def _roll(self) -> None:
        for node in range(_SIZE):
            self.restart(node)
            self.wait_until_whole()

    def node(self, number: int) -> Peer:
        return self._nodes[number]

    def isolate(self, node: int) -> None:
        self._network.isolate(node)

    def heal(self, node: int) -> None:
        self._network.heal(node)

    def wait_until_whole(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not all(node.mode for node in self._nodes):
            if time.monotonic() > deadline:
                raise drills.DrillError(f'no whole ensemble: {self.state()}')
            time.sleep(10 * process.PAUSE)
