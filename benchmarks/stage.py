"""What all parts use: the servers, the sides, and how much is measured."""

import contextlib
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from benchmarks import limit
from benchmarks import ours
from benchmarks import peer
from benchmarks import publish
from benchmarks import scale as scales
from benchmarks import sides
from benchmarks import tables
from tests import drills
from tests.servers import mariadb
from tests.servers import postgresql
from tests.servers import rabbitmq


class LargeMariaDB(mariadb.MariaDB):
    """One that has the tables in memory."""

    def _command(self) -> list[str]:
        return [*super()._command(), '--innodb-buffer-pool-size=512M']


class LargePostgreSQL(postgresql.PostgreSQL):
    """The same."""

    def _command(self) -> list[str]:
        return [*super()._command(), '-c', 'shared_buffers=256MB']


class Stage:
    """
    :param broker: it runs
    :param server: a database server that runs
    :param directory: for what is made
    :param scale: how much is measured
    :param environment: where the peer is, if it could be installed
    :param say: tells the user a line
    """

    def __init__(
        self,
        broker: rabbitmq.RabbitMQ,
        server: mariadb.MariaDB,
        directory: pathlib.Path,
        scale: scales.Scale,
        environment: pathlib.Path,
        say: Callable[[str], None],
    ) -> None:
        self.broker = broker
        self.server = server
        self.directory = directory
        self.scale = scale
        self.say = say
        self.ours = ours.Ours(broker, directory, server)
        self.limit = limit.Limit(broker, directory)
        self.peer: peer.Peer | None = None
        if (environment / 'bin' / 'nova-conductor').exists():
            self.peer = peer.Peer(
                broker, directory, server, environment / 'bin'
            )
        self._running: dict[
            sides.Side,
            tuple[object, contextlib.ExitStack, sides.Running],
        ] = {}
        # A vhost where nobody listens.
        self.nowhere = broker.vhost('nowhere')
        self.template = publish.learn(self.nowhere)

    @property
    def all(self) -> Sequence[sides.Side]:
        """All sides that there are."""
        three = (self.ours, self.peer, self.limit)
        return [side for side in three if side is not None]

    def running(
        self, some: Sequence[sides.Side], rows: int, **more: Any
    ) -> list[sides.Running]:
        """Sides that run at the same time, and no others.

        They run until others are wanted, or with other tables.
        """
        wanted = (rows, more)
        for side in list(self._running):
            if side not in some or self._running[side][0] != wanted:
                self._running.pop(side)[1].close()
        for side in some:
            if side not in self._running:
                self.say(f'  {side.NAME} starts with {rows:,} services')
                with contextlib.ExitStack() as stack:
                    run = stack.enter_context(side.running(rows, **more))
                    self._running[side] = (wanted, stack.pop_all(), run)
        return [self._running[side][2] for side in some]

    def versions(self) -> dict[str, str]:
        """Of what all sides use, and of the peer."""
        found = {
            'RabbitMQ': self.broker.evaluate('rabbit_misc:version().'),
            'MariaDB': tables.version(self.server.url('')),
        }
        if self.peer is not None:
            found['Nova'] = self.peer.version()
        return {name: text.strip('"') for name, text in found.items()}

    def close(self) -> None:
        """Stop all sides."""
        self.running([], 0)

    @contextlib.contextmanager
    def postgresql(self) -> Iterator[ours.Ours]:
        """Ours on PostgreSQL, until the end of the block."""
        directory = self.directory / 'postgresql'
        directory.mkdir()
        with drills.started(LargePostgreSQL()) as server:
            try:
                yield ours.Ours(self.broker, directory, server)
            finally:
                self.close()
