"""A session: what runs for a member from a join until it leaves."""

import threading

from sgconductor.member import driver_heartbeat
from sgconductor.member import periodic_task
from sgconductor.objects import service as service_objects


class Session:
    """One session of a membership.

    A member that is told to join again stays in the same session.

    :ivar ended: set when the session has ended, for any reason
    :ivar service: as it joined last; None before the first join
    :ivar tasks: those that beat and sync, in this order
    :ivar driver_heartbeats: one for each servicegroup driver
    :ivar forced_down: whether the last sync said so
    """

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.service: service_objects.Service | None = None
        self.tasks: list[periodic_task.PeriodicTask] = []
        self.driver_heartbeats: list[driver_heartbeat.DriverHeartbeat] = []
        self.forced_down = False

    @property
    def joined(self) -> service_objects.Service:
        """The service, in a session that has joined."""
        assert self.service is not None
        return self.service

    def sync_soon(self) -> None:
        """Sync now, and not only at the end of the interval."""
        _, sync = self.tasks
        sync.hasten()

    def end(self) -> None:
        """Stop all that runs, and wait for none of it."""
        self.ended.set()
        for task in self.tasks:
            task.stop()
        for heartbeat in self.driver_heartbeats:
            heartbeat.stop()

    def deregister(self) -> None:
        """Remove the member from all drivers, after :meth:`end`."""
        for heartbeat in self.driver_heartbeats:
            heartbeat.deregister()
