"""SQL on reception: the windows in which conductors could receive beats.

A silent member is down only if its beats could have been received. Any fresh
beat proves that they could: conductors send beats too, in the same way as
members and more often. Times between two windows are outages.

The tables are named ``hearing`` and ``gaps``.
"""

import datetime
from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import clock_steps
from sgconductor.db import database
from sgconductor.db import models
from sgconductor.db import receivers

_T = models.hearing
_OUTAGES = models.gaps

# Microseconds; longer than any ``down_after``.
EVER = 10**15

# Only so many of the newest outages are read; before them, beats count as
# received.
_MOST_OUTAGES = 50
# Longer than any ``down_after``.
_KEPT = datetime.timedelta(days=2)


class Window(NamedTuple):
    """A time in which beats could be received, without an outage.

    :ivar began: how many microseconds ago
    :ivar ended: how many microseconds ago
    """

    began: int
    ended: int


def record_beats(
    conn: sa.Connection, stamp: int, gap: int, late: int, flow: int
) -> bool:
    """Record that beats are received, if a fresh one was written.

    A late beat proves nothing: others may still wait where it has waited.
    But when the late beats of an outage have all been written, up to a fresh
    one and without a gap, then beats could be received since the first of
    them was written, and the outage ended then.

    :param stamp: of the newest beat that was written, in microseconds since
        1970
    :param gap: microseconds; a longer time without a beat is an outage
    :param late: microseconds; an older beat is late
    :param flow: for how many microseconds beats have been written without a
        gap, both in the writing and in their stamps
    :returns: whether the newest beat was fresh
    """
    row = conn.execute(
        sa.select(
            _T.c.heard_at,
            clock.utcnow().label('now'),
            clock_steps.spread().label('spread'),
        ).with_for_update(of=_T)
    ).one()
    now = clock.to_micros(row.now)
    # It is later than now if the database's clock was set back.
    before = min(clock.to_micros(row.heard_at), now)
    stamp = min(stamp, now)
    if now - stamp > late + row.spread:
        return False
    gap += row.spread
    if stamp - before > gap and now - flow - before > gap:
        ended = clock.from_micros(now - flow)
        conn.execute(_OUTAGES.insert().values(began=row.heard_at, ended=ended))
        conn.execute(
            _OUTAGES.delete().where(_OUTAGES.c.ended < row.now - _KEPT)
        )
    stamp = max(stamp, before)
    conn.execute(_T.update().values(heard_at=clock.from_micros(stamp)))
    return True


def record_stall(conn: sa.Connection, pause: float, gap: int) -> None:
    """Record that a conductor wrote none of the beats that it had taken.

    These may be all beats of some members: the broker gives beats to
    conductors in turn, and members send them in turn too. So this time is an
    outage, except for outages that are recorded already and for the time
    since the newest fresh beat, which :func:`record_beats` takes care of.

    :param pause: for how many seconds, until now
    :param gap: as for :func:`record_beats`
    """
    heard_at, now = conn.execute(
        sa.select(_T.c.heard_at, clock.utcnow())
    ).one()
    shortest = datetime.timedelta(microseconds=gap)
    began = now - datetime.timedelta(seconds=pause)
    known = conn.execute(
        sa.select(_OUTAGES.c.began, _OUTAGES.c.ended)
        .where(_OUTAGES.c.ended > began, _OUTAGES.c.began < now)
        .order_by(_OUTAGES.c.began)
    ).all()
    # A moment from the future proves nothing.
    heard_at = min(heard_at, now)
    for ended, until in [*known, (heard_at, now)]:
        if ended - began > shortest:
            conn.execute(_OUTAGES.insert().values(began=began, ended=ended))
        began = max(began, until)


def windows(conn: sa.Connection) -> list[Window]:
    """The windows, newest first.

    A newest beat from the future does not prove that beats were received at
    any time: the window is empty then, at ``EVER``.

    Beats sent after the newest window may still be in flight. That window
    ends with the newest fresh beat, or before, with the last beat of a
    conductor that is silent and may hold beats: see
    :mod:`sgconductor.db.receivers`. While the clocks of servers differ, it
    ends at least so long ago: a beat may be younger by that than it looks.
    """
    rows = conn.execute(
        sa.select(
            clock.age(_T.c.heard_at).label('heard'),
            receivers.longest_silence().label('silent'),
            clock_steps.spread().label('spread'),
            clock.age(_OUTAGES.c.began).label('began'),
            clock.age(_OUTAGES.c.ended).label('ended'),
        )
        .select_from(_T.outerjoin(_OUTAGES, sa.true()))
        .order_by(_OUTAGES.c.ended.desc())
        .limit(_MOST_OUTAGES)
    ).all()
    outages = _merge(
        (max(0, row.began), max(0, row.ended))
        for row in rows
        if row.ended is not None
    )
    begins = [*(ended for _, ended in outages), EVER]
    now = rows[0]
    newest = max(0, now.heard, now.silent or 0, now.spread)
    if now.heard < -max(clock.TOLERANCE, now.spread):
        newest = EVER
    ends = [newest, *(began for began, _ in outages)]
    return [
        Window(began, min(began, ended))
        for began, ended in zip(begins, ends, strict=True)
    ]


def read_windows(db: database.Database) -> list[Window]:
    """Call :func:`windows` with a connection of its own."""
    return db.query(windows)


def _merge(outages: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge outages that overlap.

    :param outages: how long ago each began and ended; the last to end first
    """
    merged: list[tuple[int, int]] = []
    for outage in outages:
        if merged and outage[1] <= merged[-1][0]:
            began, ended = merged.pop()
            merged.append((max(began, outage[0]), ended))
        else:
            merged.append(outage)
    return merged
