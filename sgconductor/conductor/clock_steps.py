"""Steps of the database's clock, noticed and allowed for.

Services are judged by that clock alone. It is set back or forward where its
host's clock is, or where another server takes over whose clock differs.
"""

import logging
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import clock_steps
from sgconductor.db import database
from sgconductor.db import future
from sgconductor.db import reception
from sgconductor.db import services

LOG = logging.getLogger(__name__)

_SECOND = 1_000_000
# The least time, in microseconds, for which members go on to stamp beats by
# the clock before a step. It is longer than the time between two syncs.
_HORIZON = 300 * _SECOND


def host_monotonic() -> float:
    """A clock of the host, in seconds, that nobody sets.

    If the host can be suspended, it counts that time.
    """
    if hasattr(time, 'CLOCK_BOOTTIME'):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class _Offset(NamedTuple):
    """How far the database's clock is ahead of the host's, in microseconds.

    It was read between ``sent`` and ``received``, so it is only known to be
    from ``least`` to ``most``.
    """

    least: int
    most: int
    sent: int

    @property
    def middle(self) -> int:
        return (self.least + self.most) // 2


class ClockSteps:
    """Notices when the database's clock is set.

    After a step forward, it moves stamps of the old clock by the step. After
    a step back it moves none: they are from the future and count as now.

    :param gap: as for :func:`sgconductor.db.reception.record_beats`, in
        seconds
    :param sync_interval: of members, in seconds
    :param monotonic: a clock of the host that nobody sets, in seconds
    """

    def __init__(
        self,
        db: database.Database,
        gap: float,
        sync_interval: float,
        monotonic: Callable[[], float] = host_monotonic,
    ) -> None:
        self._db = db
        self._gap = int(gap * _SECOND)
        self._horizon = max(_HORIZON, int(3 * sync_interval * _SECOND))
        self._monotonic = monotonic
        self._offset: _Offset | None = None
        self._steps: Sequence[clock_steps.Step] = ()

    def look(self) -> None:
        """Look at the database's clock, and record a step since the last look.

        :raises DatabaseUnreachable: the next look notices the step
        """
        sent = self._micros()
        now, steps = self._db.query(clock_steps.look)
        received = self._micros()
        # A slow answer says too little.
        if received - sent <= _SECOND:
            offset = _Offset(now - received, now - sent, sent)
            if self._stepped(now, offset):
                _, steps = self._db.query(clock_steps.look)
            self._offset = offset
        self._steps = steps

    def translate(
        self, beats: Sequence[services.Beat]
    ) -> Sequence[services.Beat]:
        """Beats with stamps of the clock as it is now.

        For some minutes after a small step, a stamp may be of either clock. It
        counts as one of the old clock, so a beat that is late by less than the
        step counts as fresh.
        """
        steps = self._steps
        if not steps:
            return beats
        return [
            beat._replace(stamp=self._translated(beat.stamp, steps))
            for beat in beats
        ]

    def _translated(
        self, stamp: int, steps: Sequence[clock_steps.Step]
    ) -> int:
        for step in steps:
            # After a great step, stamps of the clocks stay apart for longer.
            horizon = max(self._horizon, step.size // 2)
            if stamp < step.expected + horizon:
                stamp += step.size
        return stamp

    def _stepped(self, now: int, offset: _Offset) -> bool:
        """Record a step since the last look, if there was one."""
        before = self._offset
        if before is None:
            return False
        if offset.least - before.most > clock.TOLERANCE:
            moved = offset.middle - before.middle
            step = clock_steps.Step(now - moved, now)
            self._forward(step, max(0, offset.sent - before.sent))
            return True
        if before.least - offset.most > clock.TOLERANCE:
            self._back(before.middle - offset.middle)
            return True
        return False

    def _forward(self, step: clock_steps.Step, elapsed: int) -> None:
        seconds = step.size / _SECOND

        def record(conn: sa.Connection) -> bool:
            stepped = clock_steps.record(conn, step, elapsed, self._gap)
            if not stepped:
                reception.record_stall(conn, seconds, self._gap)
            return stepped

        if self._db.write(record):
            LOG.warning(
                'The clock of the database was set forward by %.1f s. Beats '
                'of the time before count by the new clock, and the time '
                'between counts as an outage.',
                seconds,
            )
        else:
            LOG.warning(
                'This host was paused for %.1f s, for its clocks stood still '
                'while others received beats.',
                seconds,
            )

    def _back(self, size: int) -> None:
        self._db.write(future.clamp)
        LOG.warning(
            'The clock of the database was set back by %.1f s. The silence '
            'of services counts from now on.',
            size / _SECOND,
        )

    def _micros(self) -> int:
        return int(self._monotonic() * _SECOND)
