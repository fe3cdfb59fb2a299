"""Deregistrations: drivers forget members that are gone.

They are an outbox: queued in the transaction in which a member goes, and
flushed afterwards, so that a driver whose server is away delays nothing.
"""

import logging
from collections.abc import Sequence

import sqlalchemy as sa

from sgconductor.db import database
from sgconductor.db import deregistrations
from sgconductor.db import services
from sgconductor.servicegroup import driver as sg_driver

LOG = logging.getLogger(__name__)

_AT_ONCE = 1000


class Deregistrations:
    """The queue of members that drivers have to forget.

    :param drivers: those that members register with
    """

    def __init__(
        self, db: database.Database, drivers: Sequence[sg_driver.Driver]
    ) -> None:
        self._db = db
        self._drivers = {d.name: d for d in drivers if d.detects}

    def enqueue(self, conn: sa.Connection, row: services.Row) -> None:
        """Have all drivers forget the member of a row, once this commits."""
        deregistrations.add(conn, row, list(self._drivers))

    def flush(self, uuid: str | None = None) -> None:
        """Have drivers forget the members in the queue, as far as they can.

        :param uuid: of one service; None for all
        """
        queued = self._db.query(
            lambda conn: deregistrations.first(conn, _AT_ONCE, uuid)
        )
        done = []
        for row in queued:
            # A driver that is no longer configured will never be asked.
            driver = self._drivers.get(row['driver'])
            try:
                if driver is not None:
                    driver.leave(sg_driver.Member.of(row))
            except Exception as error:
                LOG.debug(
                    '%s will be told later to forget %s on %s: %s',
                    row['driver'],
                    row['binary'],
                    row['host'],
                    error,
                )
            else:
                done.append(row['id'])
        if done:
            self._db.write(lambda conn: deregistrations.done(conn, done))
