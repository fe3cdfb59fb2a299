"""SQL on the leader lease: which of the conductors does the sweeps."""

import datetime

import sqlalchemy as sa

from sgconductor.db import clock
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
    now = conn.execute(sa.select(clock.utcnow())).scalar_one()
    taken = conn.execute(
        _T.update()
        .where(
            sa.or_(
                _T.c.holder == holder,
                _T.c.until < now,
                # The clock was set back since it was written. The margin is
                # for nodes of a cluster whose clocks differ a little.
                _T.c.until > now + 2 * _LASTS,
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
