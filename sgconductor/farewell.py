"""The farewell: drivers forget members that are gone.

It is owed in the transaction that made them gone, and paid afterwards: a
driver that is away does not stand in the way.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sgconductor import backend
from sgconductor import db
from sgconductor.servicegroup import driver as sg_driver

if TYPE_CHECKING:
    import sqlalchemy as sa

LOG = logging.getLogger(__name__)

_AT_ONCE = 1000


def owe(
    here: backend.Backend,
    conn: sa.Connection,
    row: db.deregistrations.Member,
) -> None:
    """Note that all drivers are to forget the member behind a row."""
    names = [driver.name for driver in here.drivers if driver.detects]
    db.deregistrations.add(conn, row, names)


def pay(here: backend.Backend, uuid: str | None = None) -> None:
    """Have drivers forget who is owed to be, as far as they can now.

    :param uuid: of one service; None for all
    """
    drivers = {d.name: d for d in here.drivers if d.detects}
    with here.db.reader() as conn:
        owed = db.deregistrations.first(conn, _AT_ONCE, uuid)
    paid = []
    for row in owed:
        # One that is not configured any more will never be asked.
        driver = drivers.get(row['driver'])
        try:
            if driver is not None:
                driver.leave(sg_driver.Member.of(row))
        except Exception as error:
            LOG.debug('%s will be told again: %s', row['driver'], error)
        else:
            paid.append(row['id'])
    if paid:
        here.db.write(lambda conn: db.deregistrations.done(conn, paid))
