"""SQL on services about which the driver and the shadow driver disagree."""

import datetime
from collections.abc import Collection
from typing import TypedDict

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import typed_rows

_T = models.disagreements


class Row(TypedDict):
    """The disagreements about one service.

    :ivar times: how often one has begun
    :ivar since: when the current one began; None while the drivers agree
    """

    service_id: int
    times: int
    since: datetime.datetime | None


def current(conn: sa.Connection) -> set[int]:
    """The ids of services about which they disagreed in the last sweep."""
    return set(
        conn.execute(
            sa.select(_T.c.service_id).where(_T.c.since.is_not(None))
        ).scalars()
    )


def begin(conn: sa.Connection, ids: Collection[int]) -> None:
    """Note that the drivers disagree about services, once more."""
    known = set(
        conn.execute(
            sa.select(_T.c.service_id).where(_T.c.service_id.in_(ids))
        ).scalars()
    )
    conn.execute(
        _T.update()
        .where(_T.c.service_id.in_(known))
        .values(times=_T.c.times + 1, since=clock.utcnow())
    )
    new = [{'service_id': id_} for id_ in sorted(set(ids) - known)]
    if new:
        conn.execute(_T.insert().values(times=1, since=clock.utcnow()), new)


def end(conn: sa.Connection, ids: Collection[int]) -> None:
    """Note that the drivers agree about services again."""
    conn.execute(
        _T.update().where(_T.c.service_id.in_(ids)).values(since=None)
    )


def of(conn: sa.Connection, ids: Collection[int]) -> dict[int, Row]:
    """The rows of services, by the id of the service."""
    rows = conn.execute(sa.select(_T).where(_T.c.service_id.in_(ids)))
    found = typed_rows.fetch(rows, Row)
    return {row['service_id']: row for row in found}


def forget(conn: sa.Connection) -> None:
    """Delete the rows of services that were deleted."""
    living = sa.select(models.services.c.id).where(
        models.services.c.deleted == 0
    )
    conn.execute(_T.delete().where(_T.c.service_id.not_in(living)))
