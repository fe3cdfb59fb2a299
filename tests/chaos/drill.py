"""The chaos drill: random operations, random faults, and a check of both.

Clients change and look up services through two conductors of two workers,
while faults take every part away, from all or from one conductor. The history
of both is checked: no acknowledged write may be lost, no live member may be
called down, no event may be missing or come twice, and more.
"""

import argparse
import logging
import pathlib
import random
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import fixtures

from sgconductor import app
from tests import drills
from tests.chaos import clients
from tests.chaos import history
from tests.chaos import nemesis
from tests.chaos import observers
from tests.chaos import one_writer
from tests.chaos import place
from tests.chaos import results
from tests.servers import mariadb
from tests.servers import postgresql
from tests.servers import rabbitmq

DATABASES: Mapping[str, Callable[[], Any]] = {
    'mariadb': mariadb.MariaDB,
    'postgresql': postgresql.PostgreSQL,
    'galera': one_writer.OneWriter,
}

# report_interval and down_after of all members, in seconds: a member is down
# where three of its beats are lost, so few losses are enough to be seen.
PACE = (3, 10)
# Seconds within which look-ups are answered again after a fault.
_RECOVERS_WITHIN = 45.0
# What clients wait for an answer, in seconds.
_TIMEOUT = 10.0
_LOOKERS = 2
_TAILS = 2
_PAUSE = 0.1


class Drill(fixtures.Fixture):
    """The drill, on servers that run.

    :param broker: a started broker
    :param server: a started database server
    :param path: of the file for the history
    :param seed: decides on the operations of each client, and on the faults
    :param seconds: how long faults are made
    :param members: how many members do nothing but beat
    :param callers: how many clients
    :param tell: shows the user a line
    """

    def __init__(
        self,
        broker: Any,
        server: Any,
        path: pathlib.Path,
        *,
        seed: int,
        seconds: float,
        members: int,
        callers: int,
        tell: Callable[[str], None],
    ) -> None:
        self._place = place.Place(broker, server, members, PACE)
        self._path = path
        self._seed = seed
        self._seconds = seconds
        self._callers = callers
        self._tell = tell
        self._joined: dict[str, float] = {}
        self._lives: list[history.Life] = []
        self._dead: set[str] = set()

    def _setUp(self) -> None:
        self.recorder = history.Recorder(self._path, PACE)
        self.addCleanup(self.recorder.close)
        self.useFixture(self._place)
        hosts = (*self._place.hosts, *place.MORTALS)
        self._joined = dict.fromkeys(hosts, self.recorder.now())
        self._nemesis = nemesis.Nemesis(self._place)
        self._context = self._remote().context
        self._clients = [
            clients.Client(
                name, self._seed, self._remote(), self.recorder, PACE
            )
            for name in self._names('client', self._callers)
        ]
        for client in self._clients:
            self.addCleanup(client.close)
        self._lookers = [
            observers.Looker(name, self._remote(), self.recorder)
            for name in self._names('looker', _LOOKERS)
        ]
        self._tails = [
            observers.Tail(name, self._remote(), self.recorder)
            for name in self._names('tail', _TAILS)
        ]
        self.useFixture(
            observers.Subscriber(self._place.deployment.conf(), self.recorder)
        )

    def _names(self, word: str, count: int) -> list[str]:
        return [f'{word}{number + 1}' for number in range(count)]

    def _remote(self) -> app.Remote:
        remote = app.Remote(self._place.deployment.conf(), _TIMEOUT)
        self.addCleanup(remote.close)
        return remote

    def run(self) -> results.Result:
        """Run the drill, and check its history.

        :raises DrillError: if it cannot go on
        """
        for tail in self._tails:
            # All events from the first one on.
            tail.poll()
        threads: list[clients.Client | observers.Repeater] = [
            *self._clients,
            *self._lookers,
            *self._tails,
        ]
        for thread in threads:
            thread.start()
        try:
            self._make_faults()
            for client in self._clients:
                client.stop()
            self._wait_for_rest()
        finally:
            for thread in threads:
                thread.stop()
        self._finish()
        return results.judge(self.recorder.history)

    def _make_faults(self) -> None:
        until = time.monotonic() + self._seconds
        mortals = random.Random(f'{self._seed} mortals')
        self._wait(2)
        nodes = getattr(self._place.servers['database'], 'size', 0)
        for planned in nemesis.plan(self._seed, sum(PACE) + 4, nodes):
            if time.monotonic() > until:
                return
            self._live_or_die(mortals)
            self._make(planned)

    def _make(self, planned: nemesis.Planned) -> None:
        """Make faults, end them, and wait until all is well again."""
        begun = {}
        for fault in planned.faults:
            begun[fault] = self.recorder.now()
            self._say(f'{fault.name}: {fault.target}')
            self._nemesis.begin(fault, planned.worker)
        self._wait(planned.seconds)
        # Conductors need the servers when they start.
        for fault in sorted(planned.faults, key=_conductors_last):
            self._nemesis.end(fault)
        end = self.recorder.now()
        recovered = self._recovered(end)
        self._say(
            f'all is back, and look-ups are answered after '
            f'{recovered and recovered - end} s'
        )
        for fault in planned.faults:
            self.recorder.add(
                history.Fault(*fault, begun[fault], end, recovered)
            )
        self._wait(planned.rest)

    def _recovered(self, end: float) -> float | None:
        """When each looker had an answer again."""
        while self.recorder.now() < end + _RECOVERS_WITHIN:
            if all(each.answered >= end for each in self._lookers):
                return self.recorder.now()
            self._wait(_PAUSE)
        return None

    def _live_or_die(self, dice: random.Random) -> None:
        """Kill a member, or start one that was killed before."""
        host = dice.choice(place.MORTALS)
        now = self.recorder.now()
        if host in self._dead:
            self._place.start_member(host)
            self._dead.remove(host)
            self._joined[host] = self.recorder.now()
            self._say(f'{host} has joined again')
        else:
            self._place.kill(host)
            self._dead.add(host)
            self._lives.append(history.Life(host, self._joined[host], now))
            self._say(f'{host} was killed')

    def _wait_for_rest(self) -> None:
        """Let the dead be found, the last events come, and then look."""
        self._wait(sum(PACE) + 4)
        clients.record(
            self.recorder,
            'drill',
            'rest',
            {},
            lambda: clients.rest(self._context()),
        )

    def _finish(self) -> None:
        # The leader may still record an event after the last poll.
        clients.record(
            self.recorder,
            'drill',
            'settled',
            {},
            lambda: observers.newest_event(self._context()),
        )
        for tail in self._tails:
            tail.poll()
        for host, joined in self._joined.items():
            if host not in self._dead:
                self._lives.append(history.Life(host, joined))
        for life in self._lives:
            self.recorder.add(life)
        for event in observers.read_events(self._context()):
            self.recorder.add(event)

    def _wait(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))

    def _say(self, text: str) -> None:
        self._tell(f'{self.recorder.now():6.1f} s  {text}')


def _conductors_last(fault: nemesis.Fault) -> bool:
    return 'conductor' in fault.target


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse(argv)
    # Without a handler, clients in this process would print warnings.
    logging.getLogger().addHandler(logging.NullHandler())
    return drills.run('chaos-drill', lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    if options.check:
        result = results.judge(history.read(options.check))
        results.show(result, print)
        return 1 if result.violations else 0
    path = options.history or pathlib.Path(
        tempfile.mkstemp(prefix='chaos-', suffix='.jsonl')[1]
    )
    print(f'Seed {options.seed}; the history goes to {path}', flush=True)
    with ExitStack() as stack:
        print('The servers start', flush=True)
        broker = stack.enter_context(drills.started(rabbitmq.RabbitMQ()))
        server = stack.enter_context(
            drills.started(DATABASES[options.database]())
        )
        drill = stack.enter_context(
            Drill(
                broker,
                server,
                path,
                seed=options.seed,
                seconds=60 * options.minutes,
                members=options.members,
                callers=options.clients,
                tell=lambda line: print(line, flush=True),
            )
        )
        result = drill.run()
    print(f'Seed {options.seed}; the history is in {path}')
    results.show(result, print)
    return 1 if result.violations else 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='chaos-drill', description=__doc__)
    parser.add_argument(
        '--minutes',
        type=drills.minutes,
        default=3.0,
        metavar='M',
        help='make faults for M minutes (default: %(default)s)',
    )
    parser.add_argument(
        '--database',
        choices=DATABASES,
        default='mariadb',
        help='the database server; galera is a cluster of three, of which one '
        'node is written to (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=drills.at_least(0),
        default=random.SystemRandom().randrange(1_000_000),
        metavar='N',
        help='repeat the operations and the faults of a drill that printed '
        'this seed; their moments differ (default: a random one)',
    )
    parser.add_argument(
        '--members',
        type=drills.at_least(1),
        default=60,
        metavar='N',
        help='have N members that do nothing but beat (default: %(default)s)',
    )
    parser.add_argument(
        '--clients',
        type=drills.at_least(1),
        default=6,
        metavar='N',
        help='have N clients (default: %(default)s)',
    )
    parser.add_argument(
        '--history',
        type=pathlib.Path,
        metavar='FILE',
        help='write the history to this file (default: a new one in /tmp)',
    )
    parser.add_argument(
        '--check',
        type=pathlib.Path,
        metavar='FILE',
        help='check the history of an earlier drill, and do nothing else',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    sys.exit(main())
