"""MariaDB: a private database server that speaks MySQL's protocol."""

import contextlib
import os
import signal
import socket
from typing import ClassVar

import sqlalchemy

from tests.servers import process

__all__ = ['MariaDB']

INSTALL = '/usr/bin/mariadb-install-db'
SERVER = '/usr/sbin/mariadbd'

# NOTE: without ssl_disabled, the driver loads all CA certificates of the
# machine for each connection, which takes 60 ms.
OPTIONS = 'charset=utf8mb4&ssl_disabled=true'

# The position of the protocol's version in the greeting, and that version.
VERSION_AT = 4
VERSION = 10


class MariaDB(process.Server):
    """A MariaDB with TCP, InnoDB and a root account without password.

    A row that was committed survives ``kill``.
    """

    NAME: ClassVar[str] = 'MariaDB'
    BINARIES: ClassVar[tuple[str, ...]] = (INSTALL, SERVER)
    STOP_SIGNAL: ClassVar[int] = signal.SIGTERM

    _engine: sqlalchemy.Engine

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return (
            f'mysql+pymysql://root@{process.LOOPBACK}:{self.port}'
            f'/{database}?{OPTIONS}'
        )

    def create_database(self, name: str) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        name = process.check_name(name)
        with self._engine.connect() as connection:
            connection.exec_driver_sql(
                f'CREATE DATABASE {name} CHARACTER SET utf8mb4'
            )
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, and end all connections to it."""
        name = process.check_name(name)
        with self._engine.connect() as connection:
            # NOTE: an open transaction would make DROP wait for a day.
            sessions = connection.exec_driver_sql(
                'SELECT id FROM information_schema.processlist WHERE db = %s',
                (name,),
            )
            for session in sessions.scalars().all():
                # NOTE: the session may have ended by itself.
                with contextlib.suppress(sqlalchemy.exc.OperationalError):
                    connection.exec_driver_sql(f'KILL {session:d}')
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS {name}')

    def _setUp(self) -> None:
        super()._setUp()
        self._engine = sqlalchemy.create_engine(
            self.url(''),
            poolclass=sqlalchemy.pool.NullPool,
            isolation_level='AUTOCOMMIT',
        )

    def _initialise(self) -> None:
        self._run(
            [
                INSTALL,
                '--no-defaults',
                f'--datadir={self.directory}/data',
                '--auth-root-authentication-method=normal',
                '--skip-test-db',
                '--skip-name-resolve',
                '--innodb-log-file-size=8M',
                *_as_root(),
            ]
        )

    def _command(self) -> list[str]:
        return [
            SERVER,
            '--no-defaults',
            f'--datadir={self.directory}/data',
            # NOTE: relative to the data folder, so never too long.
            '--socket=s',
            f'--port={self.port}',
            f'--bind-address={process.LOOPBACK}',
            f'--pid-file={self.directory}/pid',
            f'--tmpdir={self.directory}',
            '--skip-name-resolve',
            # NOTE: 2 loses nothing when the server is killed, 0 would.
            '--innodb-flush-log-at-trx-commit=2',
            '--innodb-log-file-size=8M',
            '--innodb-buffer-pool-size=32M',
            '--performance-schema=OFF',
            '--max-connections=200',
            *_as_root(),
        ]

    def _ready(self) -> bool:
        try:
            with socket.create_connection(
                (process.LOOPBACK, self.port), timeout=1
            ) as client:
                greeting = client.recv(VERSION_AT + 1, socket.MSG_WAITALL)
        except OSError:
            return False
        return greeting[VERSION_AT:] == bytes(
            [VERSION]
        ) and self._existing().listens(self.port)


def _as_root() -> list[str]:
    return ['--user=root'] if os.geteuid() == 0 else []
