"""The database's clock, estimated by a member."""

import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from sgconductor import host_clock


class DatabaseClock:
    """The host's monotonic clock, shifted to the database's time.

    The host's wall clock may be wrong, and may be set at any time: it only
    tells that the host may have been paused. If it was set, this clock is
    ahead until it is set by a conductor. That does no harm, for conductors
    take a stamp from the future for now.

    :param monotonic: seconds; never goes back
    :param others: see :class:`sgconductor.host_clock.HostClock`
    """

    def __init__(
        self,
        monotonic: host_clock.Clock = time.monotonic,
        others: Sequence[host_clock.Clock] | None = None,
    ) -> None:
        self._host = host_clock.HostClock(monotonic, others)
        self._shift = 0
        self._paused = 0.0

    def set_by(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Ask a conductor, and set the clock by its answer.

        :param ask: returns a mapping with ``now``: the database's time, in
            microseconds since 1970. The clock assumes that it was read
            half-way through the call.
        :returns: the answer
        """
        sent = self._micros()
        paused = self._host.paused
        answer = ask()
        middle = (sent + self._micros()) // 2
        self._shift = int(answer['now']) - middle
        # A pause during the call makes its middle uncertain.
        self._paused = paused
        return answer

    def now(self) -> int:
        """The database's time, in microseconds since 1970."""
        return self._micros() + self._shift

    @property
    def uncertain(self) -> bool:
        """Whether the host may have been paused since the clock was set."""
        return self._host.paused > self._paused

    def _micros(self) -> int:
        return int(self._host() * 1_000_000)
