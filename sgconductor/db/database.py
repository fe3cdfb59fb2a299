"""The database: its connections and transactions."""

import contextlib
import functools
import math
import random
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import NoReturn
from typing import Self
from typing import TypeVar

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_db import options as db_options
from oslo_db.sqlalchemy import engines

from sgconductor import exception
from sgconductor.conf import conductor
from sgconductor.db import error_kinds
from sgconductor.db import session_settings
from sgconductor.db import watchdog
from sgconductor.db import watched_connections

T = TypeVar('T')

# Connections that the pool keeps open. Each call beyond so many at once opens
# one of its own; oslo.db's default is 5.
_POOL_SIZE = 10

# In seconds. Pauses between attempts, of which a random part is waited.
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.1
# For so long, connections that are lost are replaced: a switch-over is then
# done, or it takes too long for a call to wait for it.
_REPLACE_FOR = 1.0


class Database:
    """The database behind one SQLAlchemy URL.

    It opens no connection before the first transaction, so an instance may
    be made before a fork.

    :param url: a SQLAlchemy URL
    :param timeout: how long an operation may take, in seconds, connecting
        and trying again included; None for any time
    :param options: further arguments of
        :func:`oslo_db.sqlalchemy.engines.create_engine`
    """

    def __init__(
        self, url: str, timeout: float | None = 5.0, **options: Any
    ) -> None:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() in ('mysql', 'mariadb'):
            # oslo.db's default is MySQL's utf8, which is only part of UTF-8.
            parsed = parsed.set(query={'charset': 'utf8mb4', **parsed.query})
        if parsed.get_backend_name() == 'sqlite':
            # It has no pool that could be waited for.
            options.pop('pool_timeout', None)
        self._watchdog = watchdog.Watchdog(timeout)
        self._options = options
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
        self._write_lock: threading.Lock | None = None
        if self.engine.dialect.name == 'sqlite':
            # One writer at a time: SQLite's own lock is unfair and slow.
            self._write_lock = threading.Lock()
            tune = functools.partial(_tune_sqlite, timeout)
            sa.event.listen(self.engine, 'connect', tune)
            sa.event.listen(self.engine, 'engine_connect', _begin_immediate)
        else:
            # A pool of its own, for its connections stay in autocommit mode,
            # which some databases have to be told.
            self.autocommit_engine = create()
            self.autocommit_engine.dialect.skip_autocommit_rollback = True
            # oslo.db has no option to switch it off.
            self.autocommit_engine.pool._pre_ping = False
            for engine in (self.engine, self.autocommit_engine):
                watched_connections.watch(engine, self._watchdog)
                session_settings.apply(engine, timeout)
                error_kinds.extend_is_disconnect(engine.dialect)
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
        conf.register_opt(conductor.DATABASE_TIMEOUT, 'conductor')
        timeout = conf.conductor.database_timeout
        if timeout is None or math.isnan(timeout):
            raise exception.ConfigError(
                f'[conductor] database_timeout must be a number of seconds, '
                f'not {timeout}'
            )
        conf.set_default('max_pool_size', _POOL_SIZE, 'database')
        conf.set_default('pool_timeout', max(1, int(timeout)), 'database')
        group = conf.database
        if not group.connection:
            raise exception.ConfigError(
                'no [database] connection is set, for example '
                'mysql+pymysql://user:password@host/sgconductor'
            )
        try:
            return cls(
                group.connection,
                timeout,
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

    def without_timeouts(self) -> Self:
        """The same database, for statements that may take any time.

        The caller closes it.
        """
        url = self.engine.url.render_as_string(hide_password=False)
        # The URL has the parameters already.
        options = {**self._options, 'connection_parameters': ''}
        return type(self)(url, None, **options)

    def ping(self) -> None:
        """Check that the database answers.

        :raises DatabaseUnreachable: saying which, and why
        """
        try:
            self.query(lambda conn: conn.execute(sa.select(1)))
        except db_exc.DBError as error:
            # For example, the server has no database of that name.
            raise self._unreachable(error) from None

    @contextlib.contextmanager
    def reader(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, for as long as the block takes.

        If its connection is lost, the block fails; :meth:`query` goes on.

        :raises DatabaseUnreachable: saying which, and why
        """
        with (
            self._watchdog.operation(),
            self._clear_errors(),
            self.engine.connect() as conn,
        ):
            yield conn

    def query(self, select: Callable[[sa.Connection], T]) -> T:
        """Read without a transaction, again if the connection was lost.

        Each SELECT is one round trip, and sees what was committed before it:
        the connection is in autocommit mode, and is not checked first. If it
        turns out to be broken, or leads to a server that does not answer
        queries, ``select`` is done again over another one.

        :param select: takes a connection; must be safe to start over
        :returns: what ``select`` returns
        :raises DatabaseUnreachable: saying which, and why
        """

        def attempt(progress: _Progress) -> T:
            with self.autocommit_engine.connect() as conn:
                progress.step = 'work'
                return select(conn)

        return self._repeat(attempt)

    @contextlib.contextmanager
    def writer(self) -> Iterator[sa.Connection]:
        """A transaction, committed unless an exception leaves the block.

        :raises DatabaseUnreachable: saying which, and why
        """
        with (
            self._watchdog.operation(),
            self._clear_errors(),
            self._locked(),
            self._write_engine.begin() as conn,
        ):
            yield conn

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Do ``work`` in a transaction, again if it was not done.

        That is after a conflict with another transaction; and if the
        connection was lost, or led to a server that does not write, before
        anything could be committed.

        :param work: takes a connection; must be safe to start over
        :returns: what ``work`` returns
        :raises DatabaseBusy: if conflicts did not end in time
        :raises DatabaseUnreachable: saying which, and why; then it is not
            known whether anything was written
        """

        def attempt(progress: _Progress) -> T:
            with self._locked(), self._write_engine.connect() as conn:
                progress.step = 'work'
                with conn.begin():
                    result = work(conn)
                    progress.step = 'commit'
                return result

        return self._repeat(attempt)

    def close(self) -> None:
        """Close all connections; they are opened again when needed."""
        self.engine.dispose()
        self.autocommit_engine.dispose()

    def _repeat(self, attempt: Callable[['_Progress'], T]) -> T:
        """Do something until it is done, cannot be done, or time is up."""
        with self._watchdog.operation():
            progress = _Progress()
            while True:
                progress.begin()
                try:
                    return attempt(progress)
                except Exception as error:
                    pause = progress.pause(error)
                    if pause is None or pause >= self._watchdog.left():
                        self._give_up(error, progress)
                time.sleep(pause)

    def _give_up(self, error: Exception, progress: '_Progress') -> NoReturn:
        kind = error_kinds.kind(error)
        if kind is error_kinds.Kind.OTHER:
            raise error
        # The last attempt may have been cut off for want of time.
        cut_off = kind is error_kinds.Kind.LOST and progress.step != 'commit'
        if progress.conflict is not None and (
            cut_off or kind is error_kinds.Kind.CONFLICT
        ):
            raise exception.DatabaseBusy(
                self.name,
                progress.attempts,
                progress.seconds(),
                _first_line(progress.conflict),
            ) from None
        raise self._unreachable(error) from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if self._write_lock is None:
            yield
            return
        wait = min(self._watchdog.left(), threading.TIMEOUT_MAX)
        if not self._write_lock.acquire(timeout=wait):
            raise exception.DatabaseUnreachable(
                self.name, f'another write did not end within {wait:.1f} s'
            )
        try:
            yield
        finally:
            self._write_lock.release()

    @contextlib.contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if error_kinds.kind(error) in (
                error_kinds.Kind.LOST,
                error_kinds.Kind.UNAVAILABLE,
            ):
                raise self._unreachable(error) from None
            raise

    def _unreachable(self, error: Exception) -> exception.DatabaseUnreachable:
        return exception.DatabaseUnreachable(self.name, _first_line(error))


class _Progress:
    """How far the attempts at something have come.

    :ivar step: 'connect', 'work' or 'commit'
    :ivar conflict: the newest one; None if there was none
    """

    def __init__(self) -> None:
        self.attempts = 0
        self.step = ''
        self.conflict: Exception | None = None
        self._began = time.monotonic()

    def begin(self) -> None:
        """Note that another attempt begins."""
        self.attempts += 1
        self.step = 'connect'

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def pause(self, error: Exception) -> float | None:
        """How long to wait before the next attempt, in seconds.

        :returns: None if there must not be one
        """
        kind = error_kinds.kind(error)
        if kind is error_kinds.Kind.LOST:
            # Whether a commit was done can be known only by its answer.
            if (
                self.step == 'connect'
                or self.seconds() > _REPLACE_FOR
                or (
                    self.step == 'commit'
                    and not error_kinds.is_read_only(error)
                )
            ):
                return None
            if self.attempts == 1:
                return 0.0
        elif kind is error_kinds.Kind.CONFLICT:
            self.conflict = error
        else:
            return None
        longest = min(_FIRST_PAUSE * 2**self.attempts, _LONGEST_PAUSE)
        return random.uniform(0, longest)  # noqa: S311


def _first_line(error: Exception) -> str:
    return str(error).partition('\n')[0]


def _begin_immediate(conn: sa.Connection) -> None:
    if conn.get_execution_options().get('sg_writes'):
        # A deferred transaction that reads and then writes fails at once if
        # another process wrote in between; an immediate one waits. The mark
        # keeps oslo.db from sending its own, plain BEGIN.
        conn.connection.cursor().execute('BEGIN IMMEDIATE')
        conn.info['in_transaction'] = True


def _autocommit(dialect: sa.Dialect, connection: Any, _record: Any) -> None:
    dialect.set_isolation_level(connection, 'AUTOCOMMIT')


def _tune_sqlite(timeout: float | None, connection: Any, _record: Any) -> None:
    wait = 600 if timeout is None else timeout
    connection.execute(f'PRAGMA busy_timeout = {wait * 1000:.0f}')
    connection.execute('PRAGMA journal_mode = WAL')
    connection.execute('PRAGMA synchronous = NORMAL')
