"""Steps of the database's clock, noticed and allowed for.

Services are judged by that clock alone. It is set back or forward where its
host's clock is, or where another server takes over whose clock differs. Where
a conductor is connected to several servers, they may show different clocks in
turn: that is no step.
"""

import logging
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor import host_clock
from sgconductor.db import clock
from sgconductor.db import clock_set_back
from sgconductor.db import clock_steps
from sgconductor.db import database
from sgconductor.db import reception
from sgconductor.db import services

LOG = logging.getLogger(__name__)

_SECOND = 1_000_000
# The least time, in microseconds, for which members go on to stamp beats by
# the clock before a step. It is longer than the time between two syncs.
_HORIZON = 300 * _SECOND


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

    While servers of a cluster show different clocks in turn, it moves no
    stamps either, and no time is an outage for that. Then each moment may be
    older or newer than it looks, by the spread of the clocks; the rule on
    liveness allows for that.

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
        monotonic: Callable[[], float] = host_clock.uptime,
    ) -> None:
        self._db = db
        self._gap = int(gap * _SECOND)
        self._horizon = max(_HORIZON, int(3 * sync_interval * _SECOND))
        self._monotonic = monotonic
        self._offset: _Offset | None = None
        self._reading = clock_steps.ClockReading(0, 0, 0, [])
        self._steps: Sequence[clock_steps.Step] = ()

    def check_clock(self) -> None:
        """Read the database's clock, and record a step since the last time.

        :raises DatabaseUnreachable: the next check notices the step
        """
        sent = self._micros()
        reading = self._db.query(clock_steps.read_clock)
        received = self._micros()
        # A slow answer says too little.
        if received - sent <= _SECOND:
            offset = _Offset(reading.now - received, reading.now - sent, sent)
            if self._stepped(reading, offset) or self._is_behind(reading):
                before = reading.spread
                reading = self._db.query(clock_steps.read_clock)
                if reading.spread and not before:
                    LOG.warning(
                        'Servers of the database show different clocks in '
                        'turn, about %.1f s apart: members that die are found '
                        'later by up to twice that. Set their clocks.',
                        (reading.spread - clock.TOLERANCE) / _SECOND,
                    )
            self._offset = offset
        self._reading = reading
        self._steps = self._that_count(reading)

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

    def _that_count(
        self, reading: clock_steps.ClockReading
    ) -> list[clock_steps.Step]:
        """The steps forward of which stamps may be of the old clock still."""
        steps = []
        now = reading.now
        for step in reversed(reading.steps):
            if step.size > 0:
                if now - step.shown < self._lasts(step):
                    steps.append(step)
                # The steps before it count by the clock before it.
                now -= step.size
        return steps[::-1]

    def _translated(
        self, stamp: int, steps: Sequence[clock_steps.Step]
    ) -> int:
        for step in steps:
            if stamp < step.expected + self._lasts(step):
                stamp += step.size
        return stamp

    def _lasts(self, step: clock_steps.Step) -> int:
        """For how long after a step stamps may be of the old clock."""
        # After a great step, stamps of the clocks stay apart for longer.
        return max(self._horizon, step.size // 2)

    def _stepped(
        self, reading: clock_steps.ClockReading, offset: _Offset
    ) -> bool:
        """Record a step since the last check, if there was one."""
        before = self._offset
        if before is None:
            return False
        moved = offset.middle - before.middle
        step = clock_steps.Step(reading.now - moved, reading.now)
        elapsed = max(0, offset.sent - before.sent)
        if offset.least - before.most > clock.TOLERANCE:
            if not self._is_of_another_server(step, reading):
                self._forward(step, elapsed)
            return True
        if before.least - offset.most > clock.TOLERANCE:
            if self._is_of_another_server(step, reading):
                self._keep_spread(step, reading)
            else:
                self._back(step, elapsed)
            return True
        return False

    def _is_of_another_server(
        self, step: clock_steps.Step, reading: clock_steps.ClockReading
    ) -> bool:
        return abs(step.size) <= reading.spread

    def _is_behind(self, reading: clock_steps.ClockReading) -> bool:
        """Whether beats are written by way of a server whose clock is ahead.

        Each conductor may be connected to one server only.
        """
        # Also from the future are beats of before a step back, but no further
        # one comes then.
        if (
            reading.heard_at - reading.now <= clock.TOLERANCE
            or reading.heard_at <= self._reading.heard_at
            or self._offset is None
        ):
            return False
        self._keep_spread(
            clock_steps.Step(reading.heard_at, reading.now), reading
        )
        return True

    def _keep_spread(
        self, step: clock_steps.Step, reading: clock_steps.ClockReading
    ) -> None:
        """Record anew that clocks differ, before it is forgotten."""
        if self._is_of_another_server(step, reading) and any(
            other.size < 0
            and reading.now - other.shown < clock_steps.SPREAD_EVERY
            for other in reading.steps
        ):
            return
        self._db.write(lambda conn: clock_steps.record_spread(conn, step))

    def _forward(self, step: clock_steps.Step, elapsed: int) -> None:
        seconds = step.size / _SECOND
        known = self._known()

        def record(conn: sa.Connection) -> bool:
            stepped = clock_steps.record_forward(
                conn, step, elapsed, self._gap, known
            )
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

    def _back(self, step: clock_steps.Step, elapsed: int) -> None:
        known = self._known()
        # First, for moments from the future are forgotten then.
        self._db.write(
            lambda conn: clock_steps.record_back(conn, step, elapsed, known)
        )
        self._db.write(clock_set_back.clamp)
        LOG.warning(
            'The clock of the database was set back by %.1f s. The silence '
            'of services counts from now on.',
            -step.size / _SECOND,
        )

    def _known(self) -> set[int | None]:
        """The ids of steps that were recorded at the last check."""
        return {step.id for step in self._reading.steps}

    def _micros(self) -> int:
        return int(self._monotonic() * _SECOND)
