"""SQL on the lease: which one of the conductors goes round."""

import datetime

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models

_T = models.lease
# For a holder that has died; it says again each second that it lives.
_LASTS = datetime.timedelta(seconds=5)


def acquire(conn: sa.Connection, holder: str) -> bool:
    """Take the lease, or keep it.

    :param holder: a UUID that names who wants it
    :returns: whether it is the holder's
    """
    now = conn.execute(sa.select(clock.utcnow())).scalar_one()
    taken = conn.execute(
        _T.update()
        .where(sa.or_(_T.c.holder == holder, _T.c.until < now))
        .values(holder=holder, until=now + _LASTS)
    )
    return bool(taken.rowcount)


def release(conn: sa.Connection, holder: str) -> None:
    """Let somebody else have it at once."""
    conn.execute(
        _T.update()
        .where(_T.c.holder == holder)
        .values(holder='', until=clock.utcnow())
    )
