"""For how long beats went unheard, through no fault of their senders."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple


class Gap(NamedTuple):
    """A time in which no beat could be heard.

    :ivar length: seconds
    :ivar over_for: seconds since its end; 0 if it lasts
    """

    length: float
    over_for: float


# Longer than any patience.
_EVER = 1e9


class Hearing:
    """Remembers the last gap.

    While all conductors or the database are away, members beat on, and what
    they have confirmed they still go by. So one that seems silent after a
    gap counts as speaking until it has had the time to be heard again.

    :param monotonic: the host's clock that only goes forward
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._lost_at: float | None = None
        self._length = 0.0
        self._over_at = float('-inf')

    def lost(self) -> None:
        """Beats are not heard any more; again does no harm."""
        with self._lock:
            if self._lost_at is None:
                self._lost_at = self._monotonic()

    def found(self, unheard: float = 0) -> None:
        """They are heard again.

        :param unheard: seconds for which they were not before ``lost``
        """
        with self._lock:
            if self._lost_at is not None:
                now = self._monotonic()
                self._length = now - self._lost_at + unheard
                self._over_at = now
                self._lost_at = None

    @property
    def gap(self) -> Gap:
        """The last one, or one that lasts."""
        with self._lock:
            if self._lost_at is not None:
                return Gap(_EVER, 0)
            return Gap(self._length, self._monotonic() - self._over_at)
