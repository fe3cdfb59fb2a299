"""SQL on deregistrations: members that drivers have yet to forget.

The table is named ``farewells``.
"""

from collections.abc import Collection
from typing import TypedDict

import sqlalchemy as sa

from sgconductor.db import models
from sgconductor.db import typed_rows

_T = models.farewells


class Member(TypedDict):
    """What identifies a member to a driver."""

    uuid: str
    host: str
    binary: str
    topic: str
    incarnation: int


class Row(Member):
    """A member, and the driver that has yet to forget it."""

    id: int
    driver: str


def add(
    conn: sa.Connection, service: Member, drivers: Collection[str]
) -> None:
    """Note that drivers have to forget the member behind a row.

    :param service: the row; it may have more keys
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
    """The oldest deregistrations, by id.

    :param uuid: of a service, to get only those of its members
    """
    query = sa.select(_T).order_by(_T.c.id).limit(limit)
    if uuid is not None:
        query = query.where(_T.c.uuid == uuid)
    return typed_rows.fetch(conn.execute(query), Row)


def done(conn: sa.Connection, ids: Collection[int]) -> None:
    """Delete these deregistrations: the drivers have forgotten the members."""
    conn.execute(_T.delete().where(_T.c.id.in_(ids)))
