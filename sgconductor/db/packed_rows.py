"""Rows that the database packs into JSON arrays.

Where drivers are written in Python, most of a long SELECT goes into its
cells, one by one. Packed, each row one cell, and of a page many rows one,
it comes in a fraction of that; the time that the database takes to pack it
is its own.
"""

import json
import operator
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import Generic
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.ext import compiler
from sqlalchemy.sql import expression

from sgconductor.db import clock

RowT = TypeVar('RowT')

# Of so many ids, the rows are one cell: of the longest, less than MariaDB
# makes of a group, group_concat_max_len.
_AT_ONCE = 200


class Packed(Generic[RowT]):
    """Columns that are read as one.

    :param make: a TypedDict whose keys are the names of the columns; moments
        are str in it
    :param columns: of a table, or labelled expressions
    :ivar column: what to select
    """

    def __init__(
        self, make: Callable[..., RowT], *columns: sa.ColumnElement[Any]
    ) -> None:
        self._make = make
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

    def unpack(self, text: str) -> RowT:
        """The row: values by column name.

        Moments are text, as :class:`sgconductor.db.clock.text` has it: most
        travel on as they are.
        """
        return self._row(json.loads(text))

    def read(
        self,
        conn: sa.Connection,
        id_: sa.ColumnElement[int],
        where: Iterable[sa.ColumnElement[bool]],
        limit: int,
    ) -> list[RowT]:
        """The first rows by id.

        :param id_: the column, which is among those that are packed
        """
        first = (
            sa.select(id_.label('id'), self.column.label('packed'))
            .where(*where)
            .order_by(id_)
            .limit(limit)
            .subquery()
        )
        cells = conn.execute(
            sa.select(sa.func.aggregate_strings(first.c.packed, ',')).group_by(
                first.c.id // _AT_ONCE
            )
        ).scalars()
        rows = [values for cell in cells for values in json.loads(f'[{cell}]')]
        # Each cell is in no particular order.
        rows.sort(key=operator.itemgetter(self._names.index(str(id_.key))))
        return [self._row(values) for values in rows]

    def _row(self, values: list[Any]) -> RowT:
        # None of them is null.
        for i in self._flags:
            values[i] = values[i] == 1
        return self._make(zip(self._names, values, strict=True))


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
