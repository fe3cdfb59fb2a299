"""SQL on receivers: the conductors to which the broker deals beats.

One that is silent may be frozen, and hold beats that it has taken. So for a
while, its silence says nothing about members: until the broker has noticed,
and has given these beats to others.
"""

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models

_T = models.receivers
# Seconds, for a conductor of a release that does not register.
_NOTICED = 120


def register(conn: sa.Connection, service_id: int, noticed: int) -> None:
    """Say that a conductor receives beats from now on.

    :param noticed: seconds after which the broker has noticed that it is
        silent, and has given what it held to others
    """
    conn.execute(_T.delete().where(_T.c.service_id == service_id))
    conn.execute(
        _T.insert().values(service_id=service_id, noticed=noticed, idle=False)
    )


def set_idle(conn: sa.Connection, service_id: int, idle: bool) -> None:
    """Say whether the broker deals nothing to a conductor.

    :param idle: then the conductor holds nothing either
    """
    conn.execute(
        _T.update().where(_T.c.service_id == service_id).values(idle=idle)
    )


def longest_silence() -> sa.ScalarSelect[int]:
    """An expression for the longest silence of one that may hold beats.

    It is in microseconds, and NULL without conductors. One that has left
    holds none.
    """
    table = models.services
    age = clock.age(table.c.last_seen_up)
    noticed = sa.func.coalesce(_T.c.noticed, _NOTICED)
    return (
        sa.select(sa.func.max(age))
        .select_from(table.outerjoin(_T, _T.c.service_id == table.c.id))
        .where(
            table.c.binary == models.CONDUCTOR,
            table.c.deleted == 0,
            table.c.left_at.is_(None),
            sa.func.coalesce(_T.c.idle, sa.false()) == sa.false(),
            age < sa.cast(noticed, sa.BigInteger) * 1_000_000,
        )
        .scalar_subquery()
    )
