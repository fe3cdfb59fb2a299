"""Galera as a cluster of the cluster drill: one writer, or three."""

import functools
import time
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

import sqlalchemy

from tests import drills
from tests.cluster import cluster
from tests.servers import galera
from tests.servers import haproxy
from tests.servers import process

__all__ = ['OneWriter', 'ThreeWriters']

_PATIENCE = 120.0


class OneWriter(cluster.Cluster):
    """Three nodes behind a proxy, which passes all connections to one."""

    NAME: ClassVar[str] = 'Galera'

    @classmethod
    def missing(cls) -> str | None:
        return galera.Galera.missing() or haproxy.HAProxy.missing()

    def _setUp(self) -> None:
        self._galera = self.useFixture(galera.Galera())
        self._proxy = self.useFixture(
            haproxy.HAProxy(
                [
                    (
                        node.port,
                        functools.partial(self._galera.is_synced, number),
                    )
                    for number, node in enumerate(self._galera.nodes)
                ]
            )
        )
        self.wait_until_whole()

    @property
    def names(self) -> Sequence[str]:
        return [f'galera{i + 1}' for i in range(galera.SIZE)]

    @property
    def database(self) -> Any:
        return self

    def create_database(self, name: str) -> str:
        """Create an empty database, and return its URL at the proxy."""
        url = sqlalchemy.make_url(self._galera.create_database(name))
        return url.set(port=self._proxy.port).render_as_string()

    def drop_database(self, name: str) -> None:
        """Drop a database, and end all connections to it."""
        self._galera.drop_database(name)

    def state(self) -> str:
        return ', '.join(
            f'{name} {"synced" if self._galera.is_synced(node) else "away"}'
            for node, name in enumerate(self.names)
        )

    def kill(self, node: int) -> None:
        self._galera.kill(node)

    def start(self, node: int) -> None:
        self._galera.restart(node)

    def freeze(self, node: int) -> None:
        self._galera.freeze(node)

    def thaw(self, node: int) -> None:
        self._galera.thaw(node)

    def isolate(self, node: int) -> None:
        self._galera.isolate(node)

    def heal(self, node: int) -> None:
        self._galera.heal(node)

    def restart(self, node: int) -> None:
        self._galera.stop(node)
        self._galera.restart(node)

    def wait_until_whole(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not all(map(self._galera.is_synced, range(galera.SIZE))):
            if time.monotonic() > deadline:
                raise drills.DrillError(f'no whole cluster: {self.state()}')
            time.sleep(10 * process.PAUSE)


class ThreeWriters(OneWriter):
    """The same, where each conductor is connected to a node of its own."""

    def conductor_options(self, number: int, url: str) -> Mapping[str, Any]:
        node = self._galera.nodes[number % galera.SIZE]
        own = sqlalchemy.make_url(url).set(port=node.port)
        return {
            'database__connection': own.render_as_string(),
            'database__mysql_wsrep_sync_wait': 1,
        }
