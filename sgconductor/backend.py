"""What a conductor has and nobody else: the database, the verdict, a voice."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sgconductor import context as sg_context
from sgconductor import db as sg_db
from sgconductor import exception
from sgconductor import gather
from sgconductor.servicegroup import driver as sg_driver
from sgconductor.servicegroup import liveness as sg_liveness
from sgconductor.servicegroup import monitored_driver

if TYPE_CHECKING:
    from sgconductor.db import database


# So many that a transaction of them is still short.
_JOINS_AT_ONCE = 100


@dataclasses.dataclass(frozen=True)
class Backend:
    """
    :ivar drivers: all that members feed
    :ivar liveness: judges by the first of them
    :ivar shadow: judges by the second, for comparison; None without one
    :ivar announce: tells all members the epoch and the pins by binary
    :ivar joins: in which services that join at once do so together
    """

    db: database.Database
    drivers: Sequence[sg_driver.Driver]
    liveness: sg_liveness.Liveness
    shadow: sg_liveness.Liveness | None
    announce: Callable[[int, Mapping[str, int]], None]
    joins: gather.Gather = dataclasses.field(
        default_factory=functools.partial(gather.Gather, _JOINS_AT_ONCE)
    )

    @property
    def judges(self) -> Sequence[sg_liveness.Liveness]:
        """The one that counts, and the shadow if there is one."""
        both = (self.liveness, self.shadow)
        return [judge for judge in both if judge is not None]


def make(
    db: database.Database,
    drivers: Sequence[sg_driver.Driver],
    announce: Callable[[int, Mapping[str, int]], None],
) -> Backend:
    """The backend of a conductor.

    :param drivers: the one that counts, and a shadow if there is one
    """
    hear = functools.partial(sg_db.reception.read_windows, db)
    first, *more = (
        sg_liveness.Liveness(monitored_driver.MonitoredDriver(driver), hear)
        for driver in drivers
    )
    return Backend(db, drivers, first, more[0] if more else None, announce)


def of(context: sg_context.RequestContext) -> Backend:
    """The backend of a context.

    :raises NoBackend: outside a conductor
    """
    if not isinstance(context.backend, Backend):
        raise exception.NoBackend()
    return context.backend
