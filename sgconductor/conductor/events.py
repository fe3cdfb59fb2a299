"""Events: what happened to services, recorded and read."""

import datetime
import json
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor import context as sg_context
from sgconductor import objects
from sgconductor.conductor import liveness
from sgconductor.conductor import requester as sg_requester
from sgconductor.conductor import service_objects
from sgconductor.db import database
from sgconductor.db import events as db_events
from sgconductor.db import services
from sgconductor.objects import base
from sgconductor.objects import event
from sgconductor.objects import fields

_LIMIT = fields.WholeNumber(1, event.PAGE)
_MARKER = fields.WholeNumber(0, fields.MAX_INT)


class Happening(NamedTuple):
    """An event that is to be recorded.

    :ivar type: for example 'service.update'
    :ivar row: the service as it is then
    :ivar by: whose request caused it
    """

    type: str
    row: services.Row
    verdict: liveness.Verdict
    by: sg_requester.Requester


def record(
    conn: sa.Connection,
    happenings: Sequence[Happening],
    now: datetime.datetime | None = None,
) -> None:
    """Write events into the transaction of what they tell.

    :param now: the database's, if it is known
    """
    if not happenings:
        return
    new = []
    serialized: dict[tuple[int, str], str] = {}
    for type_, row, verdict, by in happenings:
        # Of one service there may be several events.
        key = (row['id'], verdict.liveness)
        if key not in serialized:
            serialized[key] = json.dumps(
                service_objects.primitive(row, verdict)
            )
        new.append(
            db_events.New(type_, serialized[key], by.request_id, by.user_id)
        )
    db_events.add(conn, new, now)


class Events(event.EventBackend):
    """Answers for :class:`sgconductor.objects.EventList`."""

    def __init__(self, db: database.Database) -> None:
        self._db = db

    def page(
        self,
        context: sg_context.RequestContext,
        limit: int,
        marker: int | None,
    ) -> objects.EventList:
        limit = base.coerce(_LIMIT, 'limit', limit)
        if marker is not None:
            marker = base.coerce(_MARKER, 'marker', marker)
        rows = self._db.query(
            lambda conn: (
                db_events.newest(conn, limit)
                if marker is None
                else db_events.page(conn, marker, limit)
            )
        )
        return objects.EventList(
            context, objects=[_event(context, row) for row in rows]
        )


def _event(
    context: sg_context.RequestContext, row: db_events.Row
) -> objects.Event:
    return objects.Event(
        context,
        id=row['id'],
        uuid=row['uuid'],
        type=row['type'],
        at=row['at'],
        payload=row['payload'],
        request_id=row['request_id'],
        user_id=row['user_id'],
    )
