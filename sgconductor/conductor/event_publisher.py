"""The event publisher: sends recorded events as notifications."""

import functools
from collections.abc import Callable

from sgconductor.conductor import leader
from sgconductor.db import database
from sgconductor.db import events

_AT_ONCE = 100


class EventPublisher:
    """Sends recorded events while this conductor leads.

    :param send: sends one event; raises Unreachable if it may not have
        arrived
    """

    def __init__(
        self,
        db: database.Database,
        leader: leader.Leader,
        send: Callable[[events.Row], None],
    ) -> None:
        self._db = db
        self._leader = leader
        self._send = send

    def publish(self) -> None:
        """Send what was not sent yet, if this conductor leads.

        :raises Unreachable: where a server is away; nothing is lost by it
        """
        while self._leader.leads():
            waiting = self._db.query(
                functools.partial(events.unsent, limit=_AT_ONCE)
            )
            if not waiting:
                return
            sent: list[int] = []
            try:
                for event in waiting:
                    self._send(event)
                    sent.append(event['id'])
            finally:
                if sent:
                    self._db.write(functools.partial(events.sent, ids=sent))
