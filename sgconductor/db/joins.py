"""SQL that joins services: many joins in few statements.

Functions take an open connection; the caller owns the transaction.
"""

import datetime
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_utils import uuidutils

from sgconductor import exception
from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import services

_T = models.services
_LIVING = _T.c.deleted == 0
# What a process reports about itself with each join.
_REPORTED = ('topic', 'version', 'report_interval', 'down_after')


class Join(NamedTuple):
    """The request of a process to become a member.

    :ivar token: identifies the request. If the row has it already, this is a
        retry of a join that was done but not answered in time; it counts as
        a beat.
    """

    host: str
    binary: str
    token: str
    topic: str
    version: int
    report_interval: int
    down_after: int


class _Known(NamedTuple):
    """The columns of a living row that tell what a join has to change."""

    id: int
    uuid: str
    host: str
    binary: str
    join_token: str
    topic: str
    version: int
    report_interval: int
    down_after: int


class Joined(NamedTuple):
    """The result of a join.

    :ivar row: the row, with its new incarnation
    :ivar change: 'create' for a new service, 'update' for one that reports
        something else than before, None for any other
    :ivar is_repeat: whether the same join was done before
    """

    row: services.Row
    change: str | None
    is_repeat: bool


def join(
    conn: sa.Connection, joins: Sequence[Join], now: datetime.datetime
) -> list[Joined]:
    """Take over the rows of these services, or insert them.

    :param joins: at most one for each (host, binary)
    :param now: the database's time
    :returns: the result of each join, in the same order
    :raises DBDuplicateEntry: if another transaction inserted a row first
    :raises RetryRequest: if another transaction deleted or joined a service
        meanwhile. After either error, repeat the transaction.
    """
    known = _known(conn, joins)
    results: list[tuple[str | None, bool]] = []
    uuids = []
    new = []
    old = []
    for join in joins:
        row = known.get((join.host, join.binary))
        if row is None:
            new.append(_new(join, now))
            uuids.append(new[-1]['uuid'])
            results.append(('create', False))
            continue
        old.append((row, join))
        uuids.append(row.uuid)
        is_repeat = row.join_token == join.token
        changed = any(
            getattr(row, name) != getattr(join, name) for name in _REPORTED
        )
        results.append(
            ('update' if changed and not is_repeat else None, is_repeat)
        )
    if new:
        conn.execute(_T.insert(), new)
    # Lock the rows in the order in which a batch of beats locks them.
    for row, join in sorted(old, key=lambda each: each[0].id):
        if row.join_token == join.token:
            # The first try may be long ago, if an outage came between.
            conn.execute(
                _T.update()
                .where(_T.c.id == row.id, _T.c.join_token == join.token)
                .values(last_seen_up=clock.utcnow())
            )
        else:
            _take_over(conn, row.id, join)
    rows = services.get_many(conn, uuids)
    for join, uuid in zip(joins, uuids, strict=True):
        if uuid not in rows:
            raise _retry(join)
    return [
        Joined(rows[uuid], *result)
        for uuid, result in zip(uuids, results, strict=True)
    ]


def _known(
    conn: sa.Connection, joins: Sequence[Join]
) -> dict[tuple[str, str], _Known]:
    keys = [(join.host, join.binary) for join in joins]
    found = conn.execute(
        sa.select(*(_T.c[name] for name in _Known._fields)).where(
            sa.tuple_(_T.c.host, _T.c.binary).in_(keys), _LIVING
        )
    )
    return {(row.host, row.binary): _Known(*row) for row in found}


def _join_values(join: Join, now: Any) -> dict[str, Any]:
    """The columns that each join writes.

    :param now: a moment, or an SQL expression for it
    """
    return {
        'last_seen_up': now,
        'joined_at': now,
        'left_at': None,
        'join_token': join.token,
        'quarantined': False,
        'pin_epoch': 0,
        **{name: getattr(join, name) for name in _REPORTED},
    }


def _new(join: Join, now: datetime.datetime) -> dict[str, Any]:
    return {
        'uuid': uuidutils.generate_uuid(),
        'host': join.host,
        'binary': join.binary,
        'incarnation': 1,
        'report_count': 0,
        'disabled': False,
        'forced_down': False,
        'state': 'up',
        'state_since': now,
        'created_at': now,
        'deleted': 0,
        **_join_values(join, now),
    }


def _take_over(conn: sa.Connection, id_: int, join: Join) -> None:
    # Not the transaction's time: it may have waited for locks since.
    now = clock.utcnow()
    taken = conn.execute(
        _T.update()
        .where(_T.c.id == id_, _T.c.join_token != join.token, _LIVING)
        .values(
            incarnation=_T.c.incarnation + 1,
            updated_at=now,
            **_join_values(join, now),
        )
    )
    if not taken.rowcount:
        raise _retry(join)


def _retry(join: Join) -> Exception:
    """The service was deleted, or has joined, since this read its row.

    Only a new transaction can see the change.
    """
    error: Exception = db_exc.RetryRequest(
        exception.ServiceNotFound(f'{join.host}/{join.binary}')
    )
    return error
