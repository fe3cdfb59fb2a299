"""The outage drill: a part of the control plane is away, and comes back.

One member dies before the outage and one during it; all others live on. No
look-up and no event may say that a live member is down. The first dead member
must stay down, and the second must be found down in time.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any
from typing import NamedTuple
from typing import TypeVar

import fixtures

from sgconductor import app
from sgconductor import exception
from sgconductor import objects
from sgconductor.app import local as local_app
from tests import deployment
from tests import drills
from tests import program
from tests.outage import looker
from tests.servers import mariadb
from tests.servers import memcached
from tests.servers import process
from tests.servers import rabbitmq
from tests.servers import zookeeper

T = TypeVar('T')

PARTS = (
    'conductors',
    'conductor',
    'broker',
    'database',
    'zookeeper',
    'memcached',
)
DEAD, VICTIM = 'dead-before', 'dies-meanwhile'

_PATIENCE = 120.0
_PAUSE = 0.1
# Seconds that a look-up itself may take.
_LOOK_TAKES = 1.0


class Result(NamedTuple):
    """The result of the drill.

    :ivar members: how many members lived on
    :ivar false_downs: how many look-ups and events said down of one of them
    :ivar found_after: seconds from the recovery until the member that died
        during the outage was down; where a driver's server was away, from
        the death of the member, because the table still detects it
    :ivar found_within: the longest that this may take: down_after and one
        report interval
    :ivar rises: how many look-ups said up of the member that died before
    :ivar looks: how many look-ups were answered
    """

    members: int
    false_downs: int
    found_after: float
    found_within: float
    rises: int
    looks: int

    @property
    def good(self) -> bool:
        return not (self.false_downs or self.rises or self.late)

    @property
    def late(self) -> bool:
        return self.found_after > self.found_within + _LOOK_TAKES

    def __str__(self) -> str:
        return (
            f'members {self.members}, false downs {self.false_downs}, '
            f'dead found after {self.found_after:.1f} s'
        )


class Drill(fixtures.Fixture):
    """The drill, on servers that run.

    :param part: the part that is going to be away, one of PARTS
    :param broker: of the deployment
    :param server: its database server
    :param driver_server: the ZooKeeper or memcached, if that is the part
    :param members: how many members live on
    :param seconds: how long the part is away
    :param report_interval: of members, in seconds
    :param down_after: of members, in seconds
    :param conductors: how many conductors
    :param tell: shows the user a line
    """

    def __init__(
        self,
        part: str,
        broker: rabbitmq.RabbitMQ,
        server: mariadb.MariaDB,
        driver_server: Any = None,
        *,
        members: int,
        seconds: float,
        report_interval: int,
        down_after: int,
        conductors: int = 2,
        tell: Callable[[str], None],
    ) -> None:
        self._part = part
        self._servers = {
            'broker': broker,
            'database': server,
            part: driver_server,
        }
        if driver_server is None:
            self._servers = {'broker': broker, 'database': server}
        self._place = deployment.Deployment(broker, server)
        self._hosts = [f'node{i + 1}' for i in range(members)]
        self._seconds = seconds
        self._pace: dict[str, Any] = {
            'servicegroup__report_interval': report_interval,
            'servicegroup__down_after': down_after,
            'servicegroup__sync_interval': down_after,
        }
        self._conductors = [f'conductor{i + 1}' for i in range(conductors)]
        self._tell = tell
        self._began = time.monotonic()
        self._processes: dict[str, program.Program] = {}

    def _setUp(self) -> None:
        self.useFixture(self._place)
        options = {**self._pace, **self._driver_options()}
        self._config = self._place.config_file(**options)
        conf = self._place.conf(**options)
        self._remote = app.Remote(conf, timeout=5)
        self.addCleanup(self._remote.close)
        local = self.useFixture(_Closing(local_app.Local(conf))).thing
        self._lookers = [
            looker.Looker(self._remote.context),
            looker.Looker(local.context),
        ]

    def _driver_options(self) -> dict[str, Any]:
        if self._part == 'zookeeper':
            return {
                'servicegroup__driver': 'zookeeper',
                'servicegroup_zookeeper__hosts': self._servers[
                    'zookeeper'
                ].hosts,
                'servicegroup_zookeeper__session_timeout': 2,
            }
        if self._part == 'memcached':
            return {
                'servicegroup__driver': 'memcache',
                'servicegroup_memcache__servers': [
                    self._servers['memcached'].address
                ],
                'servicegroup_memcache__interval': 0.5,
                'servicegroup_memcache__ttl': 5,
                'servicegroup_memcache__timeout': 0.5,
            }
        return {}

    def run(self) -> Result:
        """Run the drill.

        :raises DrillError: if it cannot go on
        """
        self._start_conductors()
        self._start_members(
            {'members': self._hosts, DEAD: [DEAD], VICTIM: [VICTIM]}
        )
        marker = self._events()[-1].id
        for each in self._lookers:
            each.start()
        try:
            return self._watch(marker)
        finally:
            for each in self._lookers:
                each.stop()

    def _watch(self, marker: int) -> Result:
        self._say(f'{len(self._hosts)} members are up, and two that will die')
        self._kill(DEAD)
        self._until(f'{DEAD} is down', lambda: self._all_see_down(DEAD))
        # After an outage, a service whose down was not announced yet is given
        # time to be heard.
        self._until(
            f'the event that {DEAD} is down',
            lambda: any(host == DEAD for host, _ in self._down_events(marker)),
        )
        self._say(f'{DEAD} was killed, and is down')
        dead_since = time.monotonic()
        self._end()
        ended = time.monotonic()
        self._say(f'{self._part}: away')
        died_at = self._kill(VICTIM)
        self._say(f'{VICTIM} was killed')
        self._wait(self._seconds - (time.monotonic() - ended))
        self._begin()
        self._say(f'{self._part}: back')
        back = time.monotonic()
        self._until('an answer', lambda: self._lookers[0].answered_at > back)
        recovered = self._lookers[0].answered_at
        self._say('look-ups are answered')
        self._until(
            f'{VICTIM} is down', lambda: self._all_see_down(VICTIM, died_at)
        )
        found = min(
            at
            for each in self._lookers
            for at in each.downs[VICTIM]
            if at > died_at
        )
        table_goes_on = self._part in ('zookeeper', 'memcached')
        after = found - (died_at if table_goes_on else recovered)
        self._say(f'{VICTIM} is down: {self._lookers[0].reasons[VICTIM]}')
        # A wrong verdict may still come within this time.
        patience = 1.5 * self._pace['servicegroup__down_after']
        self._wait(recovered + patience - time.monotonic())
        return self._result(marker, dead_since, max(0.0, after))

    def _result(
        self, marker: int, dead_since: float, found_after: float
    ) -> Result:
        false = [
            f'{host} was down in a look-up: {each.reasons[host]}'
            for each in self._lookers
            for host in self._hosts
            for _ in each.downs.get(host, [])
        ]
        false += [
            f'{host} had an event service.down: {reason}'
            for host, reason in self._down_events(marker)
            if host in self._hosts
        ]
        for line in dict.fromkeys(false):
            self._say(line)
        rises = [
            at
            for each in self._lookers
            for at in each.ups.get(DEAD, [])
            if at > dead_since
        ]
        return Result(
            len(self._hosts),
            len(false),
            found_after,
            self._pace['servicegroup__down_after']
            + self._pace['servicegroup__report_interval'],
            len(rises),
            sum(each.looks for each in self._lookers),
        )

    def _end(self) -> None:
        if self._part == 'conductors':
            # One ends by SIGTERM, the others by SIGKILL.
            first, *others = self._conductors
            self._processes[first].signal(signal.SIGTERM)
            self._processes[first].wait()
            for name in others:
                self._kill(name)
        elif self._part == 'conductor':
            # Its worker too, with the messages that it has taken.
            self._signal_last(signal.SIGSTOP)
        else:
            self._servers[self._part].kill()

    def _begin(self) -> None:
        if self._part == 'conductors':
            self._start_conductors()
        elif self._part == 'conductor':
            self._signal_last(signal.SIGCONT)
        else:
            self._servers[self._part].start()

    def _signal_last(self, number: signal.Signals) -> None:
        """Send a signal to the last conductor and its workers."""
        one = self._processes[self._conductors[-1]]
        for pid in (one.process.pid, *one.children()):
            os.kill(pid, number)

    def _start_conductors(self) -> None:
        for name in self._conductors:
            config = self._place.config_file(
                conductor__host=name, **self._pace, **self._driver_options()
            )
            self._processes[name] = self.useFixture(
                program.Program(
                    'sgconductor-conductor',
                    '--config-file',
                    config,
                )
            )
        for name in self._conductors:
            self._until_printed(name, 'worker is ready')
        self._say(f'{", ".join(self._conductors)} run')

    def _start_members(self, hosts: Mapping[str, Sequence[str]]) -> None:
        """
        :param hosts: the hosts of the members of each process, by its name
        """
        for name, some in hosts.items():
            self._processes[name] = self.useFixture(
                program.Program(
                    'python',
                    '-m',
                    'tests.outage.members_process',
                    self._config,
                    *some,
                )
            )
        for name in hosts:
            self._until_printed(name, 'all have joined')

    def _kill(self, name: str) -> float:
        """Kill a process and all that it has started.

        :returns: when, by the monotonic clock
        """
        one = self._processes[name]
        one.kill()
        return time.monotonic()

    def _until_printed(self, name: str, words: str) -> None:
        one = self._processes[name]

        def printed() -> bool:
            if one.process.poll() is not None:
                raise drills.DrillError(f'{name} ended:\n{one.output[-3000:]}')
            return words in one.output

        self._until(f'{name}: {words}', printed)

    def _all_see_down(self, host: str, since: float = float('-inf')) -> bool:
        return all(
            each.downs.get(host, [since])[-1] > since for each in self._lookers
        )

    def _until(self, what: str, look: Callable[[], T]) -> T:
        deadline = time.monotonic() + _PATIENCE
        while True:
            seen = look()
            if seen:
                return seen
            if time.monotonic() > deadline:
                raise drills.DrillError(
                    f'gave up after {_PATIENCE:g} s: {what}'
                )
            self._wait(_PAUSE)

    def _wait(self, seconds: float) -> None:
        threading.Event().wait(max(0.0, seconds))

    def _events(self, marker: int | None = None) -> objects.EventList:
        return objects.EventList.get_page(
            self._remote.context(), marker=marker
        )

    def _down_events(self, marker: int) -> Iterator[tuple[str, str]]:
        """Host and reason of each event service.down."""
        while True:
            page = self._events(marker)
            if not page.objects:
                return
            for event in page.objects:
                data = json.loads(event.payload)['versioned_object.data']
                if event.type == 'service.down':
                    yield data['host'], data['liveness_reason']
                marker = event.id

    def _say(self, text: str) -> None:
        self._tell(f'{time.monotonic() - self._began:6.1f} s  {text}')


class _Closing(fixtures.Fixture):
    def __init__(self, thing: local_app.Local) -> None:
        self.thing = thing

    def _setUp(self) -> None:
        self.addCleanup(self.thing.close)


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse(argv)
    # Without a handler, clients in this process would print warnings.
    logging.getLogger().addHandler(logging.NullHandler())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('outage-drill: ended'))
    try:
        return _run(options)
    except KeyboardInterrupt:
        print('outage-drill: interrupted', file=sys.stderr)
        return 130
    except (drills.DrillError, exception.SGConductorError) as error:
        print(f'outage-drill: {error}', file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    seconds = 60 * options.minutes
    down_after = max(4, int(seconds / 2))
    with ExitStack() as stack:
        print('The servers start', flush=True)
        broker = stack.enter_context(drills.started(rabbitmq.RabbitMQ()))
        server = stack.enter_context(drills.started(mariadb.MariaDB()))
        more: dict[str, Callable[[], process.Server]] = {
            'zookeeper': zookeeper.ZooKeeper,
            'memcached': memcached.Memcached,
        }
        driver_server = None
        if options.part in more:
            driver_server = stack.enter_context(
                drills.started(more[options.part]())
            )
        drill = stack.enter_context(
            Drill(
                options.part,
                broker,
                server,
                driver_server,
                members=options.members,
                seconds=seconds,
                report_interval=max(1, down_after // 6),
                down_after=down_after,
                tell=lambda line: print(line, flush=True),
            )
        )
        result = drill.run()
    print(
        f'{result.looks} look-ups; {DEAD} was up in {result.rises} of them; '
        f'{VICTIM} should be found within {result.found_within:g} s'
    )
    print(result)
    return 0 if result.good else 1


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='outage-drill', description=__doc__)
    parser.add_argument(
        'part',
        choices=PARTS,
        help='the part that is away; conductor is one of two, stopped by '
        'SIGSTOP',
    )
    parser.add_argument(
        '--members',
        type=drills.at_least(1),
        default=100,
        metavar='N',
        help='have N members that live on (default: %(default)s)',
    )
    parser.add_argument(
        '--minutes',
        type=_minutes,
        default=1.0,
        metavar='M',
        help='the part is away for M minutes; down_after is half of that, '
        'report_interval a sixth of down_after (default: %(default)s)',
    )
    return parser.parse_args(argv)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0.1 <= minutes <= 1440:
        raise argparse.ArgumentTypeError(
            f'give a number from 0.1 to 1440, not {text!r}'
        )
    return minutes


if __name__ == '__main__':
    sys.exit(main())
