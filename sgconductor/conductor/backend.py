"""The backend: the parts of a conductor, put together on one database."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from sgconductor import context as sg_context
from sgconductor.conductor import change_log
from sgconductor.conductor import deregistrations
from sgconductor.conductor import events
from sgconductor.conductor import judges
from sgconductor.conductor import pins
from sgconductor.conductor import roster
from sgconductor.conductor import service_lists
from sgconductor.conductor import services
from sgconductor.db import database
from sgconductor.servicegroup import driver as sg_driver


class Backend:
    """The behaviour of objects, which only a conductor has.

    :param drivers: the one that counts, and a shadow if there is one
    :param announce: tells all members the epoch, and the pins by binary
    """

    def __init__(
        self,
        db: database.Database,
        drivers: Sequence[sg_driver.Driver],
        announce: Callable[[int, Mapping[str, int]], None],
    ) -> None:
        self.db = db
        self.drivers = drivers
        self.changes = change_log.ChangeLog()
        self.judges = judges.make(db, drivers)
        self.roster = roster.Roster(db, announce, self.changes)
        self.deregistrations = deregistrations.Deregistrations(db, drivers)
        self._parts: Sequence[object] = (
            services.Services(
                db,
                self.judges,
                self.roster,
                self.deregistrations,
                self.changes,
            ),
            service_lists.ServiceLists(db, self.judges),
            pins.Pins(db, self.roster, self.changes),
            events.Events(db),
        )

    def part(
        self, interface: type[sg_context.Interface]
    ) -> sg_context.Interface:
        """The part that implements an interface of the objects.

        :raises LookupError: if there is none
        """
        for part in self._parts:
            if isinstance(part, interface):
                return part
        raise LookupError(f'a conductor has no {interface.__name__}')
