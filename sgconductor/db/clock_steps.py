"""SQL on steps of the database's clock.

The members' clocks follow the database's only from their next sync on. Until
then, they stamp beats by the old clock. The steps forward tell all conductors,
and those that start later, how to read such stamps.

Steps back tell whether servers of a cluster show different clocks in turn. If
they do, nothing has been set: the age of a moment is uncertain then, by the
spread of the clocks.
"""

import datetime
from collections.abc import Collection
from typing import Any
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models

_T = models.clock_steps
_HEARING = models.hearing
_OUTAGES = models.gaps
_KEPT = datetime.timedelta(days=1)
# Only so many of the newest steps are read.
_MOST = 50

# In microseconds.
_MINUTE = 60_000_000
# Members stamp beats for so long by the clock that they learnt last.
_SPREAD_LASTS = 5 * _MINUTE
# So many steps back in a minute mean that the clocks of servers differ.
_OFTEN = 3
# It is recorded so often that clocks differ, as long as they do.
SPREAD_EVERY = _MINUTE // 5


class Step(NamedTuple):
    """A step of the clock; moments in microseconds since 1970.

    :ivar expected: what the clock would have shown without the step
    :ivar shown: what it showed at that moment
    :ivar id: None for one that is not recorded
    """

    expected: int
    shown: int
    id: int | None = None

    @property
    def size(self) -> int:
        """Microseconds; negative for a step back."""
        return self.shown - self.expected


class ClockReading(NamedTuple):
    """What the database says of its clock; microseconds.

    :ivar now: since 1970
    :ivar heard_at: the newest fresh beat, since 1970
    :ivar spread: see :func:`spread`
    :ivar steps: of the last day, in their order
    """

    now: int
    heard_at: int
    spread: int
    steps: list[Step]


def read_clock(conn: sa.Connection) -> ClockReading:
    """Read the clock, and its last steps."""
    now = clock.utcnow()
    rows = conn.execute(
        sa.select(
            now.label('now'),
            _HEARING.c.heard_at,
            spread().label('spread'),
            _T.c.id,
            _T.c.expected,
            _T.c.shown,
        )
        .select_from(_HEARING.outerjoin(_T, sa.true()))
        .order_by(_T.c.shown.desc(), _T.c.id.desc())
        .limit(_MOST)
    ).all()
    at, heard_at, apart, *_ = rows[0]
    steps = [
        _step(row)
        for row in reversed(rows)
        # After the clock was set back, a step from the future is undone.
        if row.id is not None and at - _KEPT < row.shown <= at
    ]
    return ClockReading(
        clock.to_micros(at), clock.to_micros(heard_at), apart, steps
    )


def spread() -> sa.ScalarSelect[int]:
    """An expression for how far the clocks of a cluster's servers differ.

    It is in microseconds, and 0 unless the clock went back several times
    within a minute: nobody sets a clock so often.
    """
    one, other = _T.alias(), _T.alias()
    back, other_back = (t.c.shown < t.c.expected for t in (one, other))
    earlier = clock.age(other.c.expected) - clock.age(one.c.expected)
    others = (
        sa.select(sa.func.count())
        .select_from(other)
        .where(other_back, earlier >= 0, earlier < _MINUTE)
        .scalar_subquery()
    )
    size = clock.age(one.c.shown) - clock.age(one.c.expected)
    return (
        sa.select(sa.func.coalesce(sa.func.max(size) + clock.TOLERANCE, 0))
        .where(
            back,
            clock.age(one.c.expected) < _SPREAD_LASTS,
            others >= _OFTEN,
        )
        .scalar_subquery()
    )


def record_forward(
    conn: sa.Connection,
    step: Step,
    elapsed: int,
    gap: int,
    known: Collection[int | None] = (),
) -> bool:
    """Record a step forward, once, though each conductor sees it.

    The time that the clock has skipped is an outage of reception.

    :param elapsed: for at most how many microseconds the clock has shown the
        new time
    :param gap: as for :func:`sgconductor.db.reception.record_beats`
    :param known: the ids of steps that came before this one
    :returns: False if this was no step: the caller's host was paused
    """
    heard_at = _lock(conn)
    if _is_recorded(conn, step, elapsed, known):
        return True
    if _heard_meanwhile(conn, step, heard_at) > elapsed + 2 * gap:
        return False
    shown = clock.from_micros(step.shown)
    _insert(conn, step)
    began = clock.from_micros(min(step.expected, heard_at))
    conn.execute(_OUTAGES.insert().values(began=began, ended=shown))
    return True


def record_back(
    conn: sa.Connection,
    step: Step,
    elapsed: int,
    known: Collection[int | None] = (),
) -> None:
    """Record a step back, once, and take it off from steps forward.

    Otherwise a clock that goes forward and back again and again would be
    taken to have moved by all its steps forward.

    :param elapsed: as for :func:`record_forward`
    :param known: the ids of steps that came before this one
    """
    _lock(conn)
    if _is_recorded(conn, step, elapsed, known):
        return
    left = -step.size
    for forward in _forward(conn):
        if forward.size - left > clock.TOLERANCE:
            shown = clock.from_micros(forward.shown - left)
            conn.execute(
                _T.update().where(_T.c.id == forward.id).values(shown=shown)
            )
            break
        conn.execute(_T.delete().where(_T.c.id == forward.id))
        left -= forward.size
        if left <= clock.TOLERANCE:
            break
    record_spread(conn, step)


def record_spread(conn: sa.Connection, step: Step) -> None:
    """Record that one server's clock is behind another's.

    :param step: from the clock that is ahead to the one that is behind
    """
    old = clock.from_micros(step.expected - _SPREAD_LASTS)
    conn.execute(
        _T.delete().where(_T.c.shown < _T.c.expected, _T.c.expected < old)
    )
    _insert(conn, step)


def _lock(conn: sa.Connection) -> int:
    """Let other conductors wait that record a step.

    :returns: the newest fresh beat, in microseconds since 1970
    """
    select = sa.select(_HEARING.c.heard_at).with_for_update()
    return clock.to_micros(conn.execute(select).scalar_one())


def _insert(conn: sa.Connection, step: Step) -> None:
    expected, shown = map(clock.from_micros, step[:2])
    conn.execute(_T.insert().values(expected=expected, shown=shown))
    conn.execute(_T.delete().where(_T.c.shown < shown - _KEPT))


def _is_recorded(
    conn: sa.Connection,
    step: Step,
    elapsed: int,
    known: Collection[int | None],
) -> bool:
    around = elapsed + 2 * clock.TOLERANCE
    return any(
        abs(other.shown - step.shown) <= around
        and abs(other.size - step.size) <= 2 * clock.TOLERANCE
        for other in read_clock(conn).steps
        if other.id not in known
    )


def _forward(conn: sa.Connection) -> list[Step]:
    """The steps forward, the newest first."""
    rows = conn.execute(
        sa.select(_T.c.id, _T.c.expected, _T.c.shown)
        .where(_T.c.shown > _T.c.expected)
        .order_by(_T.c.shown.desc())
    ).all()
    return list(map(_step, rows))


def _step(row: Any) -> Step:
    return Step(
        clock.to_micros(row.expected), clock.to_micros(row.shown), row.id
    )


def _heard_meanwhile(conn: sa.Connection, step: Step, heard_at: int) -> int:
    """For how long beats were received in the time that seems skipped.

    If they were, that time has passed.

    :returns: microseconds
    """
    expected, shown = map(clock.from_micros, step[:2])
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
