"""What happened to services, in the order in which it was written."""

import abc

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fields as ovo_fields

from sgconductor import context as sg_context
from sgconductor.objects import base
from sgconductor.objects import fields

PAGE = 1000


@ovo_base.VersionedObjectRegistry.register
class Event(base.SGObject):
    """An event: service.create, .update, .delete, .up or .down.

    ``uuid`` is the message id of its notification, and ``payload``, in JSON,
    what that carries: the primitive of the Service, in the version of the
    conductor that wrote it. ``request_id`` and ``user_id`` say whose request
    caused it; both are null if the conductor itself found it, and
    ``user_id`` is null for a request without a user, as those of members
    are.
    """

    # 1.0: Initial version
    # 1.1: Added request_id and user_id
    VERSION = '1.1'
    ADDED = {'request_id': '1.1', 'user_id': '1.1'}

    fields = {
        'id': fields.IdField(),
        'uuid': fields.UuidField(),
        'type': ovo_fields.StringField(),
        'at': fields.MomentField(),
        'payload': ovo_fields.StringField(),
        'request_id': ovo_fields.StringField(nullable=True),
        'user_id': ovo_fields.StringField(nullable=True),
    }

    @property
    def requester(self) -> dict[str, str | None]:
        """``request_id`` and ``user_id``, by name.

        A conductor of the release before does not send them: then both are
        None.
        """
        return {
            name: getattr(self, name) if self.obj_attr_is_set(name) else None
            for name in ('request_id', 'user_id')
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
        limit: int = PAGE,
        marker: int | None = None,
    ) -> 'EventList':
        """The first events after a marker; without one, the newest.

        For a moment, an event may still appear before one that has a higher
        id: :class:`sgconductor.rpcapi.event_tail.EventTail` reads again what
        may be incomplete.

        :param limit: how many at most, 1 to 1000
        :param marker: the ``id`` of an event
        """
        return context.part(EventBackend).page(context, limit, marker)


class EventBackend(abc.ABC):
    """The behaviour of events, which a conductor implements."""

    @abc.abstractmethod
    def page(
        self,
        context: sg_context.RequestContext,
        limit: int,
        marker: int | None,
    ) -> EventList:
        """See :meth:`EventList.get_page`."""
