"""The rounds: one of the conductors looks after the whole group.

It looks for services that went up or down, writes that down as events, sends
what was not sent yet, and has drivers forget who is gone. Any conductor can;
a lease says which one does.
"""

import functools
import logging
import threading
import time
import uuid
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sgconductor import backend
from sgconductor import context as sg_context
from sgconductor import farewell
from sgconductor.conductor import watch
from sgconductor.db import announced_state
from sgconductor.db import disagreements
from sgconductor.db import events
from sgconductor.db import leader_lease
from sgconductor.db import services
from sgconductor.objects import event
from sgconductor.objects import service
from sgconductor.servicegroup import liveness

LOG = logging.getLogger(__name__)

_SENT_AT_ONCE = 100
# Of its time, a conductor spends no more than one part in so many on this.
_REST = 4
# In seconds.
_FORGET_EVERY = 600.0


class Rounds:
    """
    :param here: the conductor's backend
    :param send: sends one event, a row of the events table; raises
        Unreachable if it may not have arrived
    """

    def __init__(
        self,
        here: backend.Backend,
        send: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._here = here
        self._send = send
        self._context = sg_context.RequestContext(backend=here)
        self._holder = str(uuid.uuid4())
        self._stopping = threading.Event()
        self._rest_until = float('-inf')
        self._forget_at = float('-inf')

    def go(self) -> None:
        """Look after the group, if it is this conductor that does.

        :raises Unreachable: where something was away; the next may do better
        """
        begin = time.monotonic()
        if begin < self._rest_until or not self._is_ours():
            return
        self._look()
        farewell.pay(self._here)
        if begin >= self._forget_at:
            self._here.db.write(events.forget)
            self._here.db.write(disagreements.forget)
            self._forget_at = begin + _FORGET_EVERY
        took = time.monotonic() - begin
        self._rest_until = begin + took * _REST

    def tell(self) -> None:
        """Send what was not sent yet, if it is this conductor that does.

        :raises Unreachable: where something was away; the next may do better
        """
        while self._is_ours():
            with self._here.db.reader() as conn:
                waiting = events.unsent(conn, _SENT_AT_ONCE)
            if not waiting:
                return
            sent: list[int] = []
            try:
                for each in waiting:
                    self._send(each)
                    sent.append(each['id'])
            finally:
                if sent:
                    self._here.db.write(
                        functools.partial(events.sent, ids=sent)
                    )

    def stop(self) -> None:
        """Have what is under way end soon."""
        self._stopping.set()

    def give_back(self) -> None:
        """Let another conductor do it at once, after all has ended."""
        self._here.db.write(
            lambda conn: leader_lease.release(conn, self._holder)
        )

    def _is_ours(self) -> bool:
        """Take the lease, or keep it for some more seconds."""
        return not self._stopping.is_set() and self._here.db.write(
            lambda conn: leader_lease.acquire(conn, self._holder)
        )

    def _look(self) -> None:
        judges = self._here.judges
        # What the table alone shows, the database finds by itself.
        drivers_count = any(judge.voice.detects for judge in judges)
        page = watch.everybody if drivers_count else services.turning
        for rows in watch.pages(self._here.db, page):
            if not self._is_ours():
                return
            verdicts = self._here.liveness.judge(rows)
            self._announce(rows, verdicts)
            if self._here.shadow is not None:
                others = self._here.shadow.judge(rows)
                # Where one cannot tell, the table has spoken for it.
                if all(judge.voice.sound for judge in judges):
                    self._compare(rows, verdicts, others)

    def _announce(
        self,
        rows: Sequence[services.Row],
        verdicts: Sequence[liveness.Verdict],
    ) -> None:
        """Write down who turned up or down."""
        for state in ('up', 'down'):
            turning = {
                row['id']: (row, verdict)
                for row, verdict in zip(rows, verdicts, strict=True)
                if verdict.liveness == state != row['state']
            }
            if turning:
                self._turn(turning, state)

    def _turn(
        self,
        turning: Mapping[int, tuple[services.Row, liveness.Verdict]],
        state: str,
    ) -> None:
        incarnations = {
            i: row['incarnation'] for i, (row, _) in turning.items()
        }

        def turn(conn: sa.Connection) -> None:
            turned = announced_state.mark(conn, incarnations, state)
            found = [
                service.Service.from_row(self._context, *turning[i])
                for i in sorted(turned)
                # Of what nobody has said anything yet, this is no news.
                if turning[i][0]['state'] is not None
            ]
            if found:
                event.note(conn, f'service.{state}', *found)

        self._here.db.write(turn)

    def _compare(
        self,
        rows: Sequence[services.Row],
        verdicts: Sequence[liveness.Verdict],
        others: Sequence[liveness.Verdict],
    ) -> None:
        """Count the services on which driver and shadow driver disagree."""
        differ = {
            row['id']: (row, one, other)
            for row, one, other in zip(rows, verdicts, others, strict=True)
            if one.up != other.up
        }
        with self._here.db.reader() as conn:
            known = disagreements.lasting(conn)
        new = set(differ) - known
        over = known & {row['id'] for row in rows} - set(differ)
        if not new | over:
            return

        def note(conn: sa.Connection) -> None:
            disagreements.begin(conn, new)
            disagreements.end(conn, over)

        self._here.db.write(note)
        for i in sorted(new):
            row, one, other = differ[i]
            LOG.warning(
                'The drivers disagree on %s on %s: %s says %s, %s says %s',
                row['binary'],
                row['host'],
                self._here.liveness.voice.name,
                _words(one),
                self._here.shadow and self._here.shadow.voice.name,
                _words(other),
            )
        for row in rows:
            if row['id'] in over:
                LOG.info(
                    'The drivers agree again on %s on %s.',
                    row['binary'],
                    row['host'],
                )


def _words(verdict: liveness.Verdict) -> str:
    return f'{verdict.liveness} {verdict.reason}'.rstrip()
