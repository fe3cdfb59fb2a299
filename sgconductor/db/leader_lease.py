"""SQL on the leader lease: which of the conductors does the sweeps."""

import datetime

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import clock_steps
from sgconductor.db import models

_T = models.lease
# The holder renews it each second. If it dies, another conductor takes over
# after this time.
_LASTS = datetime.timedelta(seconds=5)


def acquire(conn: sa.Connection, holder: str) -> bool:
    """Take the lease if it is free, or renew it.

    :param holder: a UUID that names the conductor
    :returns: whether the conductor holds the lease now
    """
    now, spread = conn.execute(
        sa.select(clock.utcnow(), clock_steps.spread())
    ).one()
    # By the clock of another server, the lease seems to end earlier or later.
    apart = datetime.timedelta(microseconds=spread)
    taken = conn.execute(
        _T.update()
        .where(
            sa.or_(
                # It is nobody's after a release.
                _T.c.holder.in_((holder, '')),
                _T.c.until < now - apart,
                # The clock was set back since it was written. The margin is
                # for servers of a cluster whose clocks differ a little.
                _T.c.until > now + 2 * _LASTS + apart,
            )
        )
        .values(holder=holder, until=now + _LASTS)
    )
    return bool(taken.rowcount)


def release(conn: sa.Connection, holder: str) -> None:
    """End the lease, so that another conductor can take it at once."""
    conn.execute(
        _T.update()
        .where(_T.c.holder == holder)
        .values(holder='', until=clock.utcnow())
    )
