"""SQL that makes services members, several in few statements.

Functions take an open connection; who calls them owns the transaction.
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
# What a process says of itself each time.
_SAID = ('topic', 'version', 'report_interval', 'down_after')


class Join(NamedTuple):
    """What a process says that wants to be a member.

    :ivar token: names this join. One that the row has already is a join sent
        twice, of which the first answer was late: it is as a beat.
    """

    host: str
    binary: str
    token: str
    topic: str
    version: int
    report_interval: int
    down_after: int


class _Known(NamedTuple):
    """A living row before the join."""

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
    """What a join has done.

    :ivar row: with its new incarnation
    :ivar news: 'create' of a new service, 'update' of one that has changed,
        else None
    """

    row: services.Row
    news: str | None


def join(
    conn: sa.Connection, joins: Sequence[Join], now: datetime.datetime
) -> list[Joined]:
    """Take over the rows of (host, binary), or make them.

    :param joins: each of another (host, binary)
    :param now: the database's
    :raises DBDuplicateEntry: if another join made a row first
    :raises RetryRequest: if a delete came between; for both, start over
    """
    known = _known(conn, joins)
    news: list[str | None] = []
    uuids = []
    new = []
    old = []
    for join in joins:
        row = known.get((join.host, join.binary))
        if row is None:
            new.append(_new(join, now))
            uuids.append(new[-1]['uuid'])
            news.append('create')
            continue
        old.append((row, join))
        uuids.append(row.uuid)
        again = row.join_token == join.token
        changed = any(
            getattr(row, name) != getattr(join, name) for name in _SAID
        )
        news.append('update' if changed and not again else None)
    if new:
        conn.execute(_T.insert(), new)
    # Rows are locked in the order in which beats lock them.
    for row, join in sorted(old, key=lambda each: each[0].id):
        if row.join_token == join.token:
            # Its first answer was late: perhaps by as much as an outage.
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
            raise _changed(join)
    return [
        Joined(rows[uuid], each)
        for uuid, each in zip(uuids, news, strict=True)
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


def _stamp(join: Join, now: Any) -> dict[str, Any]:
    """What every join writes.

    :param now: a moment, or SQL that tells it
    """
    return {
        'last_seen_up': now,
        'joined_at': now,
        'left_at': None,
        'join_token': join.token,
        'quarantined': False,
        'pin_epoch': 0,
        **{name: getattr(join, name) for name in _SAID},
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
        **_stamp(join, now),
    }


def _take_over(conn: sa.Connection, id_: int, join: Join) -> None:
    # Later than that of the transaction, which may have waited for rows.
    now = clock.utcnow()
    taken = conn.execute(
        _T.update()
        .where(_T.c.id == id_, _T.c.join_token != join.token, _LIVING)
        .values(
            incarnation=_T.c.incarnation + 1,
            updated_at=now,
            **_stamp(join, now),
        )
    )
    if not taken.rowcount:
        raise _changed(join)


def _changed(join: Join) -> Exception:
    """Deleted, or joined by the same, since we looked.

    Only a new transaction sees that.
    """
    error: Exception = db_exc.RetryRequest(
        exception.ServiceNotFound(f'{join.host}/{join.binary}')
    )
    return error
