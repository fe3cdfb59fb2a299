"""The composition root: the only place where the parts are put together.

A :class:`Remote` is all that a process needs to look services up and to be a
member; a :class:`Conductor` is what a conductor worker runs, and an
:class:`Api` is the REST API. Each is imported
when it is first used: the one needs nothing of the other's.
"""

import importlib
from typing import Any
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sgconductor.app.api import Api
    from sgconductor.app.client import connect
    from sgconductor.app.client import Remote
    from sgconductor.app.client import remote
    from sgconductor.app.conductor import Conductor
    from sgconductor.app.local import Local
    from sgconductor.app.wait import wait_until_ready

__all__ = [
    'Api',
    'Conductor',
    'Local',
    'Remote',
    'connect',
    'remote',
    'wait_until_ready',
]

_HOMES = {
    'Api': 'api',
    'Conductor': 'conductor',
    'Local': 'local',
    'Remote': 'client',
    'connect': 'client',
    'remote': 'client',
    'wait_until_ready': 'wait',
}


def __getattr__(name: str) -> Any:
    # https://peps.python.org/pep-0562/
    if name not in _HOMES:
        raise AttributeError(f'module {__name__} has no attribute {name}')
    module = importlib.import_module(f'{__name__}.{_HOMES[name]}')
    return getattr(module, name)
