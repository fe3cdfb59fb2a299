"""The database: tables, migrations and one module of SQL a table.

The modules are imported when they are first used: whoever reaches a conductor
by the message bus imports the objects, and pays for no SQL.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sgconductor.db import announced_state as announced_state
    from sgconductor.db import clock as clock
    from sgconductor.db import database as database
    from sgconductor.db import deregistrations as deregistrations
    from sgconductor.db import disagreements as disagreements
    from sgconductor.db import events as events
    from sgconductor.db import joins as joins
    from sgconductor.db import pins as pins
    from sgconductor.db import reception as reception
    from sgconductor.db import schema as schema
    from sgconductor.db import services as services


def __getattr__(name: str) -> ModuleType:
    # https://peps.python.org/pep-0562/
    try:
        return importlib.import_module(f'{__name__}.{name}')
    except ModuleNotFoundError as error:
        if error.name != f'{__name__}.{name}':
            raise
        raise AttributeError(
            f'module {__name__} has no attribute {name}'
        ) from None
