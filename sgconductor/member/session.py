"""From one join to its end."""

import threading

from sgconductor.member import driver_heartbeat
from sgconductor.member import periodic_task
from sgconductor.objects import service as service_objects


class Session:
    """One stay in the group.

    :ivar over: set when it has ended, by whatever
    :ivar service: as it was joined last; None until it has begun
    :ivar hearts: what beats and syncs
    :ivar feeds: what has the drivers know of it
    """

    def __init__(self) -> None:
        self.over = threading.Event()
        self.service: service_objects.Service | None = None
        self.hearts: list[periodic_task.PeriodicTask] = []
        self.feeds: list[driver_heartbeat.DriverHeartbeat] = []
        self.forced_down = False

    def forget(self) -> None:
        """Have the drivers forget it, after its end."""
        for each in self.feeds:
            each.forget()
