"""SQL on the events table: what happened to services.

An event is written in the transaction of what it tells, so neither exists
without the other. It is sent afterwards, and again until that is recorded.
"""

import datetime
from collections.abc import Collection
from typing import NamedTuple
from typing import TypedDict

import sqlalchemy as sa
from oslo_utils import uuidutils

from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import typed_rows

_T = models.events
# How long sent events are kept; events that were not sent stay.
_KEPT = datetime.timedelta(days=1)
# How many are deleted in one transaction.
_AT_ONCE = 1000


class Row(TypedDict):
    """A row of the table."""

    id: int
    uuid: str
    type: str
    at: datetime.datetime
    payload: str
    sent_at: datetime.datetime | None
    request_id: str | None
    user_id: str | None


class New(NamedTuple):
    """An event to be written.

    :ivar type: for example 'service.up'
    :ivar payload: of the notification, in JSON
    :ivar request_id: of the request that caused it; None for no request
    :ivar user_id: of the user whose request that was; None if nobody knows
    """

    type: str
    payload: str
    request_id: str | None
    user_id: str | None


def add(
    conn: sa.Connection,
    events: Collection[New],
    now: datetime.datetime | None = None,
) -> None:
    """Write events.

    :param now: the database's, if it is known
    """
    # With a value instead of the function, PyMySQL makes them one statement.
    now = now or conn.execute(sa.select(clock.utcnow())).scalar_one()
    conn.execute(
        _T.insert(),
        [
            {
                'uuid': uuidutils.generate_uuid(),
                'at': now,
                **event._asdict(),
            }
            for event in events
        ],
    )


def page(conn: sa.Connection, marker: int, limit: int) -> list[Row]:
    """The events after ``marker``, by id."""
    result = conn.execute(
        sa.select(_T).where(_T.c.id > marker).order_by(_T.c.id).limit(limit)
    )
    return typed_rows.fetch(result, Row)


def newest(conn: sa.Connection, limit: int) -> list[Row]:
    """The newest events, by id."""
    result = conn.execute(sa.select(_T).order_by(_T.c.id.desc()).limit(limit))
    return typed_rows.fetch(result, Row)[::-1]


def unsent(conn: sa.Connection, limit: int) -> list[Row]:
    """The first events that are not recorded as sent, by id."""
    result = conn.execute(
        sa.select(_T)
        .where(_T.c.sent_at.is_(None))
        .order_by(_T.c.id)
        .limit(limit)
    )
    return typed_rows.fetch(result, Row)


def sent(conn: sa.Connection, ids: Collection[int]) -> None:
    """Record that these were sent."""
    conn.execute(
        _T.update().where(_T.c.id.in_(ids)).values(sent_at=clock.utcnow())
    )


def forget(conn: sa.Connection) -> bool:
    """Delete some of the events that were sent long ago.

    They are so few that the statement is a short one.

    :returns: whether there may be more
    """
    now = conn.execute(sa.select(clock.utcnow())).scalar_one()
    # Where the clock was set back, they are kept from now on.
    conn.execute(_T.update().where(_T.c.sent_at > now).values(sent_at=now))
    ids = conn.scalars(
        sa.select(_T.c.id)
        .where(_T.c.sent_at < now - _KEPT)
        .order_by(_T.c.sent_at)
        .limit(_AT_ONCE)
    ).all()
    if ids:
        conn.execute(_T.delete().where(_T.c.id.in_(ids)))
    return len(ids) == _AT_ONCE
