"""Announcements: a service turns up or down, once."""

import sqlalchemy as sa

from sgconductor.conductor import events
from sgconductor.conductor import liveness
from sgconductor.conductor import requester as sg_requester
from sgconductor.db import announced_state
from sgconductor.db import services


def announce(
    conn: sa.Connection,
    row: services.Row,
    verdict: liveness.Verdict,
    by: sg_requester.Requester,
) -> None:
    """Record that a service is up or down, unless that was announced last.

    :param by: whose request causes it
    """
    judged = {row['id']: announced_state.Judged(row['incarnation'])}
    state = verdict.liveness
    if announced_state.mark(conn, judged, state):
        events.record(
            conn, [events.Happening(f'service.{state}', row, verdict, by)]
        )
