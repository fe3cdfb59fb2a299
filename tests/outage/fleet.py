"""A fleet: conductors and members as processes, and callers that look."""

import abc
import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TypeVar

import fixtures

from sgconductor import app
from sgconductor import objects
from sgconductor.app import local as local_app
from tests import deployment
from tests import drills
from tests import program
from tests.outage import looker
from tests.servers import process
from tests.servers import rabbitmq

T = TypeVar('T')

DEAD, VICTIM = 'dead-before', 'dies-meanwhile'

DRIVERS = ('zookeeper', 'memcached')

# Seconds that a look-up itself may take.
LOOK_TAKES = 1.0


class Fleet(fixtures.Fixture, abc.ABC):
    """Processes of a deployment on servers that run.

    :param broker: of the deployment
    :param server: its database server
    :param members: how many members live on
    :param report_interval: of members, in seconds
    :param down_after: of members, in seconds
    :param conductors: how many conductors
    :param workers: how many workers each of them has
    :param timeout: of callers, in seconds
    :param tell: shows the user a line
    """

    def __init__(
        self,
        broker: rabbitmq.RabbitMQ,
        server: Any,
        *,
        members: int,
        report_interval: int,
        down_after: int,
        conductors: int = 2,
        workers: int = 1,
        timeout: float = 5,
        tell: Callable[[str], None],
    ) -> None:
        self.place = deployment.Deployment(broker, server)
        self.hosts = [f'node{i + 1}' for i in range(members)]
        self.conductors = [f'conductor{i + 1}' for i in range(conductors)]
        self.processes: dict[str, program.Program] = {}
        self.report_interval = report_interval
        self.down_after = down_after
        self._workers = workers
        self._timeout = timeout
        self._tell = tell
        self._began = time.monotonic()

    def _setUp(self) -> None:
        self.useFixture(self.place)
        self.prepare()
        conf = self.place.conf(**self._options())
        self.remote = app.Remote(conf, timeout=self._timeout)
        self.addCleanup(self.remote.close)
        local = self.useFixture(_Closing(local_app.Local(conf))).thing
        self.lookers = [
            looker.Looker(self.remote.context),
            looker.Looker(local.context),
        ]

    @contextlib.contextmanager
    def looking(self, *callers: looker.Caller) -> Iterator[None]:
        """Have callers look all the time until the end of the block."""
        for each in callers:
            each.start()
        try:
            yield
        finally:
            for each in callers:
                each.stop()

    @abc.abstractmethod
    def run(self) -> Any:
        """Run the drill.

        :returns: its result, which is ``good`` or not
        :raises DrillError: if it cannot go on
        """

    def prepare(self) -> None:
        """What must be done before the options are asked for."""

    def driver_options(self) -> dict[str, Any]:
        """The options of the driver, for all processes."""
        return {}

    def conductor_options(self, name: str) -> dict[str, Any]:
        """More options of one conductor."""
        return {'conductor__host': name}

    def member_options(self, name: str) -> dict[str, Any]:
        """More options of one process of members."""
        return {}

    def start_conductors(self, names: Sequence[str] = ()) -> None:
        """Start conductors; by default all."""
        started = names or self.conductors
        for name in started:
            config = self.place.config_file(
                **{**self._options(), **self.conductor_options(name)}
            )
            self.processes[name] = self.useFixture(
                program.Program(
                    'sgconductor-conductor',
                    '--config-file',
                    config,
                )
            )
        for name in started:
            self._until_printed(name, 'worker is ready', self._workers)
        self.say(f'{", ".join(started)} run')

    def signal_conductor(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a conductor and to its workers."""
        one = self.processes[name]
        for pid in (one.process.pid, *one.children()):
            os.kill(pid, number)

    def start_members(self, hosts: Mapping[str, Sequence[str]]) -> None:
        """
        :param hosts: the hosts of the members of each process, by its name
        """
        for name, some in hosts.items():
            self.processes[name] = self.useFixture(
                program.Program(
                    'python',
                    '-m',
                    'tests.outage.members_process',
                    self.place.config_file(
                        **{**self._options(), **self.member_options(name)}
                    ),
                    *some,
                )
            )
        for name in hosts:
            self._until_printed(name, 'all have joined')

    def kill(self, name: str) -> float:
        """Kill a process and all that it has started.

        :returns: when, by the monotonic clock
        """
        one = self.processes[name]
        one.kill()
        return time.monotonic()

    def let_one_die(self, marker: int) -> None:
        """Kill DEAD, and wait until all know that it is down.

        :param marker: an event from before
        """
        self.kill(DEAD)
        self.until(f'{DEAD} is down', lambda: self.all_see_down(DEAD))
        # After an outage, a service whose down was not announced yet is given
        # time to be heard.
        self.until(
            f'the event that {DEAD} is down',
            lambda: any(host == DEAD for host, _ in self.down_events(marker)),
        )
        self.say(f'{DEAD} was killed, and is down')

    def all_see_down(self, host: str, since: float = float('-inf')) -> bool:
        return all(
            each.downs.get(host, [since])[-1] > since for each in self.lookers
        )

    def found_down(self, host: str, since: float) -> float:
        """When a look-up first found a service down, after ``since``."""
        return min(
            at
            for each in self.lookers
            for at in each.downs[host]
            if at > since
        )

    def false_downs(self, marker: int) -> list[str]:
        """What said that a live member is down, a line for each.

        :param marker: an event from before
        """
        false = [
            f'{host} was down in a look-up: {each.reasons[host]}'
            for each in self.lookers
            for host in self.hosts
            for _ in each.downs.get(host, [])
        ]
        false += [
            f'{host} had an event service.down: {reason}'
            for host, reason in self.down_events(marker)
            if host in self.hosts
        ]
        for line in dict.fromkeys(false):
            self.say(line)
        return false

    def rises(self, host: str, since: float) -> int:
        """How many look-ups said up of a service that is dead."""
        return sum(
            at > since
            for each in self.lookers
            for at in each.ups.get(host, [])
        )

    def until(self, what: str, look: Callable[[], T]) -> T:
        return drills.until(what, look, self._logs)

    def wait(self, seconds: float) -> None:
        threading.Event().wait(max(0.0, seconds))

    def last_event(self) -> int:
        """The id of the newest of the first events."""
        return self._events()[-1].id

    def down_events(self, marker: int) -> Iterator[tuple[str, str]]:
        """Host and reason of each event service.down."""
        for type_, host, reason in self.events_since(marker):
            if type_ == 'service.down':
                yield host, reason

    def events_since(self, marker: int) -> Iterator[tuple[str, str, str]]:
        """Type, host and reason of each event."""
        while True:
            page = self._events(marker)
            if not page.objects:
                return
            for event in page.objects:
                data = json.loads(event.payload)['versioned_object.data']
                yield event.type, data['host'], data['liveness_reason']
                marker = event.id

    def say(self, text: str) -> None:
        self._tell(f'{time.monotonic() - self._began:6.1f} s  {text}')

    def _options(self) -> dict[str, Any]:
        return {
            'servicegroup__report_interval': self.report_interval,
            'servicegroup__down_after': self.down_after,
            'servicegroup__sync_interval': self.down_after,
            'conductor__workers': self._workers,
            **self.driver_options(),
        }

    def _logs(self) -> str:
        """The last of what the conductors have printed."""
        return ''.join(
            f'\n{name}:\n{self.processes[name].output[-3000:]}'
            for name in self.conductors
            if name in self.processes
        )

    def _until_printed(self, name: str, words: str, times: int = 1) -> None:
        drills.until_printed(
            name, self.processes[name], words, times, self._logs
        )

    def _events(self, marker: int | None = None) -> objects.EventList:
        return objects.EventList.get_page(self.remote.context(), marker=marker)


def driver_options(part: str, port: int) -> dict[str, Any]:
    """The options of a driver, with short intervals.

    :param part: one of DRIVERS
    :param port: on which its server, or a proxy, listens
    """
    address = f'{process.LOOPBACK}:{port}'
    if part == 'zookeeper':
        return {
            'servicegroup__driver': 'zookeeper',
            'servicegroup_zookeeper__hosts': address,
            'servicegroup_zookeeper__session_timeout': 2,
        }
    return {
        'servicegroup__driver': 'memcache',
        'servicegroup_memcache__servers': [address],
        'servicegroup_memcache__interval': 0.5,
        'servicegroup_memcache__ttl': 5,
        'servicegroup_memcache__timeout': 0.5,
    }


class _Closing(fixtures.Fixture):
    def __init__(self, thing: local_app.Local) -> None:
        self.thing = thing

    def _setUp(self) -> None:
        self.addCleanup(self.thing.close)
