"""When beats could be heard, as the table tells it to all conductors.

A member that seems silent is down only where it would have been heard. What
proves that, is that anybody is: conductors beat too, the same way, and more
often than any member.
"""

import datetime
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import database
from sgconductor.db import models

_T = models.hearing
_GAPS = models.gaps

# Longer than any patience, in microseconds.
EVER = 10**15
# Of the newest; what was before them counts as heard.
_MOST_GAPS = 50
# Longer than any patience.
_KEPT = datetime.timedelta(days=2)


class Span(NamedTuple):
    """A time in which beats were heard, without a gap.

    :ivar began: microseconds ago
    :ivar ended: microseconds ago
    """

    began: int
    ended: int


def heard(conn: sa.Connection, stamp: int, gap: int) -> None:
    """Note that beats are heard.

    Old news is no proof: beats that have waited somewhere tell nothing of
    those that others may still be waiting with.

    :param stamp: of the newest beat that was written, in microseconds since
        1970
    :param gap: what is longer, in microseconds, is a time in which nobody
        was heard
    """
    row = conn.execute(
        sa.select(_T.c.heard_at, clock.utcnow().label('now')).with_for_update()
    ).one()
    before, now = clock.to_micros(row.heard_at), clock.to_micros(row.now)
    stamp = min(stamp, now)
    if now - stamp > gap or stamp <= before:
        return
    if stamp - before > gap:
        conn.execute(_GAPS.insert().values(began=row.heard_at, ended=row.now))
        conn.execute(_GAPS.delete().where(_GAPS.c.ended < row.now - _KEPT))
    conn.execute(_T.update().values(heard_at=clock.from_micros(stamp)))


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


def spans(conn: sa.Connection) -> list[Span]:
    """The times in which beats were heard, the newest first.

    Nobody knows yet whether what was sent since the end of the first will
    be.
    """
    rows = conn.execute(
        sa.select(
            clock.age(_T.c.heard_at).label('heard'),
            clock.age(_GAPS.c.began).label('began'),
            clock.age(_GAPS.c.ended).label('ended'),
        )
        .select_from(_T.outerjoin(_GAPS, sa.true()))
        .order_by(_GAPS.c.id.desc())
        .limit(_MOST_GAPS)
    ).all()
    gaps = [(row.began, row.ended) for row in rows if row.ended is not None]
    begins = [*(ended for _, ended in gaps), EVER]
    ends = [rows[0].heard, *(began for began, _ in gaps)]
    return [Span(*span) for span in zip(begins, ends, strict=True)]


def read(db: database.Database) -> list[Span]:
    """The same, in a transaction of its own."""
    with db.reader() as conn:
        return spans(conn)
