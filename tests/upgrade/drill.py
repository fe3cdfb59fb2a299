"""The upgrade drill: a fleet is upgraded, rolled back and upgraded again.

Clients call its workers all the time. No call may fail or have an RPC version
above that of its receiver, and only processes that are upgraded may end.
"""

import argparse
import contextlib
import pathlib
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import fixtures

from sgconductor import exception
from sgconductor import objects
from tests import deployment
from tests import drills
from tests import release
from tests.servers import mariadb
from tests.servers import rabbitmq
from tests.servers import rabbitmq_cluster
from tests.upgrade import fleet
from tests.upgrade import parts
from tests.upgrade import records
from tests.upgrade import report

BINARY = 'acme-worker'

# By the number of brokers; queues are mirrored.
_BROKERS: Mapping[
    int, type[rabbitmq.RabbitMQ] | type[rabbitmq_cluster.RabbitMQCluster]
] = {1: rabbitmq.RabbitMQ, 3: rabbitmq_cluster.MirroredCluster}

START = 'all of release 1'
CONDUCTORS_UP = 'conductors up, one by one'
WORKERS_UP = 'workers up, but for the last'
CLIENTS_UP = 'clients up, but for the last'
LAST_WORKER_UP = 'the last worker up'
HOLD = 'a hold at 1'
WORKERS_BACK = 'workers back, one by one'
WORKERS_AGAIN = 'workers up again, one by one'
RELEASE = 'the hold released'
PHASES = (
    START,
    CONDUCTORS_UP,
    WORKERS_UP,
    CLIENTS_UP,
    LAST_WORKER_UP,
    HOLD,
    WORKERS_BACK,
    WORKERS_AGAIN,
    RELEASE,
)


class Drill(fixtures.Fixture):
    """The drill, on a broker and a database server that run.

    :param calls: how many calls to make at least
    :param conductors: how many conductors
    :param members: how many workers
    :param back: how many workers are rolled back
    :param clients: how many clients; the last one is not upgraded
    :param pause: seconds between two calls of a client
    :param old_conductor: the directory with the programs of the release of
        sgconductor that conductors are upgraded from; None for this release
    :param tell: shows the user a line
    """

    def __init__(
        self,
        broker: rabbitmq.RabbitMQ | rabbitmq_cluster.RabbitMQCluster,
        server: mariadb.MariaDB,
        *,
        calls: int,
        conductors: int,
        members: int,
        back: int,
        clients: int,
        pause: float,
        old_conductor: pathlib.Path | None,
        tell: Callable[[str], None],
    ) -> None:
        self._place = deployment.Deployment(
            broker, server, tables=old_conductor is None
        )
        self._goal = calls
        self._counts = (conductors, members, clients)
        self._back = back
        self._pause = pause
        self._old_conductor = old_conductor
        self._tell = tell
        self._began = time.monotonic()
        self._phases: list[report.Phase] = []
        self._versions: dict[str, tuple[int, str]] = {}

    def _setUp(self) -> None:
        self.useFixture(self._place)
        journals = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self._ledger = records.Ledger(journals, self._report_version)
        self._context = self._place.remote(timeout=60).context()
        self._fleet = self.useFixture(
            fleet.Fleet(self._say, self._ledger.read)
        )
        self._parts = parts.Parts(self._place, journals, self._old_conductor)
        conductors, workers, clients = self._counts
        self._conductors = self._parts.conductors(conductors)
        self._workers = self._parts.workers(workers)
        self._clients = self._parts.clients(clients, self._pause)

    def run(self) -> None:
        """Run all phases.

        :raises DrillError: if it cannot go on
        """
        with self._phase(START):
            self._start()
        with self._phase(CONDUCTORS_UP):
            self._sync_database(2)
            self._upgrade(self._conductors, 2)
        with self._phase(WORKERS_UP):
            self._upgrade(self._workers[:-1], 2)
        with self._phase(CLIENTS_UP):
            self._upgrade(self._clients[:-1], 2)
        with self._phase(LAST_WORKER_UP):
            self._upgrade(self._workers[-1:], 2)
            self._wait_for_pin(2)
        with self._phase(HOLD):
            self._pin().hold(1)
            self._wait_for_pin(1)
        with self._phase(WORKERS_BACK):
            self._upgrade(self._workers[: self._back], 1)
        with self._phase(WORKERS_AGAIN):
            self._upgrade(self._workers[: self._back], 2)
        with self._phase(RELEASE):
            self._pin().release()
            self._wait_for_pin(2)
        # A client finishes its call before it ends.
        self._fleet.stop(self._clients)
        self._fleet.watch()
        self._ledger.read()

    def report(self) -> report.Report:
        """The result so far."""
        return report.Report(
            self._began, self._phases, self._ledger, self._fleet.restarts
        )

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Do the block, and then wait for this phase's share of calls."""
        self._phases.append(report.Phase(name, time.monotonic()))
        number, of = len(self._phases), len(PHASES)
        self._say(f'{number} of {of}: {name}')
        yield
        goal = len(self._ledger.calls) + self._goal // (4 * of)
        if number == of:
            goal = max(goal, self._goal)
        self._fleet.until(
            f'{goal} calls', lambda: len(self._ledger.calls) >= goal
        )
        self._wait_for_calls()
        self._say(
            f'{len(self._ledger.calls)} calls so far, '
            f'{len(self._ledger.failed)} failed'
        )

    def _start(self) -> None:
        self._sync_database(1)
        for some in (self._conductors, self._workers, self._clients):
            self._fleet.start(some, 1)
            self._say(f'{", ".join(part.name for part in some)} run')

    def _upgrade(self, some: Sequence[fleet.Part], release: int) -> None:
        """Upgrade some to another release, one by one, under load."""
        for part in some:
            self._fleet.upgrade(part, release)
            self._wait_for_calls()

    def _wait_for_calls(self) -> None:
        """Wait until each client has made another whole call."""
        since = time.monotonic()
        first = len(self._ledger.calls)

        def callers() -> set[str]:
            return {
                call.client
                for call in self._ledger.calls[first:]
                if call.at >= since
            }

        self._fleet.until(
            'a call of each client',
            lambda: len(callers()) == len(self._clients),
        )

    def _pin(self) -> objects.Pin:
        return objects.Pin.get_by_binary(self._context, BINARY)

    def _wait_for_pin(self, version: int) -> None:
        """Wait until a pin is in force, and all members follow it."""

        def follow() -> bool:
            pin = self._pin()
            return pin.version == version and pin.following == pin.live

        self._fleet.until(f'all members follow a pin of {version}', follow)
        pin = self._pin()
        self._say(
            f'the pin of {BINARY} is {pin.version} ({pin.cause}); '
            f'{pin.following} of {pin.live} members follow'
        )

    def _sync_database(self, release: int) -> None:
        """Migrate the tables to those of a release of conductors."""
        if self._old_conductor is None:
            return  # They are those of this release from the start.
        with self._parts.manage(release, 'db', 'sync') as one:
            if one.wait():
                raise drills.DrillError(
                    f'sgconductor-manage db sync failed:\n{one.output}'
                )

    def _report_version(self, call: records.Call) -> None:
        """Report when a client begins to use another RPC version."""
        uses = (call.release, call.version)
        if call.version and self._versions.get(call.client) != uses:
            self._versions[call.client] = uses
            self._say(
                f'{call.client}, of release {call.release}, now uses RPC '
                f'version {call.version}'
            )

    def _say(self, text: str) -> None:
        self._tell(f'{time.monotonic() - self._began:6.1f} s  {text}')


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse(argv)
    return drills.run('upgrade-drill', lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    old_conductor = options.old_conductor
    if old_conductor is None:
        print('Installing the release before, unless it is', flush=True)
        try:
            old_conductor = release.PREVIOUS.bin
        except release.ReleaseError as error:
            raise drills.DrillError(str(error)) from None
    kind = _BROKERS[options.brokers]
    print(f'{kind.NAME} and MariaDB start', flush=True)
    why = ''
    with (
        drills.started(kind()) as broker,
        drills.started(mariadb.MariaDB()) as server,
        Drill(
            broker,
            server,
            calls=options.calls,
            conductors=2,
            members=options.members,
            back=options.members,
            clients=options.clients,
            pause=0,
            old_conductor=old_conductor,
            tell=lambda line: print(line, flush=True),
        ) as drill,
    ):
        try:
            drill.run()
        except (drills.DrillError, exception.SGConductorError) as error:
            why = f'upgrade-drill: {error}'
        result = drill.report()
    print('\nCalls by RPC version, phase and release:\n')
    for line in (*result.table(), '', *result.failures()):
        print(line)
    if why:
        print(why)
    print(result.totals())
    return 1 if why or not result.is_good(options.calls) else 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='upgrade-drill', description=__doc__)
    parser.add_argument(
        '--calls',
        type=drills.at_least(1),
        default=5000,
        metavar='N',
        help='make at least N calls (default: %(default)s)',
    )
    parser.add_argument(
        '--members',
        type=drills.at_least(2),
        default=6,
        metavar='N',
        help='call N workers (default: %(default)s)',
    )
    parser.add_argument(
        '--clients',
        type=drills.at_least(2),
        default=4,
        metavar='N',
        help='have N clients; the last one is not upgraded '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--brokers',
        type=int,
        choices=_BROKERS,
        default=1,
        help='run one RabbitMQ, or a cluster of three (default: %(default)s)',
    )
    parser.add_argument(
        '--old-conductor',
        type=_programs,
        metavar='BIN',
        help='the directory with the programs of the release of sgconductor '
        'that the conductors are upgraded from (default: the release before, '
        'which is installed the first time; that takes a minute)',
    )
    return parser.parse_args(argv)


def _programs(text: str) -> pathlib.Path:
    path = pathlib.Path(text).absolute()
    if not (path / 'sgconductor-conductor').is_file():
        raise argparse.ArgumentTypeError(
            f'there is no sgconductor-conductor in {text}'
        )
    return path


if __name__ == '__main__':
    sys.exit(main())
