"""A PostgreSQL primary and its standby, and what manages them."""

import shutil
import signal
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

import psutil
import sqlalchemy

from tests import drills
from tests.cluster import cluster
from tests.servers import postgresql
from tests.servers import process
from tests.servers import proxy

__all__ = ['PrimaryAndStandby']

BASE_BACKUP = '/usr/lib/postgresql/*/bin/pg_basebackup'

_PATIENCE = 60.0
# Seconds until the manager acts on a failure.
_DETECTION = 2.0

_HOW = """\
SELECT count(*) FROM pg_stat_replication
WHERE state = 'streaming' AND sync_state = '{}'
"""
_WAITING = """\
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE wait_event = 'SyncRep'
"""


class Node(postgresql.PostgreSQL):
    """One of the two servers.

    :param name: its name as a standby
    :ivar proxy: through which its standby reaches it
    """

    BINARIES: ClassVar[tuple[str, ...]] = (
        *postgresql.PostgreSQL.BINARIES,
        BASE_BACKUP,
    )

    def __init__(self, name: str, primary: 'Node | None' = None) -> None:
        super().__init__()
        self._name = name
        self._primary = primary

    def _initialise(self) -> None:
        if self._primary is None:
            super()._initialise()
        else:
            self._own_directory()
            self._copy(self._primary)

    def _setUp(self) -> None:
        super()._setUp()
        self.proxy = self.useFixture(proxy.Proxy(process.LOOPBACK, self.port))

    def _settings(self) -> dict[str, str]:
        return {
            **super()._settings(),
            'wal_level': 'replica',
            'max_wal_senders': '10',
            'wal_keep_size': '256MB',
            'hot_standby': 'on',
            'wal_sender_timeout': '3s',
            'wal_receiver_timeout': '3s',
            'wal_retrieve_retry_interval': '500ms',
        }

    def configure(self, **settings: str) -> None:
        """Replace all settings that can change, and have them read."""
        (self.directory / 'data/postgresql.auto.conf').write_text(
            ''.join(
                f"{name} = '{value}'\n" for name, value in settings.items()
            )
        )
        if self.running:
            psutil.Process(self.pid).send_signal(signal.SIGHUP)

    def ask(self, statement: str) -> Any:
        """Run a statement, and return the first value of its result."""
        with self._engine.connect() as connection:
            return connection.exec_driver_sql(statement).scalar_one()

    def has(self, setting: str, value: str) -> bool:
        """Whether new transactions have a setting."""
        return bool(self.ask(f'SHOW {setting}') == value)

    def follow(self, primary: 'Node') -> None:
        """Become the standby of a primary from the next start on."""
        self.configure(
            primary_conninfo=f'host={process.LOOPBACK} '
            f'port={primary.proxy.port} user=postgres '
            f'application_name={self._name}'
        )
        (self.directory / 'data/standby.signal').touch()

    def rebuild(self, primary: 'Node') -> None:
        """Throw the data away, and become the standby of a primary."""
        self.kill()
        shutil.rmtree(self.directory / 'data')
        self._copy(primary)
        self.start()

    def promote(self) -> None:
        """Become the primary."""
        self.configure()
        self.ask('SELECT pg_promote()')

    def _copy(self, primary: 'Node') -> None:
        self._run(
            [
                process.locate(BASE_BACKUP),
                f'--pgdata={self.directory}/data',
                f'--host={process.LOOPBACK}',
                f'--port={primary.port}',
                '--username=postgres',
                '--wal-method=stream',
                '--checkpoint=fast',
                '--no-sync',
            ]
        )
        self.follow(primary)


class PrimaryAndStandby(cluster.Cluster):
    """Two PostgreSQL with synchronous replication, behind one URL.

    A commit is acknowledged when the standby has it too, so that a promotion
    loses none. Somebody has to decide who is the primary, and whether it
    waits for a standby that is away; this class does what Patroni and others
    do: it fences the old primary before it promotes the standby.
    """

    NAME: ClassVar[str] = 'PostgreSQL'

    @classmethod
    def missing(cls) -> str | None:
        return Node.missing()

    def _setUp(self) -> None:
        first = self.useFixture(Node('postgresql1'))
        second = self.useFixture(Node('postgresql2', first))
        self._nodes = [first, second]
        self._primary = 0
        # The index of the node that was the primary until a failure.
        self._deposed: int | None = None
        self._engine = sqlalchemy.create_engine(
            self._url('postgres'),
            poolclass=sqlalchemy.pool.NullPool,
            isolation_level='AUTOCOMMIT',
        )
        self.wait_until_whole()

    @property
    def names(self) -> Sequence[str]:
        return ['postgresql1', 'postgresql2']

    @property
    def primary(self) -> int:
        """The index of the primary."""
        return self._primary

    @property
    def standby(self) -> int:
        """The index of the standby."""
        return 1 - self._primary

    @property
    def database(self) -> Any:
        return self

    def _url(self, database: str) -> str:
        hosts = '&'.join(
            f'host={process.LOOPBACK}:{node.port}' for node in self._nodes
        )
        return (
            f'postgresql+psycopg2://postgres@/{database}?{hosts}'
            f'&target_session_attrs=read-write'
        )

    def create_database(self, name: str) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        name = process.check_name(name)
        with self._engine.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, and end all connections to it."""
        name = process.check_name(name)
        with self._engine.connect() as connection:
            connection.exec_driver_sql(
                f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
            )

    def state(self) -> str:
        return f'{self.names[self._primary]} is the primary'

    def faults(self) -> Sequence[cluster.Fault]:
        return [
            fault
            for role in ('primary', 'standby')
            for fault in self._faults_of_role(role)
        ]

    def _faults_of_role(self, role: str) -> Sequence[cluster.Fault]:
        """Faults of the node that has a role when the fault begins."""
        hit: list[int] = []

        def begin(action: Callable[[int], None]) -> Callable[[], None]:
            def act() -> None:
                hit.append(getattr(self, role))
                action(hit[-1])

            return act

        def end(action: Callable[[int], None]) -> Callable[[], None]:
            return lambda: action(hit[-1])

        name = f'the {role}'
        return [
            cluster.Fault(f'kill {name}', begin(self.kill), end(self.start)),
            cluster.Fault(f'stop {name}', begin(self.freeze), end(self.thaw)),
            cluster.Fault(
                f'isolate {name}', begin(self.isolate), end(self.heal)
            ),
            cluster.Fault(
                f'restart {name}', begin(self.restart), lambda: None
            ),
        ]

    def kill(self, node: int) -> None:
        self._nodes[node].kill()
        time.sleep(_DETECTION)
        self._go_on_without(node)

    def start(self, node: int) -> None:
        if node == self._deposed:
            # It may have writes that the new primary has not.
            self._nodes[node].rebuild(self._nodes[self._primary])
            self._deposed = None
        else:
            self._nodes[node].start()

    def freeze(self, node: int) -> None:
        self._nodes[node].freeze()
        time.sleep(_DETECTION)
        self._go_on_without(node)

    def thaw(self, node: int) -> None:
        if node == self._deposed:
            # It would take writes until it knew that it is the primary no
            # more, so it is fenced.
            self.start(node)
        else:
            self._nodes[node].thaw()

    def isolate(self, node: int) -> None:
        self._nodes[self._primary].proxy.freeze()
        time.sleep(_DETECTION)
        if node == self._primary:
            # It notices that, and takes no more writes. Those that wait for
            # the standby must not be acknowledged.
            old = self._nodes[node]
            old.configure(
                synchronous_standby_names='*',
                default_transaction_read_only='on',
            )
            self._until(
                'the old primary is read-only',
                lambda: old.has('default_transaction_read_only', 'on'),
            )
            old.ask(_WAITING)
        self._go_on_without(node)

    def heal(self, node: int) -> None:
        for each in self._nodes:
            each.proxy.heal()
        if node == self._deposed:
            self.start(node)

    def restart(self, node: int) -> None:
        stopped = self._nodes[node]
        if node == self._primary:
            # Its standby gets all writes before it ends.
            stopped.stop()
            self._go_on_without(node)
            stopped.follow(self._nodes[self._primary])
            self._deposed = None
        else:
            self._go_on_without(node)
            stopped.stop()
        stopped.start()

    def _go_on_without(self, node: int) -> None:
        """Let the other node serve alone."""
        if node == self._primary:
            self._deposed, self._primary = node, 1 - node
            self._nodes[self._primary].promote()
        else:
            self._nodes[self._primary].configure()

    def wait_until_whole(self) -> None:
        primary = self._nodes[self._primary]
        self._until(
            'the standby follows',
            lambda: (
                primary.ask(_HOW.format('async'))
                or primary.ask(_HOW.format('sync'))
            ),
        )
        primary.configure(synchronous_standby_names='*')
        self._until(
            'replication is synchronous',
            lambda: primary.ask(_HOW.format('sync')),
        )

    def _until(self, what: str, look: Callable[[], Any]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not look():
            if time.monotonic() > deadline:
                raise drills.DrillError(f'gave up: {what}')
            time.sleep(10 * process.PAUSE)
