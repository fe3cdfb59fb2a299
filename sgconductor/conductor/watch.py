"""Looking at the whole group: the reason for each verdict, and the pins."""

import dataclasses

from sgconductor import backend
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
        seen: list[Sighting] = []
        marker = 0
        while True:
            with self._here.db.reader() as conn:
                rows = services.page(conn, {}, _PAGE, marker)
            verdicts = self._here.liveness.judge(rows)
            seen += [
                Sighting(
                    row['host'],
                    row['binary'],
                    row['version'],
                    verdict.up,
                    row['age'] / 1_000_000,
                    verdict.reason,
                )
                for row, verdict in zip(rows, verdicts, strict=True)
            ]
            if len(rows) < _PAGE:
                return seen
            marker = rows[-1]['id']
