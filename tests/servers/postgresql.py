"""PostgreSQL: a private database server."""

import os
import pwd
import shutil
import signal
import subprocess
from typing import ClassVar

import sqlalchemy

from tests.servers import process

__all__ = ['PostgreSQL']

INITDB = '/usr/lib/postgresql/*/bin/initdb'
SERVER = '/usr/lib/postgresql/*/bin/postgres'
IS_READY = '/usr/lib/postgresql/*/bin/pg_isready'
ACCOUNT = 'postgres'


class PostgreSQL(process.Server):
    """A PostgreSQL with TCP and a postgres account without password.

    A row that was committed survives ``kill``.
    """

    NAME: ClassVar[str] = 'PostgreSQL'
    BINARIES: ClassVar[tuple[str, ...]] = (INITDB, SERVER, IS_READY)
    # NOTE: SIGTERM would wait for the clients to go away.
    STOP_SIGNAL: ClassVar[int] = signal.SIGINT

    _engine: sqlalchemy.Engine

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return (
            f'postgresql+psycopg2://postgres@{process.LOOPBACK}:{self.port}'
            f'/{database}'
        )

    def create_database(self, name: str) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        name = process.check_name(name)
        with self._engine.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, and end all connections to it."""
        name = process.check_name(name)
        with self._engine.connect() as connection:
            connection.exec_driver_sql(
                f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
            )

    def _setUp(self) -> None:
        super()._setUp()
        self._engine = sqlalchemy.create_engine(
            self.url('postgres'),
            poolclass=sqlalchemy.pool.NullPool,
            isolation_level='AUTOCOMMIT',
        )

    def _account(self) -> pwd.struct_passwd | None:
        """Return another account for root: the server refuses to be root."""
        return pwd.getpwnam(ACCOUNT) if os.geteuid() == 0 else None

    def _own_directory(self) -> None:
        account = self._account()
        if account is not None:
            shutil.chown(self.directory, account.pw_uid, account.pw_gid)

    def _initialise(self) -> None:
        self._own_directory()
        self._run(
            [
                process.locate(INITDB),
                f'--pgdata={self.directory}/data',
                '--username=postgres',
                '--auth=trust',
                '--encoding=UTF8',
                '--locale=C',
                '--no-sync',
                '--no-instructions',
            ]
        )

    def _settings(self) -> dict[str, str]:
        return {
            # NOTE: only a crash of the whole machine would lose commits
            # now; synchronous_commit=off would lose them to a kill too.
            'fsync': 'off',
            'full_page_writes': 'off',
            'shared_buffers': '16MB',
            'max_connections': '200',
            # NOTE: files in the data folder, which is removed.
            'dynamic_shared_memory_type': 'mmap',
        }

    def _command(self) -> list[str]:
        command = [process.locate(SERVER), '-D', f'{self.directory}/data']
        command += ['-h', process.LOOPBACK, '-p', str(self.port)]
        # NOTE: no Unix socket; its path could be too long or not writable.
        command += ['-k', '']
        for name, value in self._settings().items():
            command += ['-c', f'{name}={value}']
        return command

    def _ready(self) -> bool:
        answer = subprocess.run(
            [
                process.locate(IS_READY),
                '--quiet',
                f'--host={process.LOOPBACK}',
                f'--port={self.port}',
            ],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return answer.returncode == 0 and self._existing().listens(self.port)

    def _end(self) -> None:
        # NOTE: after SIGKILL, a segment of shared memory would stay in the
        # kernel for ever.
        if self._process is not None:
            self._process.stop(self.STOP_SIGNAL)
