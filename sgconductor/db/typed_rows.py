"""Rows of a SELECT as typed mappings.

SQLAlchemy's own row mappings have values of any type. The module of each table
declares its row as a TypedDict, and reads it by this function.
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
