"""A Galera cluster of which one node is written to, as behind a proxy."""

import time
from collections.abc import Callable
from typing import ClassVar

import fixtures

from tests.servers import galera

# Seconds after which a proxy's health check has found a node dead.
_NOTICED = 2.0
_PATIENCE = 20.0
_PAUSE = 0.2


class OneWriter(fixtures.Fixture):
    """A cluster that looks like one server, whose port may move.

    :ivar cluster: the nodes
    :ivar moved: called with the new port after the writer has moved
    """

    NAME: ClassVar[str] = galera.Galera.NAME

    def __init__(self) -> None:
        self.cluster = galera.Galera()
        self.moved: Callable[[int], None] = lambda port: None
        self._writer = 0

    @classmethod
    def missing(cls) -> str | None:
        """The first binary that is not installed; None if all are."""
        return galera.Galera.missing()

    @property
    def port(self) -> int:
        """Of the node that is written to."""
        return self.cluster.nodes[self._writer].port

    @property
    def size(self) -> int:
        return galera.SIZE

    def create_database(self, name: str) -> str:
        return self.cluster.create_database(name)

    def drop_database(self, name: str) -> None:
        self.cluster.drop_database(name)

    def freeze(self) -> None:
        """Make all nodes stand still."""
        for number in range(self.size):
            self.cluster.freeze(number)

    def thaw(self) -> None:
        for number in range(self.size):
            self.cluster.thaw(number)
        self._await_all()

    def attack(self, name: str, number: int) -> None:
        """Kill, stop or isolate a node; another one becomes the writer."""
        acts: dict[str, Callable[[int], None]] = {
            'kill': self.cluster.kill,
            'stop': self.cluster.freeze,
            'isolate': self.cluster.isolate,
        }
        acts[name](number)
        if number == self._writer:
            time.sleep(_NOTICED)
            self.move()

    def relent(self, name: str, number: int) -> None:
        """Bring a node back, and wait until it has caught up."""
        acts: dict[str, Callable[[int], None]] = {
            'kill': self.cluster.restart,
            'stop': self.cluster.thaw,
            'isolate': self.cluster.heal,
        }
        acts[name](number)
        self._await_all()

    def move(self) -> None:
        """Write to another node that is ready."""
        deadline = time.monotonic() + _PATIENCE
        others = [i for i in range(self.size) if i != self._writer]
        while time.monotonic() < deadline:
            for number in others:
                if self.cluster.is_synced(number):
                    self._writer = number
                    self.moved(self.port)
                    return
            time.sleep(_PAUSE)

    def _await_all(self) -> None:
        deadline = time.monotonic() + 3 * _PATIENCE
        while time.monotonic() < deadline:
            if all(map(self.cluster.is_synced, range(self.size))):
                return
            time.sleep(_PAUSE)

    def _setUp(self) -> None:
        self._writer = 0
        self.useFixture(self.cluster)
