"""A driver whose outages are handled and logged."""

import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Collection
from typing import NamedTuple

from sgconductor import exception
from sgconductor.servicegroup import driver as sg_driver

LOG = logging.getLogger(__name__)


class DriverStatement(NamedTuple):
    """A driver's answer about one member, for people.

    :ivar says: the answer in words
    :ivar speaks_for: 'up', 'down' or 'unknown'
    """

    says: str
    speaks_for: str


class MonitoredDriver:
    """A driver whose answers can be trusted.

    While the driver is unavailable, all members are unknown. For
    ``patience`` seconds after it has recovered, absent members stay unknown:
    its server may have lost them, and live ones are only about to return.

    The start and the end of each outage are logged.

    :ivar outages: how many there were
    :param monotonic: the clock, ``time.monotonic``
    """

    def __init__(
        self,
        driver: sg_driver.Driver,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.outages = 0
        self._driver = driver
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._trouble = ''
        self._was_complete = False
        # When the driver first answered after the last failure.
        self._available_since: float | None = None

    @property
    def name(self) -> str:
        return self._driver.name

    @property
    def detects(self) -> bool:
        """Whether the driver detects by itself which members are alive."""
        return self._driver.detects

    @property
    def patience(self) -> float:
        """Seconds for which a live member may be absent after its join."""
        return self._driver.patience

    @property
    def trouble(self) -> str:
        """Why the driver cannot tell about all members, or ''."""
        return self._trouble

    def watch(self) -> None:
        """Prepare the driver; its server need not be there yet."""
        try:
            self._driver.watch()
        except Exception as error:
            self._note_failure(error)

    def presence(
        self, members: Collection[sg_driver.Member]
    ) -> sg_driver.Presence:
        """Which members are alive, and which are unknown. It never raises."""
        if not members:
            return sg_driver.Presence(frozenset())
        try:
            presence = self._driver.alive(members)
        except Exception as error:
            self._note_failure(error)
            return sg_driver.Presence(frozenset(), frozenset(members))
        self._note_answer()
        if self._is_recovering():
            return sg_driver.Presence(
                presence.alive, frozenset(members) - presence.alive
            )
        return presence

    def statement(self, member: sg_driver.Member) -> DriverStatement:
        """What the driver says about one member, in words."""
        presence = self.presence([member])
        where = self._driver.explain(member)
        if member in presence.alive:
            return DriverStatement(f'has {where}', 'up')
        if self._trouble:
            return DriverStatement(
                f'cannot be asked: {self._trouble}', 'unknown'
            )
        if member in presence.unknown:
            return DriverStatement(
                f'cannot tell yet whether it has {where}', 'unknown'
            )
        return DriverStatement(f'has no {where}', 'down')

    @property
    def sound(self) -> bool:
        """Whether an absent member is surely absent at the moment."""
        if not self.detects:
            return True
        return not self._trouble and not self._is_recovering()

    def _is_recovering(self) -> bool:
        since = self._available_since
        if since is None:
            return True
        since = max(since, self._driver.since)
        return self._monotonic() - since < self.patience

    def _note_failure(self, error: Exception) -> None:
        expected = isinstance(error, exception.SGConductorError)
        with self._lock:
            self._available_since = None
        self._set_trouble(
            str(error) or repr(error), None if expected else error
        )

    def _note_answer(self) -> None:
        trouble = self._driver.trouble
        with self._lock:
            if self._available_since is None:
                self._available_since = self._monotonic()
            # The first answers may be incomplete because the driver or its
            # servers have just started, which is no outage.
            self._was_complete |= not trouble
        self._set_trouble(trouble if self._was_complete else '')

    def _set_trouble(
        self, trouble: str, error: Exception | None = None
    ) -> None:
        with self._lock:
            before, self._trouble = self._trouble, trouble
            self.outages += bool(trouble and not before)
        if trouble and not before:
            LOG.warning(
                'The servicegroup driver %s is unavailable or degraded; '
                'falling back to heartbeats: %s',
                self.name,
                trouble,
                exc_info=error,
            )
        if before and not trouble:
            LOG.info(
                'The servicegroup driver %s is available again; members that '
                'are still absent in %g s count as down.',
                self.name,
                self.patience,
            )
