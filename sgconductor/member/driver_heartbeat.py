"""The heartbeat of a member to a servicegroup driver."""

import logging
from collections.abc import Callable

from sgconductor.member import periodic_task
from sgconductor.objects import service as service_objects
from sgconductor.servicegroup import driver as sg_driver

LOG = logging.getLogger(__name__)

# Seconds to wait for a heartbeat that is under way.
_ENDS_WITHIN = 5.0


class DriverHeartbeat:
    """Keeps a member registered with a driver, under its newest join.

    A driver that fails does not disturb the membership.

    :param name: of the member, for the log
    :param service: returns the service as it joined last
    :param quiet: log failures at debug level, because another part of the
        process warns of them
    """

    def __init__(
        self,
        driver: sg_driver.Driver,
        name: str,
        service: Callable[[], service_objects.Service],
        quiet: bool,
    ) -> None:
        self._driver = driver
        self._name = name
        self._service = service
        self._registered: sg_driver.Member | None = None
        self._task = periodic_task.PeriodicTask(
            f'heartbeat of {name} to {driver.name}',
            driver.interval,
            self._beat,
            quiet,
        )

    def start(self) -> None:
        """Try to register the member now, and repeat at the interval."""
        self._task.start(at_once=True)

    def stop(self) -> None:
        """Send no more heartbeats; :meth:`deregister` undoes the others."""
        self._task.stop()

    def deregister(self) -> None:
        """Remove the member from the driver, after :meth:`stop`."""
        # A heartbeat that is under way would register the member again.
        self._task.wait(_ENDS_WITHIN)
        registered, self._registered = self._registered, None
        try:
            if registered is not None:
                self._driver.leave(registered)
        except Exception as error:
            LOG.warning(
                'Could not remove %s from the servicegroup driver %s, which '
                'will detect its absence later: %s',
                self._name,
                self._driver.name,
                error,
            )

    def _beat(self) -> None:
        member = _member(self._service())
        before = self._registered
        if member == before:
            self._driver.beat(member)
            return
        self._driver.join(member)
        self._registered = member
        if before is not None:
            self._driver.leave(before)


def _member(service: service_objects.Service) -> sg_driver.Member:
    return sg_driver.Member(
        service.uuid,
        service.host,
        service.binary,
        service.topic,
        service.incarnation,
    )
