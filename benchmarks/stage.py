"""The servers, the sides and the scale, which all parts use."""

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
    """A MariaDB that keeps the tables in memory."""

    def _command(self) -> list[str]:
        return [*super()._command(), '--innodb-buffer-pool-size=512M']


class LargePostgreSQL(postgresql.PostgreSQL):
    """A PostgreSQL that keeps the tables in memory."""

    def _command(self) -> list[str]:
        return [*super()._command(), '-c', 'shared_buffers=256MB']


class Stage:
    """The servers and the sides of a run.

    :param broker: a started RabbitMQ
    :param server: a started MariaDB
    :param directory: the folder for files
    :param scale: how much is measured
    :param environment: the folder of the peer, if it could be installed
    :param say: prints a line for the user
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
        # A vhost without consumers.
        self.nowhere = broker.vhost('nowhere')
        self.template = publish.learn(self.nowhere)

    @property
    def all(self) -> Sequence[sides.Side]:
        """The sides that can be measured."""
        three = (self.ours, self.peer, self.limit)
        return [side for side in three if side is not None]

    def running(
        self, some: Sequence[sides.Side], rows: int, **more: Any
    ) -> list[sides.Running]:
        """Run these sides, and stop all others.

        They run on until a call asks for other sides, or for other tables.
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
        """The versions of the servers and of the peer."""
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
        """Our side on PostgreSQL, until the end of the block."""
        directory = self.directory / 'postgresql'
        directory.mkdir()
        with drills.started(LargePostgreSQL()) as server:
            try:
                yield ours.Ours(self.broker, directory, server)
            finally:
                self.close()
