"""SQL on the events table: what happened to services.

An event is written in the transaction of what it tells of, so neither is
without the other. It is sent afterwards, and again until that is noted.
"""

import datetime
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any
from typing import cast

import sqlalchemy as sa
from oslo_utils import uuidutils

from sgconductor.db import clock
from sgconductor.db import models

Row = Mapping[str, Any]

_T = models.events
# Of those that were sent; the rest stay.
_KEPT = datetime.timedelta(days=1)


def add(
    conn: sa.Connection,
    events: Collection[tuple[str, str]],
    now: datetime.datetime | None = None,
) -> None:
    """
    :param events: type, for example 'service.up', and payload, JSON, of each
    :param now: the database's, if it is known
    """
    # With a value instead of the function, PyMySQL makes them one statement.
    now = now or conn.execute(sa.select(clock.utcnow())).scalar_one()
    conn.execute(
        _T.insert(),
        [
            {
                'uuid': uuidutils.generate_uuid(),
                'type': type_,
                'at': now,
                'payload': payload,
            }
            for type_, payload in events
        ],
    )


def page(conn: sa.Connection, marker: int, limit: int) -> list[Row]:
    """The events after ``marker``, by id."""
    result = conn.execute(
        sa.select(_T).where(_T.c.id > marker).order_by(_T.c.id).limit(limit)
    )
    return cast(list[Row], result.mappings().all())


def newest(conn: sa.Connection, limit: int) -> list[Row]:
    """The last events, by id."""
    result = conn.execute(sa.select(_T).order_by(_T.c.id.desc()).limit(limit))
    return cast(list[Row], result.mappings().all())[::-1]


def unsent(conn: sa.Connection, limit: int) -> list[Row]:
    """The first events that are not known to have been sent, by id."""
    result = conn.execute(
        sa.select(_T)
        .where(_T.c.sent_at.is_(None))
        .order_by(_T.c.id)
        .limit(limit)
    )
    return cast(list[Row], result.mappings().all())


def sent(conn: sa.Connection, ids: Collection[int]) -> None:
    """Note that these were sent."""
    conn.execute(
        _T.update().where(_T.c.id.in_(ids)).values(sent_at=clock.utcnow())
    )


def forget(conn: sa.Connection) -> None:
    """Delete those that were sent long ago."""
    now = conn.execute(sa.select(clock.utcnow())).scalar_one()
    conn.execute(_T.delete().where(_T.c.sent_at < now - _KEPT))
