"""Rows of a SELECT as typed mappings.

SQLAlchemy knows a column's type only at run time. Each table's module declares
its row once, and reads it by way of this one.
"""

from collections.abc import Callable
from typing import Any
from typing import TypeVar

import sqlalchemy as sa

RowT = TypeVar('RowT')


def fetch(
    result: sa.CursorResult[Any], make: Callable[..., RowT]
) -> list[RowT]:
    """All rows of a result.

    :param make: a TypedDict whose keys are the columns of the result
    """
    return [make(**row) for row in result.mappings()]
