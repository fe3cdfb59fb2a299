"""The service: a row of the services table, as everybody sees it."""

import abc
from typing import Any

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fields as ovo_fields

from sgconductor import context as sg_context
from sgconductor.objects import fast_codec
from sgconductor.objects import fields


@ovo_base.VersionedObjectRegistry.register
class Service(fast_codec.Flat):
    """A service of the group.

    ``liveness`` is the conductor's verdict at the moment it read the row:
    'up', 'down' or 'unknown', by RPC liveness from the table and by the
    servicegroup driver. It is not stored, and no caller can set it.
    ``is_up`` is false only for a service that is certainly down.
    """

    # 1.0: Initial version
    # 1.1: Added is_up
    # 1.2: Added quarantined, pin_epoch, quarantine() and unquarantine()
    # 1.3: Added liveness, liveness_reason and explain()
    # 1.4: Added update()
    VERSION = '1.4'
    ADDED = {
        'is_up': '1.1',
        'quarantined': '1.2',
        'pin_epoch': '1.2',
        'liveness': '1.3',
        'liveness_reason': '1.3',
    }

    fields = {
        'id': fields.IdField(),
        'uuid': fields.UuidField(),
        'host': fields.HostField(),
        'binary': fields.BinaryField(),
        'topic': fields.TopicField(),
        'availability_zone': fields.TextField(nullable=True),
        'version': fields.NumberField(),
        'incarnation': fields.IdField(),
        'report_interval': fields.SecondsField(),
        'down_after': fields.SecondsField(),
        'report_count': fields.CountField(),
        'last_seen_up': fields.MomentField(),
        'left_at': fields.MomentField(nullable=True),
        'disabled': fields.TrueOrFalseField(),
        'disabled_reason': fields.TextField(nullable=True),
        'forced_down': fields.TrueOrFalseField(),
        'created_at': fields.MomentField(),
        'updated_at': fields.MomentField(nullable=True),
        'is_up': fields.TrueOrFalseField(nullable=True),
        'quarantined': fields.TrueOrFalseField(),
        'pin_epoch': fields.CountField(),
        'liveness': ovo_fields.EnumField(('up', 'down', 'unknown')),
        'liveness_reason': ovo_fields.StringField(),
    }

    IDENTITY = ('host', 'binary')
    JOINS_WITH = ('topic', 'version', 'report_interval', 'down_after')
    SAVES = (
        'availability_zone',
        'disabled',
        'disabled_reason',
        'forced_down',
    )
    UPDATES = (*SAVES, 'quarantined')

    @classmethod
    @ovo_base.remotable
    def get_by_uuid(
        cls, context: sg_context.RequestContext, uuid: str
    ) -> 'Service':
        """
        :raises ServiceNotFound:
        :raises InvalidInput: if it is no UUID
        """
        return context.part(ServiceBackend).get(context, uuid=uuid)

    @classmethod
    @ovo_base.remotable
    def get_by_host_and_binary(
        cls, context: sg_context.RequestContext, host: str, binary: str
    ) -> 'Service':
        """
        :raises ServiceNotFound:
        :raises InvalidInput: for a name that no service can have
        """
        return context.part(ServiceBackend).get(
            context, host=host, binary=binary
        )

    @ovo_base.remotable
    def join(self, token: str) -> dict[str, Any]:
        """Become a member: the service is up from here on.

        Wants host, binary and what ``JOINS_WITH`` names; sets all the rest.
        The same host and binary joining again takes over the row with the
        next incarnation.

        :param token: a UUID that names this join: a join that is sent again,
            because its answer was late, has the same one and counts once
        :returns: ``now``: microseconds since 1970 in the database's clock;
            ``epoch`` and ``pins``: all versions in force, by binary;
            ``driver``: the servicegroup driver that the conductors use.
            Later releases may add to it.
        :raises InvalidInput: for a field that is missing or cannot work
        :raises ServiceTooOld: if the pin is beyond its version
        """
        return self._backend.join(self, token)

    @ovo_base.remotable
    def sync(self) -> dict[str, Any]:
        """Ask the conductor how this member stands.

        :returns: ``word``: 'fine', 'superseded', 'deleted', 'forced down',
            or 'rejoin' (the table says that it left or is in quarantine, or
            knows only an older incarnation, as after a restored backup);
            the rest as from :meth:`join`. Later releases may add to both.
        """
        return self._backend.sync(self)

    @ovo_base.remotable
    def leave(self) -> bool:
        """Say that the stop is planned: the service is down at once.

        :returns: whether it counted; not if a newer process has joined
        """
        return self._backend.leave(self)

    @ovo_base.remotable
    def update(self, changes: dict[str, Any], guarded: bool = False) -> None:
        """Change what operators set, all of it or nothing.

        The object needs only its key: ``uuid``, or ``host`` and ``binary``,
        or ``id``; the first of these that is set counts. It has all of its
        fields afterwards. Enabling a service clears its ``disabled_reason``.
        An update to what the service already is writes nothing and is no
        event. Liveness is not touched.

        :param changes: new values by the names of ``UPDATES``
        :param guarded: refuse if the service was edited, or joined again,
            since this object was read, which its ``updated_at`` tells. (On
            SQLite, not within the same millisecond.)
        :raises ServiceNotFound:
        :raises InvalidInput: for a value that its field does not take, or an
            object without its key
        :raises ReadOnlyField: for a name that is not in ``UPDATES``
        :raises StateConflict: for a reason on a service that is enabled
        :raises ServiceChanged: if ``guarded``, and it was edited or joined
        :raises ServiceIsUp: for the quarantine of a service that is up
        :raises ServiceTooOld: for the end of a quarantine, if the pin is
            beyond its version by now
        """
        self._backend.update(self, changes, guarded)

    @ovo_base.remotable
    def save(self) -> None:
        """Write the changes to this object, as :meth:`update` does.

        :raises ReadOnlyField: for a change of what is not in ``SAVES``
        :raises ServiceNotFound: if it was deleted meanwhile
        :raises StateConflict: as :meth:`update`
        """
        self._backend.save(self)

    @ovo_base.remotable
    def refresh(self) -> None:
        """Read everything again, with a new verdict.

        :raises ServiceNotFound: if it was deleted meanwhile
        """
        self._backend.refresh(self)

    @ovo_base.remotable
    def destroy(self) -> None:
        """Delete the service. Its process, if it runs, learns that.

        The object needs only its key, as for :meth:`update`.

        :raises ServiceNotFound: if it was deleted already
        """
        self._backend.destroy(self)

    @ovo_base.remotable
    def quarantine(self) -> None:
        """Stop counting a dead service for the pin.

        If it does come back, it must be admitted like any other.

        :raises ServiceIsUp: for one that is up
        :raises ServiceNotFound: if it was deleted meanwhile
        """
        self._backend.update(self, {'quarantined': True}, guarded=False)

    @ovo_base.remotable
    def unquarantine(self) -> None:
        """Count the service for the pin again.

        :raises ServiceTooOld: if the pin is beyond its version by now
        :raises ServiceNotFound: if it was deleted meanwhile
        """
        self._backend.update(self, {'quarantined': False}, guarded=False)

    @ovo_base.remotable
    def explain(self) -> list[dict[str, Any]]:
        """The evidence behind ``liveness``, piece by piece.

        :returns: mappings of ``source``, ``says`` (for people), ``age``
            (seconds; None where it has none) and ``speaks_for`` ('up',
            'down', 'unknown', or '' for a piece that only explains another).
            Later releases may add to them.
        :raises ServiceNotFound: if it was deleted meanwhile
        """
        return self._backend.explain(self)

    @property
    def _backend(self) -> 'ServiceBackend':
        context: sg_context.RequestContext = self._context
        return context.part(ServiceBackend)


class ServiceBackend(abc.ABC):
    """The behaviour of services, which a conductor implements.

    Each method does what the method of :class:`Service` of the same name
    promises, and sets the fields of the service that it is given.
    """

    @abc.abstractmethod
    def get(self, context: sg_context.RequestContext, **key: Any) -> Service:
        """
        :param key: ``uuid=``, or ``host=`` and ``binary=``
        """

    @abc.abstractmethod
    def join(self, service: Service, token: str) -> dict[str, Any]: ...

    @abc.abstractmethod
    def sync(self, service: Service) -> dict[str, Any]: ...

    @abc.abstractmethod
    def leave(self, service: Service) -> bool: ...

    @abc.abstractmethod
    def update(
        self, service: Service, changes: dict[str, Any], guarded: bool
    ) -> None: ...

    @abc.abstractmethod
    def save(self, service: Service) -> None: ...

    @abc.abstractmethod
    def refresh(self, service: Service) -> None: ...

    @abc.abstractmethod
    def destroy(self, service: Service) -> None: ...

    @abc.abstractmethod
    def explain(self, service: Service) -> list[dict[str, Any]]: ...
