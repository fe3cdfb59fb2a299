"""A driver, as far as its word can be trusted."""

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
    """
    :ivar says: for people
    :ivar speaks_for: 'up', 'down' or 'unknown'
    """

    says: str
    speaks_for: str


class MonitoredDriver:
    """Asks a driver; while that cannot tell, everybody is unknown to it.

    So they are who is missing just after it could not: its server may be
    about to hear of them again. It is warned of once, and said when it is
    over.

    :ivar outages: how often it could not be asked
    :param monotonic: the host's clock that only goes forward
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
        self._has_told_all = False
        self._found_at: float | None = None

    @property
    def name(self) -> str:
        return self._driver.name

    @property
    def detects(self) -> bool:
        """Whether the driver has a word of its own."""
        return self._driver.detects

    @property
    def patience(self) -> float:
        """Seconds that a live member may be missing after its join."""
        return self._driver.patience

    @property
    def trouble(self) -> str:
        """Why it cannot be asked, or not of all; empty if it can."""
        return self._trouble

    def watch(self) -> None:
        """Get the driver ready; if its server is away, it may come."""
        try:
            self._driver.watch()
        except Exception as error:
            self._lose(error)

    def roll(
        self, members: Collection[sg_driver.Member]
    ) -> sg_driver.Presence:
        """Who is there, and of whom nobody can tell; whatever happens."""
        if not members:
            return sg_driver.Presence(frozenset())
        try:
            roll = self._driver.alive(members)
        except Exception as error:
            self._lose(error)
            return sg_driver.Presence(frozenset(), frozenset(members))
        self._find()
        if self._is_patient():
            return sg_driver.Presence(
                roll.alive, frozenset(members) - roll.alive
            )
        return roll

    def word(self, member: sg_driver.Member) -> DriverStatement:
        """What it says of one member, in words."""
        roll = self.roll([member])
        where = self._driver.explain(member)
        if member in roll.alive:
            return DriverStatement(f'has {where}', 'up')
        if self._trouble:
            return DriverStatement(
                f'cannot be asked: {self._trouble}', 'unknown'
            )
        if member in roll.unknown:
            return DriverStatement(
                f'cannot tell yet whether it has {where}', 'unknown'
            )
        return DriverStatement(f'has no {where}', 'down')

    @property
    def sound(self) -> bool:
        """Whether all that it says can be taken at its word."""
        if not self.detects:
            return True
        return not self._trouble and not self._is_patient()

    def _is_patient(self) -> bool:
        since = self._found_at
        if since is None:
            return True
        since = max(since, self._driver.since)
        return self._monotonic() - since < self.patience

    def _lose(self, error: Exception) -> None:
        expected = isinstance(error, exception.SGConductorError)
        with self._lock:
            self._found_at = None
        self._note(str(error) or repr(error), None if expected else error)

    def _find(self) -> None:
        trouble = self._driver.trouble
        with self._lock:
            if self._found_at is None:
                self._found_at = self._monotonic()
            # At first it may be new to its servers, which is no outage.
            self._has_told_all |= not trouble
        self._note(trouble if self._has_told_all else '')

    def _note(self, trouble: str, error: Exception | None = None) -> None:
        with self._lock:
            before, self._trouble = self._trouble, trouble
            self.outages += bool(trouble and not before)
        if trouble and not before:
            LOG.warning(
                'The servicegroup driver %s has no voice, or not on all: %s',
                self.name,
                trouble,
                exc_info=error,
            )
        if before and not trouble:
            LOG.info(
                'The servicegroup driver %s can be asked again; who is '
                'missing counts as down in %g s.',
                self.name,
                self.patience,
            )
