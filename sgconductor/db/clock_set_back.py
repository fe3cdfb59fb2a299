"""SQL for after the database's clock was set back.

Moments from the future are no evidence. They were written before that, or by
another server of a cluster, whose clock is ahead.
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


def has_future_moments(rows: Sequence[services.Row]) -> bool:
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
    # In the order in which a batch of beats locks rows: services by id, then
    # the row of reception.
    _clamp_services(conn)
    conn.execute(
        _HEARING.update().where(_HEARING.c.heard_at > now).values(heard_at=now)
    )
    conn.execute(_OUTAGES.delete().where(_OUTAGES.c.began > now))
    conn.execute(
        _OUTAGES.update().where(_OUTAGES.c.ended > now).values(ended=now)
    )
    conn.execute(_STEPS.delete().where(_STEPS.c.shown > now))


def _clamp_services(conn: sa.Connection) -> None:
    now = clock.utcnow()
    moments = (
        _T.c.last_seen_up,
        _T.c.joined_at,
        _T.c.left_at,
        _T.c.state_since,
    )
    is_future = sa.and_(
        _T.c.deleted == 0, sa.or_(*(each > now for each in moments))
    )
    ids = conn.scalars(
        sa.select(_T.c.id).where(is_future).order_by(_T.c.id).with_for_update()
    ).all()
    if not ids:
        return
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
    conn.execute(
        _T.update()
        .where(is_future)
        # In this order, because MariaDB compares with values that are set
        # already.
        .ordered_values(
            (_T.c.last_seen_up, last_seen_up),
            *(
                (each, sa.case((each > now, now), else_=each))
                for each in moments[1:]
            ),
        )
    )
