"""SQL on forward steps of the database's clock.

The members' clocks follow the database's only from their next sync on. Until
then, they stamp beats by the old clock. The steps tell all conductors, and
those that start later, how to read such stamps.
"""

import datetime
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models

_T = models.clock_steps
_HEARING = models.hearing
_OUTAGES = models.gaps
_KEPT = datetime.timedelta(days=1)


class Step(NamedTuple):
    """A step of the clock; moments in microseconds since 1970.

    :ivar expected: what the clock would have shown without the step
    :ivar shown: what it showed at that moment
    """

    expected: int
    shown: int

    @property
    def size(self) -> int:
        """Microseconds."""
        return self.shown - self.expected


class Look(NamedTuple):
    """What the database says of its clock.

    :ivar now: microseconds since 1970
    :ivar steps: of the last day, in their order
    """

    now: int
    steps: list[Step]


def look(conn: sa.Connection) -> Look:
    """Read the clock, and its last steps."""
    now = clock.utcnow()
    rows = conn.execute(
        sa.select(now.label('now'), _T.c.id, _T.c.expected, _T.c.shown)
        .select_from(_HEARING.outerjoin(_T, sa.true()))
        .order_by(_T.c.id)
    ).all()
    at = rows[0].now
    steps = [
        Step(clock.to_micros(row.expected), clock.to_micros(row.shown))
        for row in rows
        # After the clock was set back, a step from the future is undone.
        if row.id is not None and at - _KEPT < row.shown <= at
    ]
    return Look(clock.to_micros(at), steps)


def record(conn: sa.Connection, step: Step, elapsed: int, gap: int) -> bool:
    """Record a step forward, once, though each conductor sees it.

    The time that the clock has skipped is an outage of reception.

    :param elapsed: for at most how many microseconds the clock has shown the
        new time
    :param gap: as for :func:`sgconductor.db.reception.record_beats`
    :returns: False if this was no step: the caller's host was paused
    """
    heard_at = clock.to_micros(
        conn.execute(
            sa.select(_HEARING.c.heard_at).with_for_update()
        ).scalar_one()
    )
    around = elapsed + 2 * clock.TOLERANCE
    for other in look(conn).steps:
        if (
            abs(other.shown - step.shown) <= around
            and abs(other.size - step.size) <= 2 * clock.TOLERANCE
        ):
            return True
    if _heard_meanwhile(conn, step, heard_at) > elapsed + 2 * gap:
        return False
    shown = clock.from_micros(step.shown)
    conn.execute(
        _T.insert().values(
            expected=clock.from_micros(step.expected), shown=shown
        )
    )
    conn.execute(_T.delete().where(_T.c.shown < shown - _KEPT))
    began = clock.from_micros(min(step.expected, heard_at))
    conn.execute(_OUTAGES.insert().values(began=began, ended=shown))
    return True


def _heard_meanwhile(conn: sa.Connection, step: Step, heard_at: int) -> int:
    """For how long beats were received in the time that seems skipped.

    If they were, that time has passed.

    :returns: microseconds
    """
    expected, shown = map(clock.from_micros, step)
    outages = conn.execute(
        sa.select(_OUTAGES.c.began, _OUTAGES.c.ended).where(
            _OUTAGES.c.ended > expected, _OUTAGES.c.began < shown
        )
    ).all()
    longest = max(
        (
            min(clock.to_micros(row.ended), step.shown)
            - max(clock.to_micros(row.began), step.expected)
            for row in outages
        ),
        default=0,
    )
    return min(heard_at, step.shown) - step.expected - longest
