"""Reading all services, a page at a time."""

from collections.abc import Callable
from collections.abc import Iterator

import sqlalchemy as sa

from sgconductor.db import database
from sgconductor.db import services

_PAGE = 1000


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
