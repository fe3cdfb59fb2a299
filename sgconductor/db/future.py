"""SQL on moments from the future, which are no evidence.

They were written before the database's clock was set back, or by another
server of a cluster, whose clock is ahead.
"""

import datetime
from collections.abc import Sequence

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import services

_T = models.services
_HEARING = models.hearing
_OUTAGES = models.gaps
_STEPS = models.clock_steps


def seen(rows: Sequence[services.Row]) -> bool:
    """Whether a moment of the rows is from the future.

    :param rows: of one SELECT
    """
    if not rows:
        return False
    last_seen_up = datetime.datetime.fromisoformat(rows[0]['last_seen_up'])
    passed = datetime.timedelta(microseconds=rows[0]['age'] + clock.TOLERANCE)
    latest = (last_seen_up + passed).strftime('%Y-%m-%dT%H:%M:%S.%fZ')
    # Such texts sort in the order of the moments.
    return any(
        moment is not None and moment > latest
        for row in rows
        for moment in (
            row['last_seen_up'],
            row['joined_at'],
            row['left_at'],
            row['state_since'],
        )
    )


def clamp(conn: sa.Connection) -> None:
    """Make all moments from the future that verdicts depend on now.

    So the silence of a service counts from now on. One that was announced to
    be down because it was silent stays down until its next beat. An outage
    or a step of the clock that is yet to come is forgotten.
    """
    now = clock.utcnow()
    # Locked first, as for beats, so that conductors do this one by one.
    conn.execute(sa.select(_HEARING.c.id).with_for_update())
    conn.execute(
        _HEARING.update().where(_HEARING.c.heard_at > now).values(heard_at=now)
    )
    conn.execute(_OUTAGES.delete().where(_OUTAGES.c.began > now))
    conn.execute(
        _OUTAGES.update().where(_OUTAGES.c.ended > now).values(ended=now)
    )
    conn.execute(_STEPS.delete().where(_STEPS.c.shown > now))
    last_seen_up = sa.case(
        # As if it had just been announced.
        (
            sa.and_(
                services.was_silent(),
                sa.or_(_T.c.last_seen_up > now, _T.c.state_since > now),
            ),
            clock.ago(_T.c.down_after + 1),
        ),
        (_T.c.last_seen_up > now, now),
        else_=_T.c.last_seen_up,
    )
    others = (_T.c.joined_at, _T.c.left_at, _T.c.state_since)
    conn.execute(
        _T.update()
        .where(
            _T.c.deleted == 0,
            sa.or_(
                *(each > now for each in (_T.c.last_seen_up, *others)),
            ),
        )
        # In this order, because MariaDB compares with values that are set
        # already.
        .ordered_values(
            (_T.c.last_seen_up, last_seen_up),
            *(
                (each, sa.case((each > now, now), else_=each))
                for each in others
            ),
        )
    )
