"""The database's clock, estimated by a member."""

import time
from collections.abc import Callable
from typing import Any


class DatabaseClock:
    """The host's monotonic clock, shifted to the database's time.

    It does not use the host's wall clock, so that clock may be wrong, and may
    be set at any time.

    :param monotonic: seconds; never goes back
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._shift = 0

    def set_by(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Ask a conductor, and set the clock by its answer.

        :param ask: returns a mapping with ``now``: the database's time, in
            microseconds since 1970. The clock assumes that it was read
            half-way through the call.
        :returns: the answer
        """
        sent = self._micros()
        answer = ask()
        middle = (sent + self._micros()) // 2
        self._shift = int(answer['now']) - middle
        return answer

    def now(self) -> int:
        """The database's time, in microseconds since 1970."""
        return self._micros() + self._shift

    def _micros(self) -> int:
        return int(self._monotonic() * 1_000_000)
