"""SQL on the farewells: members that drivers have yet to forget."""

from collections.abc import Collection
from typing import TypedDict

import sqlalchemy as sa

from sgconductor.db import models
from sgconductor.db import typed_rows

_T = models.farewells


class Member(TypedDict):
    """What tells a driver which member it is to forget."""

    uuid: str
    host: str
    binary: str
    topic: str
    incarnation: int


class Row(Member):
    """A member that one driver has yet to forget."""

    id: int
    driver: str


def add(
    conn: sa.Connection, service: Member, drivers: Collection[str]
) -> None:
    """Note that drivers have to forget the member behind a row.

    :param drivers: their names
    """
    member = Member(
        uuid=service['uuid'],
        host=service['host'],
        binary=service['binary'],
        topic=service['topic'],
        incarnation=service['incarnation'],
    )
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
    return typed_rows.fetch(conn.execute(query), Row)


def done(conn: sa.Connection, ids: Collection[int]) -> None:
    """They have been forgotten."""
    conn.execute(_T.delete().where(_T.c.id.in_(ids)))
