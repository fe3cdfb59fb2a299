"""The database: its connections and transactions."""

import contextlib
import functools
import sqlite3
import threading
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import Self
from typing import TypeVar

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import api as oslo_db_api
from oslo_db import exception as db_exc
from oslo_db import options as db_options
from oslo_db.sqlalchemy import engines

from sgconductor import exception

T = TypeVar('T')

# Connections that the pool keeps open. Each call beyond so many at once opens
# one of its own; oslo.db's default is 5.
_POOL_SIZE = 10


class Database:
    """The database behind one SQLAlchemy URL.

    It opens no connection before the first transaction, so an instance may
    be made before a fork.

    :param url: a SQLAlchemy URL
    :param options: further arguments of
        :func:`oslo_db.sqlalchemy.engines.create_engine`
    """

    def __init__(self, url: str, **options: Any) -> None:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() in ('mysql', 'mariadb'):
            # oslo.db's default is MySQL's utf8, which is only part of UTF-8.
            parsed = parsed.set(query={'charset': 'utf8mb4', **parsed.query})
        create = functools.partial(
            engines.create_engine,
            parsed,
            max_retries=0,
            thread_checkin=False,
            **options,
        )
        self.engine: sa.Engine = create()
        self.autocommit_engine = self.engine
        self._write_engine = self.engine.execution_options(sg_writes=True)
        self._write_lock: contextlib.AbstractContextManager[Any] = (
            contextlib.nullcontext()
        )
        if self.engine.dialect.name == 'sqlite':
            # One writer at a time: SQLite's own lock is unfair and slow.
            self._write_lock = threading.Lock()
            sa.event.listen(self.engine, 'connect', _tune_sqlite)
            sa.event.listen(self.engine, 'engine_connect', _begin_immediate)
        else:
            # A pool of its own, for its connections stay in autocommit mode,
            # which some databases have to be told.
            self.autocommit_engine = create()
            self.autocommit_engine.dialect.skip_autocommit_rollback = True
            # oslo.db has no option to switch it off.
            self.autocommit_engine.pool._pre_ping = False
            if self.engine.dialect.name in ('mysql', 'mariadb'):
                for engine in (self.engine, self.autocommit_engine):
                    sa.event.listen(engine, 'connect', _tune_mysql)
            sa.event.listen(
                self.autocommit_engine,
                'connect',
                functools.partial(_autocommit, self.autocommit_engine.dialect),
            )

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> Self:
        """The database that ``[database]`` describes.

        :raises ConfigError: if it names none, or one that cannot be used
        """
        conf.register_opts(db_options.database_opts, 'database')
        conf.set_default('max_pool_size', _POOL_SIZE, 'database')
        group = conf.database
        if not group.connection:
            raise exception.ConfigError(
                'no [database] connection is set, for example '
                'mysql+pymysql://user:password@host/sgconductor'
            )
        try:
            return cls(
                group.connection,
                mysql_sql_mode=group.mysql_sql_mode,
                mysql_wsrep_sync_wait=group.mysql_wsrep_sync_wait,
                connection_recycle_time=group.connection_recycle_time,
                connection_debug=group.connection_debug,
                connection_trace=group.connection_trace,
                connection_parameters=group.connection_parameters,
                max_pool_size=group.max_pool_size,
                max_overflow=group.max_overflow,
                pool_timeout=group.pool_timeout,
            )
        except (
            sa.exc.ArgumentError,
            ModuleNotFoundError,
            ValueError,
        ) as error:
            raise exception.ConfigError(
                f'[database] connection cannot be used: {error}'
            ) from None

    @property
    def name(self) -> str:
        """The URL, without its password."""
        return self.engine.url.render_as_string(hide_password=True)

    def ping(self) -> None:
        """Check that the database answers.

        :raises DatabaseUnreachable: saying which, and why
        """
        try:
            with self.reader() as conn:
                conn.execute(sa.select(1))
        except db_exc.DBError as error:
            # For example, the server has no database of that name.
            raise self._unreachable(error) from None

    @contextlib.contextmanager
    def reader(self) -> Iterator[sa.Connection]:
        """A transaction that only reads.

        :raises DatabaseUnreachable: saying which, and why
        """
        with self._clear_errors(), self.engine.connect() as conn:
            yield conn

    def query(self, select: Callable[[sa.Connection], T]) -> T:
        """Do one SELECT in one round trip.

        The connection is in autocommit mode, so there is no transaction to
        end, and it is not checked first: if it turns out to be broken, the
        SELECT is done again over another one.

        :param select: takes a connection
        :returns: what ``select`` returns
        :raises DatabaseUnreachable: saying which, and why
        """
        with self._clear_errors():
            with self.autocommit_engine.connect() as conn:
                try:
                    return select(conn)
                except db_exc.DBConnectionError:
                    # The pool has given up all its connections with this
                    # one, for they are broken too after a restart.
                    pass
            with self.autocommit_engine.connect() as conn:
                return select(conn)

    @contextlib.contextmanager
    def writer(self) -> Iterator[sa.Connection]:
        """A transaction, committed unless an exception leaves the block.

        :raises DatabaseUnreachable: saying which, and why
        """
        with (
            self._write_lock,
            self._clear_errors(),
            self._write_engine.begin() as conn,
        ):
            yield conn

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Do ``work`` in a transaction, again if it collides with another.

        :param work: takes a connection; must be safe to start over
        :returns: what ``work`` returns
        """

        @oslo_db_api.wrap_db_retry(  # type: ignore[untyped-decorator]
            max_retries=10,
            retry_interval=0.05,
            max_retry_interval=0.5,
            inc_retry_interval=True,
            jitter=True,
            exception_checker=_is_collision,
        )
        @functools.wraps(work)
        def attempt() -> T:
            with self.writer() as conn:
                return work(conn)

        result: T = attempt()
        return result

    def close(self) -> None:
        """Close all connections; they are opened again when needed."""
        self.engine.dispose()
        self.autocommit_engine.dispose()

    @contextlib.contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except (
            db_exc.DBConnectionError,
            sa.exc.OperationalError,
            sa.exc.TimeoutError,
            sqlite3.OperationalError,
        ) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> exception.DatabaseUnreachable:
        return exception.DatabaseUnreachable(
            self.name, str(error).partition('\n')[0]
        )


def _begin_immediate(conn: sa.Connection) -> None:
    if conn.get_execution_options().get('sg_writes'):
        # A deferred transaction that reads and then writes fails at once if
        # another process wrote in between; an immediate one waits. The mark
        # keeps oslo.db from sending its own, plain BEGIN.
        conn.connection.cursor().execute('BEGIN IMMEDIATE')
        conn.info['in_transaction'] = True


def _autocommit(dialect: sa.Dialect, connection: Any, _record: Any) -> None:
    dialect.set_isolation_level(connection, 'AUTOCOMMIT')


def _is_collision(error: Exception) -> bool:
    return isinstance(error, db_exc.DBDeadlock | db_exc.DBDuplicateEntry)


def _tune_mysql(connection: Any, _record: Any) -> None:
    # MariaDB's default, which sgconductor.db.packed_rows relies on.
    with connection.cursor() as cursor:
        cursor.execute('SET SESSION group_concat_max_len = 1048576')


def _tune_sqlite(connection: Any, _record: Any) -> None:
    connection.execute('PRAGMA busy_timeout = 10000')
    connection.execute('PRAGMA journal_mode = WAL')
    connection.execute('PRAGMA synchronous = NORMAL')
