"""SQL on receivers: the conductors to which the broker deals beats.

One that is silent may be frozen, and hold beats that it has taken. So for a
while, its silence says nothing about members: until the broker has noticed,
and has given these beats to others.
"""

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models

_T = models.receivers
_SERVICES = models.services
# Seconds, for a conductor of a release that does not register.
_NOTICED = 120


def register(
    conn: sa.Connection, service_id: int, incarnation: int, noticed: int
) -> None:
    """Say that a conductor receives beats from now on.

    :param noticed: seconds after which the broker has noticed that it is
        silent, and has given what it held to others
    """
    deleted = sa.select(_SERVICES.c.id).where(_SERVICES.c.deleted != 0)
    conn.execute(
        _T.delete().where(
            sa.or_(_T.c.service_id == service_id, _T.c.service_id.in_(deleted))
        )
    )
    conn.execute(
        _T.insert().values(
            service_id=service_id,
            incarnation=incarnation,
            noticed=noticed,
            idle=False,
        )
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
    age = clock.age(_SERVICES.c.last_seen_up)
    # A process of another release may have joined since.
    same = sa.and_(
        _T.c.service_id == _SERVICES.c.id,
        _T.c.incarnation == _SERVICES.c.incarnation,
    )
    noticed = sa.func.coalesce(_T.c.noticed, _NOTICED)
    return (
        sa.select(sa.func.max(age))
        .select_from(_SERVICES.outerjoin(_T, same))
        .where(
            _SERVICES.c.binary == models.CONDUCTOR,
            _SERVICES.c.deleted == 0,
            _SERVICES.c.left_at.is_(None),
            sa.func.coalesce(_T.c.idle, sa.false()) == sa.false(),
            age < sa.cast(noticed, sa.BigInteger) * 1_000_000,
        )
        .scalar_subquery()
    )
