"""Kinds of database errors: what can be done about each.

Drivers and libraries sort errors by exception classes, which differ between
them and change between releases. The codes of servers do not.
"""

import enum
import sqlite3
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc


class Kind(enum.Enum):
    """What can be done about an error."""

    CONFLICT = 'another transaction was in the way: start over'
    LOST = 'the connection, or its server, is of no use: take another one'
    UNAVAILABLE = 'the server cannot do it now'
    OTHER = 'the statement, or what calls it, is wrong'


# MariaDB and MySQL.
_CONFLICTS = {
    1020,  # the row has changed since it was read
    1205,  # waited too long for a lock
    1213,  # deadlock; on Galera, a conflict with a write on another node
    1412,  # a migration has changed the table meanwhile
    3101,  # on Group Replication, a conflict with another node
}
_READ_ONLY = {
    1047,  # a node of Galera that is not in the cluster's majority
    1290,  # --read-only, after a switch-over
    1792,  # the same, for transactions
    1836,  # the same, for InnoDB
    3100,  # a member of Group Replication that is not in the majority
}
_LOST = _READ_ONLY | {
    *(1053, 1927, 3168, 3169, 4031),  # shutting down, or connection killed
    *(1152, 1154, 1158, 1159, 1160, 1161, 1184),  # the network, seen there
    *(1180, 1181),  # failed to commit, or to roll back
    *(2006, 2013, 2014, 2045, 2055),  # the network, seen here
}
# PyMySQL has these as OperationalError too.
_WRONG = {
    *(1052, 1054, 1060, 1061, 1072, 1091, 1093, 1111, 1136, 1176, 1210),
    *(1235, 1241, 1242, 1264, 1265, 1292, 1305, 1364, 1366, 1406, 1582, 1690),
    *(3140, 3141, 3143, 3819, 4025, 4037, 4038),
}
# InternalError: of the operating system, such as a full disk.
_SYSTEM = range(1, 1000)

# SQLITE_ERROR: for example, no such column.
_SQLITE_WRONG = 1

# PostgreSQL: whole codes, or the classes that they begin with.
_PG_CONFLICTS = ('40001', '40002', '40P01', '55P03')
_PG_READ_ONLY = ('25006',)
_PG_LOST = (
    *_PG_READ_ONLY,
    *('08', '40003', '25P03', '25P04'),
    *('57P01', '57P02', '57P03', '57P04', '57P05'),
)
_PG_UNAVAILABLE = ('28', '3D', '42501', '53', '54', '55', '57', '58', 'XX')


def kind(error: BaseException) -> Kind:
    """What can be done about an error of SQLAlchemy, oslo.db or a driver."""
    if isinstance(error, db_exc.RetryRequest | db_exc.DBDuplicateEntry):
        return Kind.CONFLICT
    code = _code(error)
    if isinstance(code, str):
        found = _of_postgresql(code)
    elif isinstance(code, int):
        found = _of_mysql(code)
    else:
        found = None
    return found or _of_class(error)


def is_read_only(error: BaseException) -> bool:
    """Whether a server has refused to write, so that nothing is written."""
    code = _code(error)
    if isinstance(code, str):
        return code in _PG_READ_ONLY
    return code in _READ_ONLY


def extend_is_disconnect(dialect: Any) -> None:
    """Tell a dialect of SQLAlchemy of more errors that lose a connection.

    By itself, it knows only errors of the network. With such an error, the
    pool gives up all connections, for they lead to the same server.
    """
    known = dialect.is_disconnect

    def is_disconnect(error: Any, connection: Any, cursor: Any) -> bool:
        code = _driver_code(error)
        if isinstance(code, str) and code.startswith(_PG_LOST):
            return True
        return code in _LOST or bool(known(error, connection, cursor))

    dialect.is_disconnect = is_disconnect


def _of_mysql(code: int) -> Kind | None:
    if code in _CONFLICTS:
        return Kind.CONFLICT
    if code in _LOST:
        return Kind.LOST
    if code in _SYSTEM:
        return Kind.UNAVAILABLE
    return Kind.OTHER if code in _WRONG else None


def _of_postgresql(code: str) -> Kind | None:
    for prefixes, found in (
        (_PG_CONFLICTS, Kind.CONFLICT),
        (_PG_LOST, Kind.LOST),
        (_PG_UNAVAILABLE, Kind.UNAVAILABLE),
    ):
        if code.startswith(prefixes):
            return found
    return None


def _of_class(error: BaseException) -> Kind:
    if isinstance(error, db_exc.DBDeadlock | db_exc.DBConsistencyError):
        return Kind.CONFLICT
    if isinstance(error, db_exc.DBConnectionError):
        return Kind.LOST
    if getattr(_cause(error), 'sqlite_errorcode', None) == _SQLITE_WRONG:
        return Kind.OTHER
    if isinstance(
        error,
        sa.exc.OperationalError
        | sa.exc.TimeoutError
        | sqlite3.OperationalError
        | db_exc.DBNonExistentDatabase,
    ):
        return Kind.UNAVAILABLE
    return Kind.OTHER


def _code(error: BaseException) -> Any:
    """A server's code for an error; None if there is none."""
    return _driver_code(_cause(error))


def _cause(error: BaseException | None) -> BaseException | None:
    """The error of the driver."""
    if isinstance(error, db_exc.DBError):
        error = error.inner_exception
    if isinstance(error, sa.exc.DBAPIError):
        error = error.orig
    return error


def _driver_code(error: BaseException | None) -> Any:
    code = getattr(error, 'pgcode', None)
    if code is None and error is not None and error.args:
        code = error.args[0]
        return code if isinstance(code, int) else None
    return code
