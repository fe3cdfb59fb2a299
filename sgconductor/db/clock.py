"""The database's clock, in SQL.

Beats are stamped and judged by this clock alone, so a host whose clock is
wrong cannot make a service look up or down.
"""

import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.dialects import mysql
from sqlalchemy.ext import compiler
from sqlalchemy.sql import expression

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

# In microseconds. A moment may be later than now by so much, for one statement
# can see what a later one has written. A moment that is later by more was
# written before the clock was set back, and is no evidence.
TOLERANCE = 1_000_000


class UtcDateTime(types.TypeDecorator[datetime.datetime]):
    """An aware UTC datetime with microseconds on every database."""

    impl = types.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name in ('mysql', 'mariadb'):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(
            types.DateTime(timezone=dialect.name == 'postgresql')
        )

    def process_bind_param(
        self, value: datetime.datetime | None, dialect: sa.Dialect
    ) -> datetime.datetime | None:
        if value is None:
            return None
        value = value.astimezone(datetime.UTC)
        if dialect.name == 'postgresql':
            return value
        return value.replace(tzinfo=None)

    def process_result_value(
        self, value: datetime.datetime | None, dialect: sa.Dialect
    ) -> datetime.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            return value.replace(tzinfo=datetime.UTC)
        return value.astimezone(datetime.UTC)


class utcnow(expression.FunctionElement[datetime.datetime]):
    """The current time, in UTC: the same value throughout a statement."""

    type = UtcDateTime()
    inherit_cache = True
    name = 'utcnow'


@compiler.compiles(utcnow, 'mysql')
@compiler.compiles(utcnow, 'mariadb')
def _mysql_utcnow(element: Any, compiler_: Any, **kw: Any) -> str:
    return 'UTC_TIMESTAMP(6)'


@compiler.compiles(utcnow, 'postgresql')
def _postgresql_utcnow(element: Any, compiler_: Any, **kw: Any) -> str:
    return 'statement_timestamp()'


@compiler.compiles(utcnow, 'sqlite')
def _sqlite_utcnow(element: Any, compiler_: Any, **kw: Any) -> str:
    # The three zeros make it sort with SQLAlchemy's six-digit text.
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


class age(expression.FunctionElement[int]):
    """Microseconds from a column's value to now.

    An integer is several times cheaper to read than two datetimes, and it is
    all that the liveness rule needs.
    """

    type = sa.BigInteger()
    inherit_cache = True
    name = 'age'


@compiler.compiles(age, 'mysql')
@compiler.compiles(age, 'mariadb')
def _mysql_age(element: Any, compiler_: Any, **kw: Any) -> str:
    since = compiler_.process(element.clauses, **kw)
    return f'TIMESTAMPDIFF(MICROSECOND, {since}, UTC_TIMESTAMP(6))'


@compiler.compiles(age, 'postgresql')
def _postgresql_age(element: Any, compiler_: Any, **kw: Any) -> str:
    since = compiler_.process(element.clauses, **kw)
    return (
        f'CAST(EXTRACT(EPOCH FROM statement_timestamp() - {since}) '
        f'* 1000000 AS bigint)'
    )


@compiler.compiles(age, 'sqlite')
def _sqlite_age(element: Any, compiler_: Any, **kw: Any) -> str:
    since = compiler_.process(element.clauses, **kw)
    return (
        f"CAST(round((julianday('now') - julianday({since})) "
        f'* 86400000) AS INTEGER) * 1000'
    )


class ago(expression.FunctionElement[datetime.datetime]):
    """The moment so many seconds before now, an expression of integers."""

    type = UtcDateTime()
    inherit_cache = True
    name = 'ago'


@compiler.compiles(ago, 'mysql')
@compiler.compiles(ago, 'mariadb')
def _mysql_ago(element: Any, compiler_: Any, **kw: Any) -> str:
    seconds = compiler_.process(element.clauses, **kw)
    return f'(UTC_TIMESTAMP(6) - INTERVAL ({seconds}) SECOND)'


@compiler.compiles(ago, 'postgresql')
def _postgresql_ago(element: Any, compiler_: Any, **kw: Any) -> str:
    seconds = compiler_.process(element.clauses, **kw)
    return f"(statement_timestamp() - ({seconds}) * interval '1 second')"


@compiler.compiles(ago, 'sqlite')
def _sqlite_ago(element: Any, compiler_: Any, **kw: Any) -> str:
    seconds = compiler_.process(element.clauses, **kw)
    return (
        f"strftime('%Y-%m-%d %H:%M:%f000', 'now', "
        f"'-' || ({seconds}) || ' seconds')"
    )


class text(expression.FunctionElement[str]):
    """A column's moment as ISO 8601, with microseconds and a Z.

    Such texts sort in the order of the moments.
    """

    type = sa.Text()
    inherit_cache = True
    name = 'text'


@compiler.compiles(text, 'mysql')
@compiler.compiles(text, 'mariadb')
def _mysql_text(element: Any, compiler_: Any, **kw: Any) -> str:
    moment = compiler_.process(element.clauses, **kw)
    return f"CONCAT(REPLACE({moment}, ' ', 'T'), 'Z')"


@compiler.compiles(text, 'postgresql')
def _postgresql_text(element: Any, compiler_: Any, **kw: Any) -> str:
    moment = compiler_.process(element.clauses, **kw)
    return (
        f"to_char({moment} AT TIME ZONE 'UTC', "
        f"""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    )


@compiler.compiles(text, 'sqlite')
def _sqlite_text(element: Any, compiler_: Any, **kw: Any) -> str:
    moment = compiler_.process(element.clauses, **kw)
    return f"replace({moment}, ' ', 'T') || 'Z'"


def to_micros(moment: datetime.datetime) -> int:
    """A moment as microseconds since 1970, the form in messages."""
    return (moment - EPOCH) // datetime.timedelta(microseconds=1)


def from_micros(micros: int) -> datetime.datetime:
    """The moment ``micros`` microseconds after the start of 1970.

    :raises OverflowError: if its year is beyond 1 to 9999
    """
    return EPOCH + datetime.timedelta(microseconds=micros)
