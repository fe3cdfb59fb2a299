"""The leader's sweep: looks over the whole group, again and again.

It finds services that went up or down and records that, compares the driver
with the shadow driver, has drivers forget members that are gone, and deletes
what is old.
"""

import functools
import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import sqlalchemy as sa

from sgconductor.conductor import change_log
from sgconductor.conductor import deregistrations
from sgconductor.conductor import events
from sgconductor.conductor import judges
from sgconductor.conductor import leader
from sgconductor.conductor import liveness
from sgconductor.conductor import requester
from sgconductor.conductor import shadow_comparison
from sgconductor.db import announced_state
from sgconductor.db import clock_set_back
from sgconductor.db import database
from sgconductor.db import disagreements
from sgconductor.db import events as db_events
from sgconductor.db import services

_PAGE = 1000
# Sweep duty cycle: a conductor sweeps for at most 1/_REST of the time.
_REST = 4
# In seconds.
_FORGET_EVERY = 600.0
# Where nodes of a cluster have different clocks, there are always moments from
# the future.
_CLAMP_EVERY = 5.0


class Sweep:
    """Sweeps over the group while this conductor leads."""

    def __init__(
        self,
        db: database.Database,
        judges: judges.Judges,
        leader: leader.Leader,
        deregistrations: deregistrations.Deregistrations,
        changes: change_log.ChangeLog,
    ) -> None:
        self._db = db
        self._judges = judges
        self._leader = leader
        self._deregistrations = deregistrations
        self._changes = changes
        self._comparison = shadow_comparison.ShadowComparison(
            db, judges, changes
        )
        self._rest_until = float('-inf')
        self._forget_at = float('-inf')
        self._clamp_at = float('-inf')

    def run(self) -> None:
        """Sweep once, if this conductor leads.

        :raises Unreachable: where a server is away; the next sweep goes on
        """
        self._changes.flush()
        begin = time.monotonic()
        if begin < self._rest_until or not self._leader.leads():
            return
        self._look_over()
        self._deregistrations.flush()
        # If there are more old events, the next sweep goes on.
        if begin >= self._forget_at and not self._db.write(db_events.forget):
            self._db.write(disagreements.forget)
            self._forget_at = begin + _FORGET_EVERY
        took = time.monotonic() - begin
        self._rest_until = begin + took * _REST

    def _look_over(self) -> None:
        for rows in self._pages():
            if not self._leader.leads():
                return
            if clock_set_back.has_future_moments(rows):
                self._clamp()
            verdicts = self._judges.primary.judge(rows)
            self._announce(rows, verdicts)
            self._comparison.compare(rows, verdicts)

    def _clamp(self) -> None:
        """Let silence count from now on where moments are from the future.

        A conductor that notices the step of the clock has done this already,
        but all may have been started after it.
        """
        now = time.monotonic()
        if now >= self._clamp_at:
            self._db.write(clock_set_back.clamp)
            self._clamp_at = now + _CLAMP_EVERY

    def _pages(self) -> Iterator[Sequence[services.Row]]:
        """The services that may have turned, by id, one SELECT a page."""
        # What the table alone shows, the database finds by itself.
        page = services.with_stale_state
        if any(driver.detects for driver in self._judges.drivers):
            page = functools.partial(services.page, filters={})
        marker = 0
        while True:
            rows = self._db.query(
                functools.partial(page, limit=_PAGE, marker=marker)
            )
            yield rows
            if len(rows) < _PAGE:
                return
            marker = rows[-1]['id']

    def _announce(
        self,
        rows: Sequence[services.Row],
        verdicts: Sequence[liveness.Verdict],
    ) -> None:
        """Record which services turned up or down."""
        for state in ('up', 'down'):
            turning = {
                row['id']: events.Happening(
                    f'service.{state}', row, verdict, requester.NOBODY
                )
                for row, verdict in zip(rows, verdicts, strict=True)
                if verdict.liveness == state != row['state']
            }
            if not turning:
                continue
            turned = self._db.write(
                functools.partial(_turn, turning=turning, state=state)
            )
            for _, row, verdict, _ in turned:
                self._changes.count(
                    state.capitalize(),
                    row['binary'],
                    row['host'],
                    verdict.reason,
                )


def _turn(
    conn: sa.Connection, turning: Mapping[int, events.Happening], state: str
) -> list[events.Happening]:
    """Announce services to be up or down, and record the events of that.

    :returns: those that turned, of which another state was announced before
    """
    judged = {
        i: announced_state.Judged(
            row['incarnation'],
            row['last_seen_up'] if liveness.is_overdue(row) else None,
        )
        for i, (_, row, *_) in turning.items()
    }
    marked = announced_state.mark(conn, judged, state)
    # The first announcement of a service is no news.
    turned = [
        turning[i]
        for i in sorted(marked)
        if turning[i].row['state'] is not None
    ]
    events.record(conn, turned)
    return turned
