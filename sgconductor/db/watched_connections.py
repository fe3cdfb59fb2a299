"""Connections of PyMySQL and psycopg2 whose commands a watchdog bounds.

An engine makes them through the event ``do_connect``, which also sets the
time for connecting. What the database's URL sets itself stays as it is.
"""

import contextlib
import math
import socket
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.extensions
import pymysql.connections
import sqlalchemy as sa

from sgconductor import exception
from sgconductor.db import watchdog as sg_watchdog

# PyMySQL's numbers for a server that cannot be reached, and for a connection
# that was lost.
_UNREACHED = 2003
_LOST = 2013
# In seconds. libpq waits for each of several addresses, and never less.
_LEAST = 2
# The same, for PyMySQL, if the look-up of the name has taken all the time.
_SHORTEST = 0.1


def watch(engine: sa.Engine, watchdog: sg_watchdog.Watchdog) -> None:
    """Have a watchdog bound all commands of an engine's connections."""
    connects: dict[str, Callable[..., Any]] = {
        'pymysql': _connect_pymysql,
        'psycopg2': _connect_psycopg2,
    }
    connect = connects.get(engine.dialect.driver)
    if connect is None or watchdog.timeout is None:
        return

    @sa.event.listens_for(engine, 'do_connect')
    def _connect(
        _dialect: Any, _record: Any, args: Any, options: dict[str, Any]
    ) -> Any:
        return connect(watchdog, args, options)


def _connect_pymysql(
    watchdog: sg_watchdog.Watchdog, args: Any, options: dict[str, Any]
) -> Any:
    wait = max(watchdog.left(), _SHORTEST)
    own = {'read_timeout', 'write_timeout'} & set(options)
    options.setdefault('connect_timeout', wait)
    if own or options.get('unix_socket'):
        # PyMySQL's own timeouts.
        options.setdefault('read_timeout', watchdog.timeout)
        options.setdefault('write_timeout', watchdog.timeout)
        with _clear_value_errors():
            return pymysql.connections.Connection(*args, **options)
    with _clear_value_errors():
        connection = _PyMySQL(*args, **options, defer_connect=True)
    connection.open_within(watchdog)
    return connection


@contextlib.contextmanager
def _clear_value_errors() -> Iterator[None]:
    """PyMySQL checks its options when it connects first."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise exception.ConfigError(
            f'[database] connection cannot be used: {error}'
        ) from None


class _PyMySQL(pymysql.connections.Connection):  # type: ignore[misc]
    """A connection of PyMySQL under watch."""

    _watchdog: sg_watchdog.Watchdog
    _watched: socket.socket

    def open_within(self, watchdog: sg_watchdog.Watchdog) -> None:
        """Connect."""
        self._watchdog = watchdog
        sock = self._dial()
        self._watched = sg_watchdog.duplicate(sock.fileno())
        try:
            self._run(super().connect, sock)
        except BaseException:
            sock.close()
            self._watched.close()
            raise

    def query(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(super().query, *args, **kwargs)

    def ping(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(super().ping, *args, **kwargs)

    def autocommit(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(super().autocommit, *args, **kwargs)

    def commit(self) -> None:
        self._end(super().commit)

    def rollback(self) -> None:
        self._end(super().rollback)

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._watched.close()

    def _dial(self) -> socket.socket:
        source = (self.bind_address, 0) if self.bind_address else None
        try:
            sock = _connect(self.host, self.port, self.connect_timeout, source)
        except OSError as error:
            raise pymysql.err.OperationalError(
                _UNREACHED,
                f"Can't connect to MySQL server on {self.host!r} ({error})",
            ) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._watchdog.timeout is not None:
            sg_watchdog.keep_alive(sock, self._watchdog.timeout)
        return sock

    def _run(self, command: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        try:
            return self._watchdog.run(self._watched, command, *args, **kw)
        except sg_watchdog.TimeIsUp as error:
            raise pymysql.err.OperationalError(_LOST, str(error)) from error

    def _end(self, command: Callable[[], None]) -> None:
        try:
            self._watchdog.end(self._watched, command)
        except sg_watchdog.TimeIsUp as error:
            raise pymysql.err.OperationalError(_LOST, str(error)) from error


def _connect(
    host: str, port: int, seconds: float, source: tuple[str, int] | None
) -> socket.socket:
    """Connect to the first address of a name that answers.

    :param seconds: for all addresses together. Each one may take an equal
        part of what is left: if one drops packets, there is time for others
    """
    end = time.monotonic() + seconds
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    errors: list[str] = []
    for tried, (family, *_, address) in enumerate(found):
        left = max(end - time.monotonic(), _SHORTEST)
        try:
            return _open(family, address, left / (len(found) - tried), source)
        except OSError as error:
            errors.append(f'{address[0]}: {error}')
    raise OSError('; '.join(errors))


def _open(
    family: int, address: Any, seconds: float, source: tuple[str, int] | None
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        if source is not None:
            sock.bind(source)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_psycopg2(
    watchdog: sg_watchdog.Watchdog, args: Any, options: dict[str, Any]
) -> Any:
    addresses = _count_addresses(options)
    wait = max(_LEAST, math.floor(min(watchdog.left(), 60) / addresses))
    timeout = watchdog.timeout or wait
    pause = max(1, round(timeout / 3))
    for name, value in (
        ('connect_timeout', wait),
        ('keepalives_idle', pause),
        ('keepalives_interval', pause),
        ('keepalives_count', 2),
    ):
        options.setdefault(name, value)
    connection = psycopg2.connect(
        *args, connection_factory=_Psycopg2, **options
    )
    connection.put_under(watchdog)
    return connection


def _count_addresses(options: dict[str, Any]) -> int:
    """How many addresses libpq tries in turn, each for ``connect_timeout``."""
    hosts = str(options.get('hostaddr') or options.get('host', ''))
    return sum(map(_count_addresses_of, hosts.split(',')))


def _count_addresses_of(host: str) -> int:
    if not host or host.startswith(('/', '@')):
        # A Unix socket.
        return 1
    try:
        return len(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except OSError:
        # libpq says what is wrong.
        return 1


class _Cursor(psycopg2.extensions.cursor):  # type: ignore[misc]
    """A cursor of psycopg2 under watch."""

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        return self.connection.run(super().execute, *args, **kwargs)

    def executemany(self, *args: Any, **kwargs: Any) -> Any:
        return self.connection.run(super().executemany, *args, **kwargs)


class _Psycopg2(psycopg2.extensions.connection):  # type: ignore[misc]
    """A connection of psycopg2 under watch."""

    _watchdog: sg_watchdog.Watchdog
    _watched: socket.socket

    def put_under(self, watchdog: sg_watchdog.Watchdog) -> None:
        self._watchdog = watchdog
        self._watched = sg_watchdog.duplicate(self.fileno())
        self.cursor_factory = _Cursor

    def run(self, command: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        """Run a command of a cursor."""
        try:
            return self._watchdog.run(self._watched, command, *args, **kw)
        except sg_watchdog.TimeIsUp as error:
            raise self._lost(error) from error

    def set_client_encoding(self, *args: Any, **kwargs: Any) -> None:
        self.run(super().set_client_encoding, *args, **kwargs)

    def commit(self) -> None:
        self._end(super().commit)

    def rollback(self) -> None:
        self._end(super().rollback)

    def close(self) -> None:
        super().close()
        self._watched.close()

    def _end(self, command: Callable[[], None]) -> None:
        try:
            self._watchdog.end(self._watched, command)
        except sg_watchdog.TimeIsUp as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> Exception:
        # SQLAlchemy takes a closed connection for a broken one.
        self.close()
        lost: Exception = psycopg2.OperationalError(str(error))
        return lost
