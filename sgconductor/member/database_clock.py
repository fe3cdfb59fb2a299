"""The database's clock, as a member keeps it."""

import time
from collections.abc import Callable


class DatabaseClock:
    """The sender's monotonic clock, shifted into the database's.

    The host's wall clock takes no part, so it may be wrong, or be set, and
    nobody notices.

    :param monotonic: seconds that only ever go forward
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._shift = 0

    def set(self, ask: Callable[[], int]) -> None:
        """Learn the database's now.

        :param ask: returns it, in microseconds since 1970; it is taken to
            have been read half-way through the call
        """
        sent = self._micros()
        now = ask()
        self._shift = now - (sent + self._micros()) // 2

    def now(self) -> int:
        """Microseconds since 1970, in the database's clock."""
        return self._micros() + self._shift

    def _micros(self) -> int:
        return int(self._monotonic() * 1_000_000)
