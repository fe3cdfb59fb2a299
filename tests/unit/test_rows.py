"""The rows of the database modules have the columns of their tables."""

import types
import typing
from typing import Any
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor.db import deregistrations
from sgconductor.db import disagreements
from sgconductor.db import events
from sgconductor.db import models
from sgconductor.db import pins
from sgconductor.db import services
from tests import base


class Case(NamedTuple):
    """A row, its table, and how their names may differ."""

    row: type[Any]
    table: sa.Table
    added: frozenset[str] = frozenset()
    omitted: frozenset[str] = frozenset()


CASES = (
    Case(
        services.Row,
        models.services,
        added=frozenset({'age'}),
        omitted=frozenset({'deleted', 'deleted_at', 'join_token'}),
    ),
    Case(pins.Row, models.pins, added=frozenset({'version'})),
    Case(
        pins.LockedRow,
        models.pins,
        added=frozenset({'version', 'lowest'}),
    ),
    Case(deregistrations.Row, models.farewells),
    Case(disagreements.Row, models.disagreements),
    Case(events.Row, models.events),
)


class TestRows(base.TestCase):
    def test_keys_are_the_columns(self) -> None:
        for case in CASES:
            hints = typing.get_type_hints(case.row)
            self.assertEqual(
                set(case.table.c.keys()) - case.omitted,
                set(hints) - case.added,
                case.table.name,
            )

    def test_values_of_nullable_columns_may_be_none(self) -> None:
        for case in CASES:
            hints = typing.get_type_hints(case.row)
            optional = {
                name
                for name, hint in hints.items()
                if types.NoneType in typing.get_args(hint)
            }
            self.assertEqual(
                {c.name for c in case.table.c if c.nullable} - case.omitted,
                optional - case.added,
                case.table.name,
            )
