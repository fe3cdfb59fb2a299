"""The composition root: the only place where the parts are put together.

A :class:`Remote` is all that a process needs to look services up and to be a
member; a :class:`Conductor` is what a conductor worker runs.
"""

from sgconductor.app.client import connect
from sgconductor.app.client import Remote
from sgconductor.app.client import remote
from sgconductor.app.conductor import Conductor
from sgconductor.app.local import Local
from sgconductor.app.wait import wait_until_ready

__all__ = [
    'Conductor',
    'Local',
    'Remote',
    'connect',
    'remote',
    'wait_until_ready',
]
