"""A conductor's own beats, which prove that beats are received."""

import time
from collections.abc import Callable

from oslo_messaging import transport as transport_types

from sgconductor.db import database
from sgconductor.db import reception
from sgconductor.rpcapi import beats

_SECOND = 1_000_000


class ConductorBeats(beats.BeatAPI):
    """Sends a conductor's own beats, which prove that beats are received.

    A conductor that stalled records this before its next beat: another
    conductor may write that beat, and it would count as proof while the first
    one still holds beats that it has not written.

    :param gap: seconds; a longer time between two of its beats is a stall
    :param monotonic: the host's monotonic clock, in seconds
    """

    def __init__(
        self,
        transport: transport_types.RPCTransport,
        db: database.Database,
        gap: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(transport)
        self._db = db
        self._gap = gap
        self._monotonic = monotonic
        self._beat_at: float | None = None

    def beat(self, *beat: int) -> None:
        """Send a beat, after recording the stall before it, if any.

        :raises DatabaseUnreachable: if the stall cannot be recorded; then
            nothing is sent
        """
        now = self._monotonic()
        pause = 0.0 if self._beat_at is None else now - self._beat_at
        if pause > self._gap:
            gap = int(self._gap * _SECOND)
            self._db.write(
                lambda conn: reception.record_stall(conn, pause, gap)
            )
        self._beat_at = now
        super().beat(*beat)
