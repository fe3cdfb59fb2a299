"""The judges: liveness by the driver that counts, and by the shadow driver."""

import dataclasses
import functools
from collections.abc import Sequence

from sgconductor.conductor import liveness
from sgconductor.db import database
from sgconductor.db import reception
from sgconductor.servicegroup import driver as sg_driver
from sgconductor.servicegroup import monitored_driver


@dataclasses.dataclass(frozen=True)
class Judges:
    """Those that judge services.

    :ivar primary: whose verdict counts
    :ivar shadow: judges for comparison; None without a shadow driver
    """

    primary: liveness.Liveness
    shadow: liveness.Liveness | None

    @property
    def all(self) -> Sequence[liveness.Liveness]:
        """The one that counts, and the shadow if there is one."""
        both = (self.primary, self.shadow)
        return [judge for judge in both if judge is not None]

    @property
    def drivers(self) -> Sequence[monitored_driver.MonitoredDriver]:
        return [judge.driver for judge in self.all]


def make(db: database.Database, drivers: Sequence[sg_driver.Driver]) -> Judges:
    """
    :param drivers: the one that counts, and a shadow if there is one
    """
    read_windows = functools.partial(reception.read_windows, db)
    primary, *more = (
        liveness.Liveness(
            monitored_driver.MonitoredDriver(driver), read_windows
        )
        for driver in drivers
    )
    return Judges(primary, more[0] if more else None)
