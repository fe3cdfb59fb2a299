"""The cluster drill: each node of a cluster is killed, stopped, isolated and
restarted in turn, under load.

No look-up and no event may call a live member down. No acknowledged write and
no event may be lost. A member that is killed at each fault must be found down
in time.
"""

import argparse
import logging
import math
import pathlib
import random
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any
from typing import TypeVar

import fixtures
from oslo_utils import uuidutils

from sgconductor import app
from sgconductor import exception
from sgconductor import objects
from tests import deployment
from tests import drills
from tests import program
from tests.cluster import check
from tests.cluster import cluster as cluster_
from tests.cluster import listener
from tests.cluster import load
from tests.cluster import report
from tests.servers import galera_cluster
from tests.servers import mariadb
from tests.servers import memcached_cluster
from tests.servers import postgresql_standby
from tests.servers import rabbitmq
from tests.servers import rabbitmq_cluster
from tests.servers import zookeeper_ensemble

T = TypeVar('T')

CLUSTERS: Mapping[str, type[cluster_.Cluster]] = {
    'galera': galera_cluster.OneWriter,
    'galera-three-writers': galera_cluster.ThreeWriters,
    'memcached': memcached_cluster.MemcachedCluster,
    'postgresql': postgresql_standby.PrimaryAndStandby,
    'rabbitmq': rabbitmq_cluster.MirroredCluster,
    'rabbitmq-durable': rabbitmq_cluster.DurableCluster,
    'rabbitmq-quorum': rabbitmq_cluster.QuorumCluster,
    'rabbitmq-streams': rabbitmq_cluster.StreamCluster,
    'zookeeper': zookeeper_ensemble.Ensemble,
}

_PATIENCE = 120.0
# For the last events to be heard and seen.
_EVENTS_PATIENCE = 30.0
_PAUSE = 0.1
# What a look-up may take on a busy machine, in seconds.
_LOOK_TAKES = 2.0
# Members are spread over so many processes.
_PROCESSES = 10
# A shorter time without an answer is no outage.
_OUTAGE = 2.0


class Drill(fixtures.Fixture):
    """The drill, on a cluster and servers that run.

    :param broker: the broker of the deployment: the cluster, or another
    :param server: the same for the database
    :param members: how many members live on
    :param away: how long each fault lasts, in seconds
    :param rest: seconds between two faults
    :param report_interval: of members, in seconds
    :param down_after: of members, in seconds
    :param random_: chooses what is random
    :param tell: shows the user a line
    """

    def __init__(
        self,
        cluster: cluster_.Cluster,
        broker: Any,
        server: Any,
        *,
        members: int,
        away: float,
        rest: float,
        report_interval: int,
        down_after: int,
        conductors: int = 2,
        workers: int = 2,
        random_: random.Random,
        tell: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._place = deployment.Deployment(
            broker, server, more=cluster.more() + listener.OPTIONS
        )
        self._hosts = [f'node{i + 1}' for i in range(members)]
        self._away = away
        self._rest = rest
        self._down_after = down_after
        self._found_within = down_after + report_interval + _LOOK_TAKES
        self._options = {
            'servicegroup__report_interval': report_interval,
            'servicegroup__down_after': down_after,
            'servicegroup__sync_interval': down_after,
            'conductor__workers': workers,
            **cluster.options(),
        }
        self._conductors = [f'conductor{i + 1}' for i in range(conductors)]
        self._random = random_
        self._tell = tell
        self._began = time.monotonic()
        self._programs: dict[str, program.Program] = {}
        self._remotes: list[app.Remote] = []
        self._journal = load.Journal()
        self._rows: list[report.Row] = []

    def _setUp(self) -> None:
        self.useFixture(self._place)
        self._config = self._place.config_file(**self._options)
        self._conf = self._place.conf(**self._options)
        self._listener = self.useFixture(listener.Listener(self._conf))
        self._context = self._remote(timeout=20).context
        self._tail = load.Tail('tail', self._remote(), self._journal)
        self._observers = [
            load.Observer(f'observer{i}', self._remote(), self._journal)
            for i in (1, 2)
        ]
        self._editors = [
            load.Editor(
                f'editor{i + 1}',
                self._remote(),
                self._journal,
                self._hosts[i::2],
            )
            for i in range(min(2, len(self._hosts)))
        ]
        self._joiners = [
            load.Joiner(f'joiner{i}', self._remote(), self._journal)
            for i in (1, 2)
        ]
        self._comers = [
            load.Comer(f'comer{i}', self._remote(), self._journal)
            for i in (1, 2, 3)
        ]
        self._holder = load.Holder(
            'holder', self._remote(), self._journal, self._random
        )
        self._lookers: list[load.Client] = [
            load.Lister('lister1', self._remote(), self._journal),
            load.Lister('lister2', self._remote(), self._journal),
            load.Asker('asker', self._remote(), self._journal, self._hosts),
        ]

    def _remote(self, timeout: float = 10) -> app.Remote:
        return self._place.remote(timeout, **self._options)

    def run(
        self, faults: Iterable[cluster_.Fault], until: float = math.inf
    ) -> report.Report:
        """Make all faults, one after the other.

        :param until: make no new fault after that, by the monotonic clock
        :raises DrillError: if it cannot go on
        """
        self._start()
        began = time.monotonic()
        clients = [
            self._tail,
            *self._observers,
            *self._editors,
            *self._joiners,
            *self._comers,
            self._holder,
            *self._lookers,
        ]
        for each in clients:
            each.start()
        try:
            self._wait(self._rest)
            for number, fault in enumerate(faults, 1):
                if time.monotonic() > until:
                    break
                self._rows.append(self._run_fault(fault, f'victim{number}'))
            # A wrong verdict may still come within this time.
            self._wait(1.5 * self._down_after)
            self._stop(
                [
                    *self._editors,
                    *self._joiners,
                    *self._comers,
                    self._holder,
                    *self._lookers,
                ]
            )
            ended = time.monotonic()
            tables = self._settle()
        finally:
            self._stop(clients)
        return self._report(began, ended, tables)

    def _start(self) -> None:
        for number, name in enumerate(self._conductors):
            config = self._place.config_file(
                conductor__host=name,
                **self._options,
                **self._cluster.conductor_options(number, self._place.url),
            )
            self._programs[name] = self.useFixture(
                program.Program(
                    'sgconductor-conductor', '--config-file', config
                )
            )
        for name in self._conductors:
            drills.until_printed(
                name,
                self._programs[name],
                'worker is ready',
                self._options['conductor__workers'],
            )
        self._say(f'{", ".join(self._conductors)} run')
        for number in (1, 2):
            objects.Service(
                self._context(),
                host=f'held{number}',
                binary=load.HELD,
                topic='held',
                version=load.HELD_VERSION,
                report_interval=1,
                down_after=3600,
            ).join(uuidutils.generate_uuid())
        self._start_members(
            {
                f'members{number + 1}': hosts
                for number in range(_PROCESSES)
                if (hosts := self._hosts[number::_PROCESSES])
            }
        )
        self._say(f'{len(self._hosts)} members are up')

    def _run_fault(self, fault: cluster_.Fault, victim: str) -> report.Row:
        """Make a fault, while a member dies, and wait until all is well."""
        self._start_members({victim: [victim]})
        began = time.monotonic()
        self._say(f'{fault.name}; {self._cluster.state()}'.rstrip('; '))
        self._programs[victim].kill()
        fault.begin()
        self._wait(self._away - (time.monotonic() - began))
        fault.end()
        self._cluster.wait_until_whole()
        self._say(f'{fault.name}: over')
        found_after = self._wait_for_down(victim, began)
        self._wait(self._rest)
        self._check_processes()
        ended = time.monotonic()
        row = report.Row(
            fault.name,
            began,
            ended,
            found_after,
            self._journal.longest_silence(began, ended),
            max(
                self._journal.longest_silence(began, ended, each.name)
                for each in self._lookers
            ),
            self._journal.longest_silence(began, ended, verbs=load.WRITES),
            sum(self._journal.failures(began, ended).values()),
        )
        false = sum(
            began < down.ended <= ended and down.host in self._hosts
            for down in list(self._journal.downs)
        )
        failures = self._journal.failures(began, ended)
        self._say(
            f'{fault.name}: false downs in look-ups {false}, longest without '
            f'an answer {row.silence:.1f} s, of one client '
            f'{row.slowest:.1f} s, of writes {row.no_write:.1f} s, dead found '
            f'after {report.seconds(found_after)}, failed calls '
            f'{dict(failures)}'
        )
        return row

    def _wait_for_down(self, victim: str, died: float) -> float:
        """Wait for a look-up that says down of a member that has died.

        :returns: seconds since it died, or since the last time in which
            nothing could be written, for beats are writes; infinite if it
            was not found
        """
        deadline = time.monotonic() + _PATIENCE / 2
        while time.monotonic() < deadline:
            for down in list(self._journal.downs):
                if down.host == victim:
                    outages = [
                        b
                        for a, b in self._journal.silences(
                            died, down.ended, verbs=load.WRITES
                        )
                        if b - a > _OUTAGE and b < down.ended
                    ]
                    return down.ended - max([died, *outages])
            self._wait(_PAUSE)
        return math.inf

    def _settle(self) -> check.Tables:
        """Wait until all events were seen, or too long; read the tables."""
        self._cluster.wait_until_whole()
        deadline = time.monotonic() + _EVENTS_PATIENCE
        while True:
            tables = drills.until('the tables', self._read)
            uuids = {event.uuid for event in tables.events}
            seen = self._listener.heard.keys() & {*self._tail.uuids}
            if uuids <= seen or time.monotonic() > deadline:
                return tables
            self._wait(_PAUSE)

    def _read(self) -> check.Tables | None:
        try:
            return check.Tables.read(self._context())
        except exception.Unreachable:
            return None

    def _report(
        self, began: float, ended: float, tables: check.Tables
    ) -> report.Report:
        if self._journal.bugs:
            raise drills.DrillError('; '.join(self._journal.bugs[:3]))
        lives = [load.Life(host, began, ended) for host in self._hosts]
        for comer in self._comers:
            lives += comer.lives
        heard = dict(self._listener.heard)
        epochs = list(check.wrong_pins(tables))
        for observer in self._observers:
            epochs += check.epochs_back(observer.name, observer.epochs)
        lost: list[check.Finding] = list(check.undone(heard, tables.events))
        lost += check.lost_holds(self._holder.writes, tables)
        for editor in self._editors:
            lost += check.lost_edits(editor.writes, tables)
        for joiner in self._joiners:
            lost += check.lost_joins(joiner.writes, tables)
        lost += [
            check.Finding(ended, f'{host} has joined, and is not there')
            for host in self._hosts
            if (host, load.MEMBER) not in tables.services
        ]
        writes = sum(
            len(each.writes)
            for each in (*self._editors, *self._joiners, self._holder)
        )
        self._say(
            f'{len(self._journal.calls)} calls, {writes} writes, '
            f'{len(tables.events)} events, {self._listener.repeats} heard '
            f'again'
        )
        return report.Report(
            self._rows,
            self._journal.looks,
            self._journal.longest_silence(began, ended),
            self._found_within,
            list(check.false_downs(self._journal.downs, tables.events, lives)),
            lost,
            list(
                check.lost_events(
                    tables.events,
                    {
                        'listener': heard.keys(),
                        'tail': {*self._tail.uuids},
                    },
                )
            ),
            epochs,
        )

    def _start_members(self, hosts: Mapping[str, Sequence[str]]) -> None:
        """
        :param hosts: the hosts of the members of each process, by its name
        """
        for name, some in hosts.items():
            self._programs[name] = self.useFixture(
                program.Program(
                    'python',
                    '-m',
                    'tests.outage.members_process',
                    self._config,
                    *some,
                )
            )
        for name in hosts:
            drills.until_printed(name, self._programs[name], 'all have joined')

    def _stop(self, clients: Sequence[load.Client]) -> None:
        for each in clients:
            each.stop()
        for each in clients:
            each.join()

    def _check_processes(self) -> None:
        """
        :raises DrillError: if a process has ended that should live
        """
        for name, one in self._programs.items():
            if 'victim' not in name and one.process.poll() is not None:
                raise drills.DrillError(f'{name} ended:\n{one.output[-3000:]}')

    def _wait(self, seconds: float) -> None:
        threading.Event().wait(max(0.0, seconds))

    def _say(self, text: str) -> None:
        self._tell(f'{time.monotonic() - self._began:6.1f} s  {text}')

    def save_output(self, directory: pathlib.Path) -> None:
        """Write what all processes have printed into files."""
        directory.mkdir(parents=True, exist_ok=True)
        for name, one in self._programs.items():
            (directory / name).write_text(one.output)


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse(argv)
    # Without a handler, clients in this process would print warnings.
    logging.getLogger().addHandler(logging.NullHandler())
    return drills.run('cluster-drill', lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    random_ = random.Random(options.seed)
    with ExitStack() as stack:
        print(f'The servers start; seed {options.seed}', flush=True)
        cluster = stack.enter_context(
            drills.started(CLUSTERS[options.cluster]())
        )
        broker = cluster.broker or stack.enter_context(
            drills.started(rabbitmq.RabbitMQ())
        )
        server = cluster.database or stack.enter_context(
            drills.started(mariadb.MariaDB())
        )
        drill = stack.enter_context(
            Drill(
                cluster,
                broker,
                server,
                members=options.members,
                away=options.away,
                rest=4.0,
                report_interval=2,
                down_after=12,
                random_=random_,
                tell=lambda line: print(line, flush=True),
            )
        )
        faults = [
            fault for fault in cluster.faults() if options.fault in fault.name
        ]
        if not faults:
            names = ', '.join(fault.name for fault in cluster.faults())
            raise drills.DrillError(
                f'no fault has {options.fault!r} in its name; there are: '
                f'{names}'
            )
        try:
            result = drill.run(*_bounded(faults, options.minutes, random_))
        finally:
            if options.output:
                drill.save_output(options.output)
    print()
    for line in (*result.table(), '', *result.findings()):
        print(line)
    print(result)
    return 0 if result.good else 1


def _bounded(
    faults: Sequence[cluster_.Fault],
    minutes: float | None,
    random_: random.Random,
) -> tuple[Iterable[cluster_.Fault], float]:
    """The faults, and until when to make them."""
    if minutes is None:
        return faults, math.inf
    return _for_ever(faults, random_), time.monotonic() + 60 * minutes


def _for_ever(
    faults: Sequence[cluster_.Fault], random_: random.Random
) -> Iterator[cluster_.Fault]:
    while True:
        yield from random_.sample(faults, len(faults))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='cluster-drill', description=__doc__)
    parser.add_argument(
        'cluster', choices=CLUSTERS, help='the cluster with the faults'
    )
    parser.add_argument(
        '--minutes',
        type=drills.positive(1440),
        metavar='M',
        help='make faults in random order for M minutes (default: one round '
        'of all faults, in order)',
    )
    parser.add_argument(
        '--members',
        type=drills.at_least(2),
        default=40,
        metavar='N',
        help='have N members that live on (default: %(default)s)',
    )
    parser.add_argument(
        '--away',
        type=drills.positive(1440),
        default=18.0,
        metavar='S',
        help='each fault lasts S seconds (default: %(default)g); members are '
        'down after 12 s without a beat',
    )
    parser.add_argument(
        '--fault',
        default='',
        metavar='WORDS',
        help='make only faults that have WORDS in their names',
    )
    parser.add_argument(
        '--seed',
        type=drills.at_least(0),
        default=random.SystemRandom().randrange(10**6),
        metavar='N',
        help='of what is random (default: a new one)',
    )
    parser.add_argument(
        '--output',
        type=pathlib.Path,
        metavar='DIR',
        help='write what the processes print into files of this directory',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    sys.exit(main())
