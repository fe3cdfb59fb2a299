"""Galera: a private cluster of three MariaDB servers, each of which writes."""

import contextlib
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

import fixtures
import pymysql
import pymysql.connections
import sqlalchemy

from tests.servers import mariadb
from tests.servers import process

__all__ = ['Galera', 'Node']

PROVIDER = '/usr/lib/galera/libgalera_smm.so'
RSYNC = '/usr/bin/rsync'
ACCOUNT = 'mysql'
SIZE = 3

# In seconds; a node that stands still does not answer at all.
TIMEOUT = 2.0

POSITION = re.compile(r'Recovered position:? *([0-9a-f-]{36}:-?[0-9]+)')


class Node(mariadb.MariaDB):
    """One server of the cluster, which starts it.

    :param number: counts from 0
    :param group: the ports of all nodes for their own traffic
    :param ports: for clients, the group, and both kinds of state transfer
    :param suspect: seconds after which the others give up a silent node
    """

    NAME: ClassVar[str] = 'Galera'
    BINARIES: ClassVar[tuple[str, ...]] = (
        *mariadb.MariaDB.BINARIES,
        PROVIDER,
        RSYNC,
    )
    DEADLINE: ClassVar[float] = 90.0

    def __init__(
        self,
        number: int,
        group: Sequence[int],
        ports: tuple[int, ...],
        suspect: float,
    ) -> None:
        super().__init__()
        self._number = number
        self._group = group
        self._given = ports
        self._suspect = suspect
        self._bootstraps = False
        self._position: str | None = None

    def bootstrap(self) -> None:
        """Start the server as the first one of a cluster."""
        self._bootstraps = True
        try:
            self.start()
        finally:
            self._bootstraps = False

    def restart(self) -> None:
        """Start the server again where it ended, after a crash too."""
        self._position = self._recover()
        try:
            self.start()
        finally:
            self._position = None

    def sql(self, statement: str) -> list[Any]:
        """Run one statement, also where the node has no majority.

        :raises pymysql.err.Error: if the node does not answer within seconds
        """
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    @property
    def is_synced(self) -> bool:
        """Whether the node is in the majority and has caught up."""
        try:
            found = dict(
                self.sql(
                    'SHOW STATUS WHERE Variable_name IN '
                    "('wsrep_ready', 'wsrep_local_state_comment')"
                )
            )
        except (pymysql.err.Error, OSError):
            return False
        return found == {
            'wsrep_ready': 'ON',
            'wsrep_local_state_comment': 'Synced',
        }

    def _connect(self) -> Any:
        return pymysql.connections.Connection(
            host=process.LOOPBACK,
            port=self.port,
            user='root',
            connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
            autocommit=True,
            ssl_disabled=True,
        )

    def _setUp(self) -> None:
        self.ports = self._given
        super()._setUp()

    def _start_somewhere(self) -> None:
        """Do nothing: the cluster starts it."""

    def _account(self) -> pwd.struct_passwd | None:
        """Another account for root, whose rsync would write as nobody."""
        return pwd.getpwnam(ACCOUNT) if os.geteuid() == 0 else None

    def _initialise(self) -> None:
        account = self._account()
        for folder in (self.directory, self.directory / 'data'):
            folder.mkdir(exist_ok=True)
            if account is not None:
                shutil.chown(folder, account.pw_uid, account.pw_gid)
        if self._number == 0:
            # The others get its data.
            self._run(
                [
                    mariadb.INSTALL,
                    '--no-defaults',
                    f'--datadir={self.directory}/data',
                    '--auth-root-authentication-method=normal',
                    '--skip-test-db',
                    '--skip-name-resolve',
                    '--innodb-log-file-size=16M',
                ]
            )

    def _command(self) -> list[str]:
        _, group, ist, sst = self.ports
        others = ','.join(f'{process.LOOPBACK}:{port}' for port in self._group)
        period = self._suspect / 5
        options = {
            'gmcast.listen_addr': f'tcp://{process.LOOPBACK}:{group}',
            'base_host': process.LOOPBACK,
            'base_port': group,
            'ist.recv_addr': f'{process.LOOPBACK}:{ist}',
            'gcache.size': '32M',
            'evs.keepalive_period': f'PT{period}S',
            'evs.inactive_check_period': f'PT{period}S',
            'evs.suspect_timeout': f'PT{self._suspect}S',
            'evs.inactive_timeout': f'PT{2 * self._suspect}S',
            'evs.install_timeout': f'PT{2 * self._suspect}S',
        }
        command = [
            mariadb.SERVER,
            '--no-defaults',
            f'--datadir={self.directory}/data',
            '--socket=s',
            f'--port={self.port}',
            f'--bind-address={process.LOOPBACK}',
            f'--pid-file={self.directory}/pid',
            f'--tmpdir={self.directory}',
            '--skip-name-resolve',
            '--innodb-flush-log-at-trx-commit=2',
            '--innodb-log-file-size=16M',
            '--innodb-buffer-pool-size=48M',
            '--performance-schema=OFF',
            '--max-connections=200',
            '--binlog-format=ROW',
            '--innodb-autoinc-lock-mode=2',
            '--wsrep-on=ON',
            f'--wsrep-provider={PROVIDER}',
            '--wsrep-cluster-name=sgconductor',
            f'--wsrep-cluster-address=gcomm://{others}',
            f'--wsrep-node-name=node{self._number}',
            f'--wsrep-node-address={process.LOOPBACK}:{group}',
            '--wsrep-sst-method=rsync',
            f'--wsrep-sst-receive-address={process.LOOPBACK}:{sst}',
            '--wsrep-slave-threads=2',
            '--wsrep-provider-options='
            + '; '.join(f'{name}={value}' for name, value in options.items()),
        ]
        if self._bootstraps:
            command.append('--wsrep-new-cluster')
        if self._position:
            command.append(f'--wsrep-start-position={self._position}')
        return command

    def _ready(self) -> bool:
        return super()._ready() and self.is_synced

    def _recover(self) -> str | None:
        """The position up to which a server that has ended has all writes."""
        log = self.directory / 'recover.log'
        log.unlink(missing_ok=True)
        child = self._child([*self._command(), '--wsrep-recover'], log.name)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(self.DEADLINE)
        child.kill()
        found = POSITION.findall(log.read_text(errors='replace'))
        return found[-1] if found else None


class Galera(fixtures.Fixture):
    """A cluster of three nodes, by number from 0.

    :param suspect: seconds after which the others give up a silent node;
        Galera's default is 5
    :ivar nodes: the servers
    """

    NAME: ClassVar[str] = Node.NAME

    nodes: tuple[Node, ...]

    def __init__(self, suspect: float = 5.0) -> None:
        self._suspect = suspect

    @classmethod
    def missing(cls) -> str | None:
        """Return the first binary that is not installed, None if all are."""
        return Node.missing()

    def urls(self, database: str) -> list[str]:
        """The SQLAlchemy URLs of a database, by node."""
        return [node.url(database) for node in self.nodes]

    def url(self, database: str, number: int = 0) -> str:
        """The SQLAlchemy URL of a database at one node."""
        return self.nodes[number].url(database)

    def create_database(self, name: str, number: int = 0) -> str:
        """Create an empty database in the cluster, and return its URL."""
        return self.nodes[number].create_database(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, and end all connections to it."""
        for node in self.nodes:
            if node.running:
                # The first one that can has done it for all.
                with contextlib.suppress(sqlalchemy.exc.DBAPIError):
                    node.drop_database(name)

    def kill(self, number: int) -> None:
        """Crash a node."""
        self.nodes[number].kill()

    def stop(self, number: int) -> None:
        """End a node in an orderly way."""
        self.nodes[number].stop()

    def freeze(self, number: int) -> None:
        """Make a node stand still, until ``thaw``."""
        self.nodes[number].freeze()

    def thaw(self, number: int) -> None:
        self.nodes[number].thaw()

    def isolate(self, number: int) -> None:
        """Cut a node off from the others; clients still reach it."""
        self._isolate(number, 1)

    def heal(self, number: int) -> None:
        """Let an isolated node return."""
        self._isolate(number, 0)

    def restart(self, number: int) -> None:
        """Start a node that has ended; returns when it has caught up."""
        self.nodes[number].restart()

    def is_synced(self, number: int) -> bool:
        """Whether a node is in the majority and has caught up."""
        return self.nodes[number].is_synced

    def _isolate(self, number: int, value: int) -> None:
        self.nodes[number].sql(
            f"SET GLOBAL wsrep_provider_options = 'gmcast.isolate={value}'"
        )

    def _setUp(self) -> None:
        for attempt in range(process.ATTEMPTS):
            try:
                self._start()
            except process.PortTakenError:
                for node in self.nodes:
                    node.cleanUp()
                if attempt == process.ATTEMPTS - 1:
                    raise
            else:
                break
        for node in self.nodes:
            self.addCleanup(node.cleanUp)

    def _start(self) -> None:
        ports = process.free_ports(4 * SIZE)
        given = [ports[4 * i : 4 * i + 4] for i in range(SIZE)]
        group = [each[1] for each in given]
        self.nodes = tuple(
            Node(i, group, each, self._suspect) for i, each in enumerate(given)
        )
        for node in self.nodes:
            node.setUp()
        first, *others = self.nodes
        first.bootstrap()
        for node in others:
            node.start()
