"""The place of the drill: servers, conductors behind proxies, members."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import fixtures
import psutil

from tests import deployment
from tests import drills
from tests import program
from tests.chaos import one_writer
from tests.servers import process
from tests.servers import proxy

CONDUCTORS = ('conductor1', 'conductor2')
MORTALS = ('mortal1', 'mortal2')
MEMBERS = 'members'
WORKERS = 2

_PATIENCE = 120.0
_PAUSE = 0.05

_MORE = """\
[oslo_messaging_notifications]
driver = messagingv2
"""


class Place(fixtures.Fixture):
    """Two conductors of two workers, each with proxies of its own.

    The members share one, to the broker.

    :param broker: a started broker
    :param server: a started database server
    :param members: how many members do nothing but beat
    :param pace: report_interval and down_after of all members, in seconds
    :ivar deployment: for callers, which reach the broker directly
    :ivar proxies: by the name of the server and of the conductor
    """

    def __init__(
        self, broker: Any, server: Any, members: int, pace: tuple[int, int]
    ) -> None:
        self.servers: dict[str, Any] = {'broker': broker, 'database': server}
        self.deployment = deployment.Deployment(broker, server, more=_MORE)
        self.hosts = [f'node{number + 1}' for number in range(members)]
        interval, down_after = pace
        self._pace: dict[str, Any] = {
            'servicegroup__report_interval': interval,
            'servicegroup__down_after': down_after,
            'servicegroup__sync_interval': down_after,
        }
        self.proxies: dict[tuple[str, str], proxy.Proxy] = {}
        self._configs: dict[str, str] = {}
        self._running: dict[str, program.Program] = {}

    def _setUp(self) -> None:
        self.useFixture(self.deployment)
        for name in CONDUCTORS:
            for server, one in self.servers.items():
                self.proxies[server, name] = self.useFixture(
                    proxy.Proxy(process.LOOPBACK, one.port)
                )
            self._configs[name] = self.deployment.config_file(
                conductor__host=name,
                conductor__workers=WORKERS,
                database__connection=self._through(
                    'database', name, self.deployment.url
                ),
                transport_url=self._through(
                    'broker', name, self.deployment.transport_url
                ),
                **self._pace,
            )
        self.proxies['broker', MEMBERS] = self.useFixture(
            proxy.Proxy(process.LOOPBACK, self.servers['broker'].port)
        )
        self._of_members = self.deployment.config_file(
            transport_url=self._through(
                'broker', MEMBERS, self.deployment.transport_url
            ),
            **self._pace,
        )
        self._follow_writer()
        self.start_conductors(*CONDUCTORS)
        self._start_members(MEMBERS, *self.hosts)
        for host in MORTALS:
            self.start_member(host)

    def _follow_writer(self) -> None:
        """Lead all to the node of a cluster that is written to."""
        server = self.servers['database']
        if not isinstance(server, one_writer.OneWriter):
            return

        def follow(port: int) -> None:
            for (name, _), each in self.proxies.items():
                if name == 'database':
                    each.target(process.LOOPBACK, port)
                    each.cut()

        server.moved = follow

    def _through(self, server: str, name: str, url: str) -> str:
        """A URL that leads through the proxy of a conductor."""
        direct = f'{process.LOOPBACK}:{self.servers[server].port}'
        return url.replace(direct, self.proxies[server, name].address)

    def start_conductors(self, *names: str) -> None:
        """Start conductors, and wait until they work."""
        for name in names:
            self._running[name] = self.useFixture(
                program.Program(
                    'sgconductor-conductor',
                    '--config-file',
                    self._configs[name],
                )
            )
        for name in names:
            self._await_words(name, 'worker is ready')

    def start_member(self, host: str) -> None:
        """Start a process of one member, and wait until it has joined."""
        self._start_members(host, host)

    def kill(self, name: str) -> None:
        """Kill a conductor or a member, with all its workers."""
        self._running[name].kill()

    def signal_all(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a conductor and its workers."""
        one = self._running[name]
        for pid in (one.process.pid, *one.children()):
            os.kill(pid, number)

    def worker(self, name: str, index: int) -> int | None:
        """The process id of a worker of a conductor, if it has any now."""
        workers = self._running[name].children()
        return workers[index % len(workers)] if workers else None

    def output(self, name: str) -> str:
        return self._running[name].output

    def has_workers(self, name: str) -> bool:
        """Whether all workers of a conductor are there and not stopped."""
        try:
            states = [
                psutil.Process(pid).status()
                for pid in self._running[name].children()
            ]
        except psutil.NoSuchProcess:
            return False
        return len(states) >= WORKERS and not any(
            state in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
            for state in states
        )

    def until(self, what: str, look: Callable[[], bool]) -> None:
        """Wait until something is so.

        :raises DrillError: if it takes too long
        """
        deadline = time.monotonic() + _PATIENCE
        while not look():
            if time.monotonic() > deadline:
                raise drills.DrillError(
                    f'gave up after {_PATIENCE:g} s: {what}'
                )
            time.sleep(_PAUSE)

    def _start_members(self, name: str, *hosts: str) -> None:
        self._running[name] = self.useFixture(
            program.Program(
                'python',
                '-m',
                'tests.outage.members_process',
                self._of_members,
                *hosts,
            )
        )
        self._await_words(name, 'all have joined')

    def _await_words(self, name: str, words: str) -> None:
        one = self._running[name]

        def printed() -> bool:
            if one.process.poll() is not None:
                raise drills.DrillError(f'{name} ended:\n{one.output[-3000:]}')
            return words in one.output

        self.until(f'{name}: {words}', printed)
