"""Three memcached, over which clients spread their keys."""

import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

from tests import drills
from tests.cluster import cluster
from tests.servers import memcached
from tests.servers import process

__all__ = ['MemcachedCluster']

_SIZE = 3
_PATIENCE = 60.0


class MemcachedCluster(cluster.ServerCluster):
    """Three memcached, which do not know of each other.

    A node that was killed or restarted is empty. None can be isolated from
    its peers, so there is no such fault.
    """

    NAME: ClassVar[str] = 'memcached'

    @classmethod
    def missing(cls) -> str | None:
        return memcached.Memcached.missing()

    def _setUp(self) -> None:
        self._nodes = [
            self.useFixture(memcached.Memcached()) for _ in range(_SIZE)
        ]

    @property
    def names(self) -> Sequence[str]:
        return [f'memcached{i + 1}' for i in range(_SIZE)]

    def options(self) -> Mapping[str, Any]:
        return {
            'servicegroup__driver': 'memcache',
            'servicegroup_memcache__servers': [
                node.address for node in self._nodes
            ],
            'servicegroup_memcache__interval': 1,
            'servicegroup_memcache__ttl': 6,
            'servicegroup_memcache__timeout': 0.5,
        }

    def faults_of(self, node: int, name: str) -> Sequence[cluster.Fault]:
        return [
            fault
            for fault in super().faults_of(node, name)
            if not fault.name.startswith('isolate')
        ]

    def node(self, number: int) -> memcached.Memcached:
        return self._nodes[number]

    def isolate(self, node: int) -> None:
        raise NotImplementedError('memcached have no connections to peers')

    def heal(self, node: int) -> None:
        raise NotImplementedError('memcached have no connections to peers')

    def wait_until_whole(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not all(node.answers() for node in self._nodes):
            if time.monotonic() > deadline:
                raise drills.DrillError('a memcached does not answer')
            time.sleep(process.PAUSE)
