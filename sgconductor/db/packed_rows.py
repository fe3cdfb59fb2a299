"""Rows that the database packs into JSON arrays.

A database driver that is written in Python spends most of a long SELECT on
reading single cells. Here a row is one cell, and many rows of a page are one,
which takes a fraction of the time; the database spends some on packing them.
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

# The range of ids whose rows are one cell. So many rows of the greatest length
# are shorter than MariaDB's limit for a group, group_concat_max_len.
_IDS_PER_CELL = 200


class Packed(Generic[RowT]):
    """Columns that are read as one cell.

    :param make: a TypedDict whose keys are the names of the columns. In it,
        moments are text, and so they are sent on as they are.
    :param columns: of a table, or labelled expressions
    :ivar column: the expression to select
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
        """The row of a selected cell.

        Moments are text in the form of :class:`sgconductor.db.clock.text`.
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

        :param id_: the column of the id, one of those that are packed
        :param where: conditions; all must hold
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
                first.c.id // _IDS_PER_CELL
            )
        ).scalars()
        rows = [values for cell in cells for values in json.loads(f'[{cell}]')]
        # Within a cell, the rows have no certain order.
        rows.sort(key=operator.itemgetter(self._names.index(str(id_.key))))
        return [self._row(values) for values in rows]

    def _row(self, values: list[Any]) -> RowT:
        # SQLite and MariaDB have 0 and 1. No such column is nullable.
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
    # As text, for psycopg2 would parse JSON itself, and no faster.
    return (
        f'CAST(json_build_array({compiler_.process(element.clauses, **kw)}) '
        f'AS text)'
    )
