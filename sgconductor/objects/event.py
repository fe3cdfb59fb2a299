"""What happened to services, in the order of its writing."""

import datetime
import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fields as ovo_fields

from sgconductor import backend
from sgconductor import context as sg_context
from sgconductor import db
from sgconductor.objects import base
from sgconductor.objects import fields

if TYPE_CHECKING:
    import sqlalchemy as sa

_MAX_PAGE = 1000
_LIMIT = fields.WholeNumber(1, _MAX_PAGE)


@ovo_base.VersionedObjectRegistry.register
class Event(base.SGObject):
    """An event: service.create, .update, .delete, .up or .down.

    ``uuid`` is the message id of its notification, and ``payload``, in JSON,
    what that carries: the primitive of the Service, in the version of the
    conductor that saw it.
    """

    # 1.0: Initial version
    VERSION = '1.0'

    fields = {
        'id': fields.IdField(),
        'uuid': fields.UuidField(),
        'type': ovo_fields.StringField(),
        'at': fields.MomentField(),
        'payload': ovo_fields.StringField(),
    }


@ovo_base.VersionedObjectRegistry.register
class EventList(ovo_base.ObjectListBase[Event], base.SGObject):
    """Events of the last day, in the order of their ids."""

    # 1.0: Initial version
    VERSION = '1.0'

    fields = {
        'objects': ovo_fields.ListOfObjectsField('Event'),
    }

    @classmethod
    @ovo_base.remotable
    def get_page(
        cls,
        context: sg_context.RequestContext,
        limit: int = _MAX_PAGE,
        marker: int | None = None,
    ) -> 'EventList':
        """The first events after a marker; without one, the last there are.

        An event may still appear before one that has a higher id, for a
        moment: whoever follows them looks back a little.

        :param limit: how many at most, 1 to 1000
        :param marker: the ``id`` of an event
        """
        limit = base.coerce(_LIMIT, 'limit', limit)
        with backend.of(context).db.reader() as conn:
            if marker is None:
                rows = db.events.newest(conn, limit)
            else:
                marker = base.coerce(
                    fields.WholeNumber(0, fields.MAX_INT), 'marker', marker
                )
                rows = db.events.page(conn, marker, limit)
        return cls(
            context,
            objects=[
                Event(context, **{name: row[name] for name in Event.fields})
                for row in rows
            ],
        )


def note(conn: 'sa.Connection', type_: str, *services: base.SGObject) -> None:
    """Write events into the transaction of what they tell of.

    :param type_: for example 'service.update'
    :param services: as they are then, one for each event
    """
    note_all(conn, [(type_, each) for each in services])


def note_all(
    conn: 'sa.Connection',
    events: Collection[tuple[str, base.SGObject]],
    now: datetime.datetime | None = None,
) -> None:
    """The same of several types.

    :param events: type and service of each
    :param now: the database's, if it is known
    """
    if events:
        # Of one service there may be several.
        payloads = {
            id(each): json.dumps(each.obj_to_primitive()) for _, each in events
        }
        db.events.add(
            conn, [(type_, payloads[id(one)]) for type_, one in events], now
        )
