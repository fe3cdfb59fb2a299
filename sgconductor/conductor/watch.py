"""Looking at the whole group: the reason for each verdict, and the pins."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterator

import sqlalchemy as sa

from sgconductor.conductor import backend
from sgconductor.db import database
from sgconductor.db import pins
from sgconductor.db import services

_PAGE = 1000


@dataclasses.dataclass(frozen=True)
class Sighting:
    """A service as it was seen.

    :ivar age: seconds since the last beat
    :ivar reason: why it is down; empty if it is up
    """

    host: str
    binary: str
    version: int
    up: bool
    age: float
    reason: str


class Watch:
    """
    :param here: the conductor's backend
    """

    def __init__(self, here: backend.Backend) -> None:
        self._here = here

    def pins(self) -> pins.State:
        """All pins, and their epoch."""
        with self._here.db.reader() as conn:
            return pins.state(conn)

    def look(self) -> list[Sighting]:
        """All services, by id: one SELECT and one verdict a page."""
        return [
            Sighting(
                row['host'],
                row['binary'],
                row['version'],
                verdict.up,
                row['age'] / 1_000_000,
                verdict.reason,
            )
            for rows in pages(self._here.db, everybody)
            for row, verdict in zip(
                rows, self._here.judges.primary.judge(rows), strict=True
            )
        ]


def everybody(
    conn: sa.Connection, limit: int, marker: int
) -> list[services.Row]:
    """A page of all services."""
    return services.page(conn, {}, limit, marker)


def pages(
    db: database.Database,
    page: Callable[[sa.Connection, int, int], list[services.Row]],
) -> Iterator[list[services.Row]]:
    """Services, by id, in pages of one SELECT each.

    :param page: reads so many after an id
    """
    marker = 0
    while True:
        with db.reader() as conn:
            rows = page(conn, _PAGE, marker)
        yield rows
        if len(rows) < _PAGE:
            return
        marker = rows[-1]['id']
