"""The outage drill: a part of the control plane is away, and comes back.

One member dies before the outage and one during it; all others live on. No
look-up and no event may say that a live member is down. The first dead member
must stay down, and the second must be found down in time.
"""

import argparse
import logging
import signal
import sys
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any
from typing import NamedTuple

from tests import drills
from tests.outage import fleet
from tests.outage import partial
from tests.outage import small_disk
from tests.servers import mariadb
from tests.servers import memcached
from tests.servers import postgresql
from tests.servers import process
from tests.servers import rabbitmq
from tests.servers import zookeeper

PARTS = (
    'conductors',
    'conductor',
    'broker',
    'database',
    'zookeeper',
    'memcached',
)
DEAD, VICTIM = fleet.DEAD, fleet.VICTIM

_DRIVER_SERVERS: Mapping[str, Callable[[], process.Server]] = {
    'zookeeper': zookeeper.ZooKeeper,
    'memcached': memcached.Memcached,
}


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
        return self.found_after > self.found_within + fleet.LOOK_TAKES

    def __str__(self) -> str:
        return (
            f'members {self.members}, false downs {self.false_downs}, '
            f'dead found after {self.found_after:.1f} s'
        )


class Drill(fleet.Fleet):
    """The drill, on servers that run.

    :param part: the part that is going to be away, one of PARTS
    :param driver_server: the ZooKeeper or memcached, if that is the part
    :param seconds: how long the part is away
    :param more: of :class:`fleet.Fleet`
    """

    def __init__(
        self,
        part: str,
        broker: rabbitmq.RabbitMQ,
        server: Any,
        driver_server: Any = None,
        *,
        seconds: float,
        **more: Any,
    ) -> None:
        super().__init__(broker, server, **more)
        self._part = part
        self._servers = {'broker': broker, 'database': server}
        if driver_server is not None:
            self._servers[part] = driver_server
        self._seconds = seconds

    def driver_options(self) -> dict[str, Any]:
        if self._part in fleet.DRIVERS:
            return fleet.driver_options(
                self._part, self._servers[self._part].port
            )
        return {}

    def run(self) -> Result:
        """Run the drill.

        :raises DrillError: if it cannot go on
        """
        self.start_conductors()
        self.start_members(
            {'members': self.hosts, DEAD: [DEAD], VICTIM: [VICTIM]}
        )
        marker = self.last_event()
        with self.looking(*self.lookers):
            return self._watch(marker)

    def _watch(self, marker: int) -> Result:
        self.say(f'{len(self.hosts)} members are up, and two that will die')
        self.let_one_die(marker)
        dead_since = time.monotonic()
        self._end()
        ended = time.monotonic()
        self.say(f'{self._part}: away')
        died_at = self.kill(VICTIM)
        self.say(f'{VICTIM} was killed')
        self.wait(self._seconds - (time.monotonic() - ended))
        self._begin()
        self.say(f'{self._part}: back')
        back = time.monotonic()
        self.until('an answer', lambda: self.lookers[0].answered_at > back)
        recovered = self.lookers[0].answered_at
        self.say('look-ups are answered')
        self.until(
            f'{VICTIM} is down', lambda: self.all_see_down(VICTIM, died_at)
        )
        found = self.found_down(VICTIM, died_at)
        table_goes_on = self._part in fleet.DRIVERS
        after = found - (died_at if table_goes_on else recovered)
        self.say(f'{VICTIM} is down: {self.lookers[0].reasons[VICTIM]}')
        # A wrong verdict may still come within this time.
        self.wait(recovered + 1.5 * self.down_after - time.monotonic())
        return Result(
            len(self.hosts),
            len(self.false_downs(marker)),
            max(0.0, after),
            self.down_after + self.report_interval,
            self.rises(DEAD, dead_since),
            sum(each.looks for each in self.lookers),
        )

    def _end(self) -> None:
        if self._part == 'conductors':
            # One ends by SIGTERM, the others by SIGKILL.
            first, *others = self.conductors
            self.processes[first].signal(signal.SIGTERM)
            self.processes[first].wait()
            for name in others:
                self.kill(name)
        elif self._part == 'conductor':
            # Its worker too, with the messages that it has taken.
            self.signal_conductor(self.conductors[-1], signal.SIGSTOP)
        else:
            self._servers[self._part].kill()

    def _begin(self) -> None:
        if self._part == 'conductors':
            self.start_conductors()
        elif self._part == 'conductor':
            self.signal_conductor(self.conductors[-1], signal.SIGCONT)
        else:
            self._servers[self._part].start()


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse(argv)
    # Without a handler, clients in this process would print warnings.
    logging.getLogger().addHandler(logging.NullHandler())
    return drills.run('outage-drill', lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        print('The servers start', flush=True)
        broker = stack.enter_context(drills.started(rabbitmq.RabbitMQ()))
        server = stack.enter_context(drills.started(_database(options)))
        driver_server = None
        if options.part in _DRIVER_SERVERS:
            driver_server = stack.enter_context(
                drills.started(_DRIVER_SERVERS[options.part]())
            )
        make: Callable[..., Drill | partial.PartialDrill]
        make = _partial_drill if options.how else _drill
        drill = stack.enter_context(
            make(
                options,
                broker,
                server,
                driver_server,
                members=options.members,
                seconds=60 * options.minutes,
                tell=lambda line: print(line, flush=True),
            )
        )
        result = drill.run()
    if not options.how:
        print(
            f'{result.looks} look-ups; {DEAD} was up in {result.rises} of '
            f'them; {VICTIM} should be found within {result.found_within:g} s'
        )
    print(result)
    return 0 if result.good else 1


def _database(options: argparse.Namespace) -> process.Server:
    small = options.how == partial.DISK_FULL
    if options.database == 'postgresql':
        return (
            small_disk.SmallPostgreSQL() if small else postgresql.PostgreSQL()
        )
    return small_disk.SmallMariaDB() if small else mariadb.MariaDB()


def _drill(options: argparse.Namespace, *servers: Any, **more: Any) -> Drill:
    down_after = max(4, int(more['seconds'] / 2))
    return Drill(
        options.part,
        *servers,
        report_interval=max(1, down_after // 6),
        down_after=down_after,
        **more,
    )


def _partial_drill(
    options: argparse.Namespace, *servers: Any, **more: Any
) -> partial.PartialDrill:
    down_after = max(4, int(more['seconds'] / 5))
    return partial.PartialDrill(
        options.part,
        options.how,
        options.of_one,
        *servers,
        report_interval=max(1, down_after // 6),
        down_after=down_after,
        workers=2,
        delay=options.delay,
        **more,
    )


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='outage-drill', description=__doc__)
    parser.add_argument(
        'part',
        choices=PARTS,
        help='the part that is away; conductor is one of two, stopped by '
        'SIGSTOP',
    )
    parser.add_argument(
        '--of-one',
        choices=('conductor', 'member'),
        help='the part is away for one conductor of two, or for the host of '
        'one member, and not for all; needs --how',
    )
    parser.add_argument(
        '--how',
        help='how the part is away, instead of killed. The broker, zookeeper '
        'and memcached: refused, frozen (established and new connections '
        'hang), half-open (established ones hang), one-way (answers hang), '
        'flapping (reset each second) or slow. The database also: '
        'read-only, switched-over (sessions stay read-only afterwards), '
        'connections (used up), isolation (the default is serializable); '
        'without --of-one: disk-full. One conductor: killed or stopped',
    )
    parser.add_argument(
        '--database',
        choices=('mariadb', 'postgresql'),
        default='mariadb',
        help='the database server (default: %(default)s)',
    )
    parser.add_argument(
        '--members',
        type=drills.at_least(1),
        metavar='N',
        help='have N members that live on (default: 100; with --how: 60, of '
        'whom each worker gets as many beats as any other)',
    )
    parser.add_argument(
        '--minutes',
        type=drills.minutes,
        default=1.0,
        metavar='M',
        help='the part is away for M minutes; down_after is half of that, and '
        'with --how a fifth, report_interval a sixth of down_after (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--delay',
        type=drills.positive(59),
        default=1.0,
        metavar='S',
        help='with --how slow, hold each chunk of bytes for S seconds '
        '(default: %(default)s)',
    )
    options = parser.parse_args(argv)
    wrong = _check(options)
    if wrong:
        parser.error(wrong)
    if options.members is None:
        options.members = 60 if options.how else 100
    return options


def _check(options: argparse.Namespace) -> str | None:
    """What is wrong with the options together, None if nothing is."""
    hows = partial.HOWS.get(options.part, ())
    if options.how is None:
        return '--of-one needs --how' if options.of_one else None
    if options.how not in hows:
        return f'--how of {options.part} is one of: {", ".join(hows)}'
    if options.part == 'conductor' and options.of_one != 'conductor':
        return f'--how {options.how} needs --of-one conductor'
    if options.of_one == 'member' and options.part != 'broker':
        return 'only the broker can be away for one member'
    if options.of_one and options.how == partial.DISK_FULL:
        return 'a full disk is not for one conductor'
    return None


if __name__ == '__main__':
    sys.exit(main())
