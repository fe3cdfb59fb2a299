"""Having a servicegroup driver know a member."""

import logging
from collections.abc import Callable

from sgconductor.member import periodic_task
from sgconductor.objects import service as service_objects
from sgconductor.servicegroup import driver as sg_driver

LOG = logging.getLogger(__name__)

# Seconds, for a pulse that is under way.
_ENDS_WITHIN = 5.0


class DriverHeartbeat:
    """Keeps a driver knowing a member, as whom it has joined last.

    The driver's trouble is not the membership's.

    :param name: of the member, for the log
    :param service: the service as it is joined now
    :param quiet: whether somebody else tells that the driver is away
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
        self._known: sg_driver.Member | None = None
        self._heart = periodic_task.PeriodicTask(
            f'{driver.name} of {name}', driver.interval, self._pulse, quiet
        )

    def start(self) -> None:
        """Have it known at once, if that can be, and from now on."""
        self._heart.start(at_once=True)

    def stop(self) -> None:
        """Do no more; see :meth:`forget` for what was done."""
        self._heart.stop()

    def forget(self) -> None:
        """Have the driver forget the member, after :meth:`stop`."""
        # Nothing may bring it back afterwards.
        self._heart.wait(_ENDS_WITHIN)
        known, self._known = self._known, None
        try:
            if known is not None:
                self._driver.leave(known)
        except Exception as error:
            LOG.warning(
                '%s is not forgotten by %s before that finds out by itself: '
                '%s',
                self._name,
                self._driver.name,
                error,
            )

    def _pulse(self) -> None:
        member = _member(self._service())
        before = self._known
        if member == before:
            self._driver.beat(member)
            return
        self._driver.join(member)
        self._known = member
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
