"""What a conductor has and nobody else: the database and the verdict."""

import dataclasses

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.db import database
from sgconductor.servicegroup import liveness


@dataclasses.dataclass(frozen=True)
class Backend:
    db: database.Database
    liveness: liveness.Liveness


def of(context: sg_context.RequestContext) -> Backend:
    """The backend of a context.

    :raises NoBackend: outside a conductor
    """
    if not isinstance(context.backend, Backend):
        raise exception.NoBackend()
    return context.backend
