"""SQL that counts services by topic, binary and announced state."""

from typing import TypedDict

import sqlalchemy as sa

from sgconductor.db import models
from sgconductor.db import typed_rows

_T = models.services


class Counts(TypedDict):
    """How many living services there are of one topic, binary and state.

    :ivar state: as it was announced last
    """

    topic: str
    binary: str
    state: str | None
    total: int
    disabled: int
    forced_down: int
    quarantined: int


def count(conn: sa.Connection) -> list[Counts]:
    """How many living services there are, by topic, binary and state."""
    kinds = (_T.c.topic, _T.c.binary, _T.c.state)
    marks = (_T.c.disabled, _T.c.forced_down, _T.c.quarantined)
    found = conn.execute(
        sa.select(
            *kinds,
            sa.func.count().label('total'),
            *(
                # A sum of integers is a decimal on MariaDB.
                sa.cast(
                    sa.func.sum(sa.case((mark == sa.true(), 1), else_=0)),
                    sa.Integer,
                ).label(mark.name)
                for mark in marks
            ),
        )
        .where(_T.c.deleted == 0)
        .group_by(*kinds)
    )
    return typed_rows.fetch(found, Counts)
