"""Rows that the database packs into one JSON array each.

Where drivers are written in Python, most of a long SELECT goes into its
cells, one by one. Packed, a page comes in a fraction of that, and the time
that the database takes to pack it is its own.
"""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext import compiler
from sqlalchemy.sql import expression

from sgconductor.db import clock

Row = Mapping[str, Any]


class Packed:
    """Columns that are read as one.

    :param columns: of a table, or labelled expressions
    :ivar column: what to select
    """

    def __init__(self, *columns: sa.ColumnElement[Any]) -> None:
        self.column: sa.ColumnElement[str] = _array(
            *(
                clock.text(column)
                if isinstance(column.type, clock.UtcDateTime)
                else column
                for column in columns
            )
        )
        self._names = [str(column.key) for column in columns]
        self._flags = [
            i
            for i, column in enumerate(columns)
            if isinstance(column.type, sa.Boolean)
        ]

    def unpack(self, text: str) -> dict[str, Any]:
        """The row: values by column name.

        Moments are text, as :class:`sgconductor.db.clock.text` has it: most
        travel on as they are.
        """
        values = json.loads(text)
        for i in self._flags:
            if values[i] is not None:
                values[i] = bool(values[i])
        return dict(zip(self._names, values, strict=True))


class _array(expression.FunctionElement[str]):
    type = sa.Text()
    inherit_cache = True
    name = 'packed'


@compiler.compiles(_array, 'mysql')
@compiler.compiles(_array, 'mariadb')
@compiler.compiles(_array, 'sqlite')
def _json_array(element: Any, compiler_: Any, **kw: Any) -> str:
    return f'json_array({compiler_.process(element.clauses, **kw)})'


@compiler.compiles(_array, 'postgresql')
def _postgresql_array(element: Any, compiler_: Any, **kw: Any) -> str:
    # As text: psycopg2 would parse JSON itself, with no better parser.
    return (
        f'CAST(json_build_array({compiler_.process(element.clauses, **kw)}) '
        f'AS text)'
    )
