"""When beats could be heard, as the table tells it to all conductors.

A member that seems silent is down only where it would have been heard. What
proves that, is that anybody is: conductors beat too, the same way, and more
often than any member.
"""

import datetime
from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import database
from sgconductor.db import models

_T = models.hearing
_GAPS = models.gaps

# Longer than any patience, in microseconds.
EVER = 10**15
# Seconds after which the broker has noticed that a conductor is silent, and
# has given to others what that had taken.
_NOTICED = 120

# Of the newest; what was before them counts as heard.
_MOST_GAPS = 50
# Longer than any patience.
_KEPT = datetime.timedelta(days=2)


class Window(NamedTuple):
    """A time in which beats were heard, without a gap.

    :ivar began: microseconds ago
    :ivar ended: microseconds ago
    """

    began: int
    ended: int


def record_beats(
    conn: sa.Connection, stamp: int, gap: int, late: int, flow: int
) -> bool:
    """Note that beats are heard.

    Old news is no proof: beats that have waited somewhere tell nothing of
    those that others may still be waiting with. But once those that waited
    are written up to fresh ones, and none is missing between them, they
    could be heard since the first of them was written.

    :param stamp: of the newest beat that was written, in microseconds since
        1970
    :param gap: what is longer, in microseconds, is a time in which nobody
        was heard
    :param late: what is older, in microseconds, is old news
    :param flow: for how long, in microseconds, beats have been written
        without a gap in the writing or in their stamps
    :returns: whether it is a proof
    """
    row = conn.execute(
        sa.select(_T.c.heard_at, clock.utcnow().label('now')).with_for_update()
    ).one()
    now = clock.to_micros(row.now)
    # Where the database's clock was set back, it cannot have been later.
    before = min(clock.to_micros(row.heard_at), now)
    stamp = min(stamp, now)
    if now - stamp > late:
        return False
    if stamp - before > gap and now - flow - before > gap:
        ended = clock.from_micros(now - flow)
        conn.execute(_GAPS.insert().values(began=row.heard_at, ended=ended))
        conn.execute(_GAPS.delete().where(_GAPS.c.ended < row.now - _KEPT))
    stamp = max(stamp, before)
    conn.execute(_T.update().values(heard_at=clock.from_micros(stamp)))
    return True


def record_stall(conn: sa.Connection, pause: float, gap: int) -> None:
    """Note that a conductor wrote nothing of what it had taken.

    Of some members that is all there was, for so long: a broker deals out
    beats by turns, and members beat by turns too. Where nobody was heard at
    all, that is known better from the hearing itself.

    :param pause: seconds until now
    :param gap: as in :func:`heard`
    """
    heard_at, now = conn.execute(
        sa.select(_T.c.heard_at, clock.utcnow())
    ).one()
    shortest = datetime.timedelta(microseconds=gap)
    began = now - datetime.timedelta(seconds=pause)
    known = conn.execute(
        sa.select(_GAPS.c.began, _GAPS.c.ended)
        .where(_GAPS.c.ended > began)
        .order_by(_GAPS.c.began)
    ).all()
    for ended, until in [*known, (heard_at, now)]:
        if ended - began > shortest:
            conn.execute(_GAPS.insert().values(began=began, ended=ended))
        began = max(began, until)


def catch_up(conn: sa.Connection) -> None:
    """Take what others have heard, who do not note it.

    As conductors of the release before, which write beats all the same. A
    join is no beat: it goes another way.
    """
    table = models.services
    newest = conn.execute(
        sa.select(sa.func.max(table.c.last_seen_up)).where(
            table.c.deleted == 0,
            sa.or_(
                table.c.joined_at.is_(None),
                table.c.last_seen_up > table.c.joined_at,
            ),
        )
    ).scalar_one()
    if newest is not None:
        conn.execute(
            _T.update().where(_T.c.heard_at < newest).values(heard_at=newest)
        )


def windows(conn: sa.Connection) -> list[Window]:
    """The times in which beats were heard, the newest first.

    Nobody knows yet whether what was sent since the end of the first will
    be: nor what was sent since the last beat of a conductor that has not
    left. It may be stopped, and hold what it has taken.
    """
    table = models.services
    age = clock.age(table.c.last_seen_up)
    silent = sa.select(sa.func.max(age)).where(
        table.c.binary == models.CONDUCTOR,
        table.c.deleted == 0,
        table.c.left_at.is_(None),
        age < _NOTICED * 1_000_000,
    )
    rows = conn.execute(
        sa.select(
            clock.age(_T.c.heard_at).label('heard'),
            silent.scalar_subquery().label('silent'),
            clock.age(_GAPS.c.began).label('began'),
            clock.age(_GAPS.c.ended).label('ended'),
        )
        .select_from(_T.outerjoin(_GAPS, sa.true()))
        .order_by(_GAPS.c.ended.desc())
        .limit(_MOST_GAPS)
    ).all()
    gaps = _union(
        (row.began, row.ended) for row in rows if row.ended is not None
    )
    begins = [*(ended for _, ended in gaps), EVER]
    now = max(0, rows[0].heard, rows[0].silent or 0)
    ends = [now, *(began for began, _ in gaps)]
    return [
        Window(began, min(began, ended))
        for began, ended in zip(begins, ends, strict=True)
    ]


def read_windows(db: database.Database) -> list[Window]:
    """The same, by a connection of its own."""
    return db.query(windows)


def _union(gaps: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Gaps of which none reaches into another, of some by their ends.

    :param gaps: how long ago each began and ended; the last to end first
    """
    united: list[tuple[int, int]] = []
    for gap in gaps:
        if united and gap[1] <= united[-1][0]:
            began, ended = united.pop()
            united.append((max(began, gap[0]), ended))
        else:
            united.append(gap)
    return united
