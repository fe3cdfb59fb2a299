"""A conductor's own beats, which prove that beats are received."""

import time
from collections.abc import Callable

from oslo_messaging import transport as transport_types

from sgconductor import exception
from sgconductor.db import database
from sgconductor.db import receivers
from sgconductor.db import reception
from sgconductor.rpcapi import beats

_SECOND = 1_000_000


class ConductorBeats(beats.BeatAPI):
    """Sends a conductor's own beats, which prove that beats are received.

    A conductor that stalled records this before its next beat: another
    conductor may write that beat, and it would count as proof while the first
    one still holds beats that it has not written.

    A conductor from which the broker is away records that, too, as soon as
    the broker has given to others what it had dealt to it: from then on, the
    silence of this conductor hides no dead members.

    :param gap: seconds; a longer time between two of its beats is a stall
    :param noticed: seconds after which the broker has noticed that this
        conductor is silent
    :param received: how many beats this conductor has received so far
    :param monotonic: the host's monotonic clock, in seconds
    """

    def __init__(
        self,
        transport: transport_types.RPCTransport,
        db: database.Database,
        gap: float,
        noticed: int,
        received: Callable[[], int] = int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(transport)
        self._db = db
        self._gap = gap
        self._noticed = noticed
        self._received = received
        self._monotonic = monotonic
        self._registered: tuple[int, int] | None = None
        self._idle = False
        self._tried_at: float | None = None
        self._received_before = 0
        # When the broker was there last.
        self._contact_at = monotonic()

    def beat(self, id_: int, incarnation: int, stamp: int, epoch: int) -> None:
        """Send a beat, after recording the stall before it, if any.

        :raises DatabaseUnreachable: if a stall cannot be recorded; then
            nothing is sent. Or, after it is sent, if what others must know of
            this conductor cannot be recorded.
        :raises BrokerUnreachable: as that of the base class
        """
        self._record_stall()
        try:
            super().beat(id_, incarnation, stamp, epoch)
        except exception.BrokerUnreachable:
            self._note_contact(received=self._received())
            silent_for = self._monotonic() - self._contact_at
            self._set_idle(id_, silent_for > self._noticed)
            raise
        finally:
            # A broker that does not answer is no stall of this process.
            self._tried_at = self._monotonic()
        self._contact_at = self._tried_at
        self._register(id_, incarnation)
        self._set_idle(id_, False)

    def _note_contact(self, received: int) -> None:
        # Beats may arrive over a connection of their own.
        if received != self._received_before:
            self._received_before = received
            self._contact_at = self._monotonic()

    def _register(self, id_: int, incarnation: int) -> None:
        if (id_, incarnation) != self._registered:
            self._db.write(
                lambda conn: receivers.register(
                    conn, id_, incarnation, self._noticed
                )
            )
            self._registered = id_, incarnation
            self._idle = False

    def _record_stall(self) -> None:
        if self._tried_at is None:
            return
        pause = self._monotonic() - self._tried_at
        if pause > self._gap:
            gap = int(self._gap * _SECOND)
            self._db.write(
                lambda conn: reception.record_stall(conn, pause, gap)
            )

    def _set_idle(self, id_: int, idle: bool) -> None:
        if idle != self._idle:
            self._db.write(lambda conn: receivers.set_idle(conn, id_, idle))
            self._idle = idle
