"""SQL on the farewells: members that drivers have yet to forget."""

from collections.abc import Collection
from collections.abc import Mapping
from typing import Any
from typing import cast

import sqlalchemy as sa

from sgconductor.db import models

Row = Mapping[str, Any]

_T = models.farewells


def add(
    conn: sa.Connection, service: Mapping[str, Any], drivers: Collection[str]
) -> None:
    """Note that drivers have to forget the member behind a row.

    :param drivers: their names
    """
    names = ('uuid', 'host', 'binary', 'topic', 'incarnation')
    member = {name: service[name] for name in names}
    if drivers:
        conn.execute(
            _T.insert(), [{'driver': name, **member} for name in drivers]
        )


def first(
    conn: sa.Connection, limit: int, uuid: str | None = None
) -> list[Row]:
    """The oldest farewells, by id.

    :param uuid: of the service, if only its own are wanted
    """
    query = sa.select(_T).order_by(_T.c.id).limit(limit)
    if uuid is not None:
        query = query.where(_T.c.uuid == uuid)
    return cast(list[Row], conn.execute(query).mappings().all())


def done(conn: sa.Connection, ids: Collection[int]) -> None:
    """They have been forgotten."""
    conn.execute(_T.delete().where(_T.c.id.in_(ids)))
