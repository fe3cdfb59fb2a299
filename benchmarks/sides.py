"""A side: a server process, and the drivers that call it."""

import abc
import contextlib
import pathlib
import time
from collections.abc import Iterator
from typing import Any
from typing import ClassVar

from benchmarks import drivers
from benchmarks import process
from tests.servers import rabbitmq

_UP_WITHIN = 90.0
_PAUSE = 0.05
# Seconds after which a started server is idle.
_SETTLES_IN = 1.0

_CONSUMERS = """\
lists:sum([
    begin
        [{{consumers, Count}}] = rabbit_amqqueue:info(Queue, [consumers]),
        Count
    end || {{ok, Queue}} <- [rabbit_amqqueue:lookup(
        rabbit_misc:r(<<"{vhost}">>, queue, <<"{name}">>))]]).
"""


class Side(abc.ABC):
    """One of the sides, with a vhost of its own.

    :cvar NAME: its name in results
    :cvar DRIVER: the driver's module
    :cvar QUEUES: the queues that it serves
    :ivar python: the interpreter of its driver
    """

    NAME: ClassVar[str]
    DRIVER: ClassVar[str]
    QUEUES: ClassVar[tuple[str, ...]]

    python = drivers.PYTHON

    def __init__(
        self, broker: rabbitmq.RabbitMQ, directory: pathlib.Path
    ) -> None:
        self._broker = broker
        self._directory = directory / self.NAME
        self._directory.mkdir(exist_ok=True)
        self._made = 0

    @contextlib.contextmanager
    def running(self, rows: int, **more: Any) -> Iterator['Running']:
        """Run the side, with one worker, until the end of the block.

        :param rows: the number of services in its table
        :param more: options that only some sides have
        """
        self._made += 1
        vhost = f'{self.NAME}{self._made}'
        url = self._broker.vhost(vhost)
        command, config = self._prepare(url, rows, **more)
        server = process.Program(command, self._directory / 'server.log')
        try:
            self._wait_until_up(server, vhost)
            yield Running(self, self._broker, vhost, url, config, rows, server)
        finally:
            server.stop()
            self._broker.delete_vhost(vhost)

    @abc.abstractmethod
    def _prepare(
        self, url: str, rows: int, **more: Any
    ) -> tuple[list[str], str]:
        """Fill the tables.

        :returns: the command of the server, and ``--config`` for its driver
        """

    def log(self, name: str) -> pathlib.Path:
        return self._directory / f'{name}.log'

    def _wait_until_up(self, server: process.Program, vhost: str) -> None:
        deadline = time.monotonic() + _UP_WITHIN
        for queue in self.QUEUES:
            code = _CONSUMERS.format(vhost=vhost, name=queue)
            while self._broker.evaluate(code) == '0':
                server.check()
                if time.monotonic() > deadline:
                    raise process.BenchmarkError(
                        f'{self.NAME} does not serve {queue} after '
                        f'{_UP_WITHIN:g} s'
                    )
                time.sleep(_PAUSE)
        time.sleep(_SETTLES_IN)


class Running:
    """A side that runs.

    :ivar server: its process
    :ivar url: the URL of its vhost
    :ivar rows: the number of services in its table
    """

    def __init__(
        self,
        side: Side,
        broker: rabbitmq.RabbitMQ,
        vhost: str,
        url: str,
        config: str,
        rows: int,
        server: process.Program,
    ) -> None:
        self.side = side
        self.name = side.NAME
        self.server = server
        self.url = url
        self.config = config
        self.rows = rows
        self._broker = broker
        self._vhost = vhost

    def depth(self, queue: str) -> int:
        """The number of messages in a queue that are not acknowledged."""
        return self._broker.queue_depth(self._vhost, queue)

    def drive(
        self, verb: str, load: drivers.Load, **options: object
    ) -> dict[str, float]:
        """Have drivers call it.

        :returns: the drivers' results, with ``cpu`` (the server's seconds of
            CPU time), ``busy`` (these divided by the time), and ``rss`` and
            ``peak`` (the server's megabytes before, and at most)
        """
        with self.drivers(verb, load, **options) as ready:
            self.server.forget_peak()
            rss = self.server.rss()
            before, begin = self.server.cpu(), time.monotonic()
            ready.go()
            done = ready.results()
            cpu = self.server.cpu() - before
            busy = cpu / (time.monotonic() - begin)
            peak = self.server.peak()
        return {**done, 'cpu': cpu, 'busy': busy, 'rss': rss, 'peak': peak}

    @contextlib.contextmanager
    def drivers(
        self, verb: str, load: drivers.Load, **options: object
    ) -> Iterator[drivers.Drivers]:
        """Drivers that are ready to call it, until the end of the block."""
        made = drivers.Drivers(
            self.side.DRIVER,
            self.side.python,
            self.side.log('driver'),
            load,
            verb,
            {'config': self.config, 'rows': self.rows, **options},
        )
        with drivers.ready(made) as ready:
            yield ready
