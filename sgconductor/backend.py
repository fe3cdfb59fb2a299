"""What a conductor has and nobody else: the database, the verdict, a voice."""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.db import database
from sgconductor.servicegroup import hearing
from sgconductor.servicegroup import liveness


@dataclasses.dataclass(frozen=True)
class Backend:
    """
    :ivar hearing: whether members that seem silent could be heard at all
    :ivar announce: tells all members the epoch and the pins by binary
    """

    db: database.Database
    liveness: liveness.Liveness
    hearing: hearing.Hearing
    announce: Callable[[int, Mapping[str, int]], None]


def of(context: sg_context.RequestContext) -> Backend:
    """The backend of a context.

    :raises NoBackend: outside a conductor
    """
    if not isinstance(context.backend, Backend):
        raise exception.NoBackend()
    return context.backend
