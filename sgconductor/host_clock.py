"""The host's clock: seconds that pass, also while the host is paused."""

import threading
import time
from collections.abc import Callable
from collections.abc import Sequence

# Clocks that part by less may only have been read at different moments.
_TOLERANCE = 1.0

Clock = Callable[[], float]


def uptime() -> float:
    """A clock in seconds that nobody sets.

    It counts the time for which the host was suspended, but not the time for
    which its virtual machine was stopped. Use it to notice that another clock
    was set. To measure how much time has passed, use :class:`HostClock`.
    """
    if hasattr(time, 'CLOCK_BOOTTIME'):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def clocks_with_pauses() -> Sequence[Clock]:
    """Clocks of this host that may go on while it is paused, in seconds."""
    return [time.time, uptime]


class HostClock:
    """A monotonic clock, in seconds, that counts the pauses of its host.

    The monotonic clock stands still while the host is suspended, or while its
    virtual machine is stopped. Other clocks go on then, or are set after it.
    The clock that advanced most wins; setting the wall clock forward makes it
    run ahead.

    :param monotonic: never goes back
    :param others: clocks that may go on in a pause; by default those of
        :func:`clocks_with_pauses`
    """

    def __init__(
        self,
        monotonic: Clock = time.monotonic,
        others: Sequence[Clock] | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._others = clocks_with_pauses() if others is None else others
        self._lock = threading.Lock()
        self._paused = 0.0
        self._ahead = self._read()[1]

    def __call__(self) -> float:
        with self._lock:
            now, ahead = self._read()
            pause = max(
                (
                    new - old
                    for new, old in zip(ahead, self._ahead, strict=True)
                ),
                default=0.0,
            )
            if pause > _TOLERANCE:
                self._paused += pause
            self._ahead = ahead
            return now + self._paused

    @property
    def paused(self) -> float:
        """For how many seconds the host was paused since the start."""
        with self._lock:
            return self._paused

    def _read(self) -> tuple[float, list[float]]:
        """The monotonic clock, and how far the others are ahead of it."""
        now = self._monotonic()
        return now, [other() - now for other in self._others]
