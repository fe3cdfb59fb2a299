"""The service: a row of the services table, as everybody sees it."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import Self

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fields as ovo_fields

from sgconductor import backend
from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.db import clock
from sgconductor.db import services
from sgconductor.objects import base
from sgconductor.objects import fields
from sgconductor.servicegroup import liveness

MAX_PAGE = 1000


@ovo_base.VersionedObjectRegistry.register
class Service(base.SGObject):
    """A service of the group.

    ``is_up`` is the conductor's verdict at the moment it read the row: RPC
    liveness from the table and the servicegroup driver's word. It is not
    stored, and no caller can set it.
    """

    # 1.0: Initial version
    # 1.1: Added is_up
    VERSION = '1.1'
    ADDED = {'is_up': '1.1'}

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
    }

    IDENTITY = ('host', 'binary')
    JOINS_WITH = ('topic', 'version', 'report_interval', 'down_after')
    SAVES = (
        'availability_zone',
        'disabled',
        'disabled_reason',
        'forced_down',
    )

    @classmethod
    @ovo_base.remotable
    def get_by_uuid(
        cls, context: sg_context.RequestContext, uuid: str
    ) -> 'Service':
        """
        :raises ServiceNotFound:
        :raises InvalidInput: if it is no UUID
        """
        key = _take(cls, {'uuid': uuid})
        return _get(context, uuid, **key)

    @classmethod
    @ovo_base.remotable
    def get_by_host_and_binary(
        cls, context: sg_context.RequestContext, host: str, binary: str
    ) -> 'Service':
        """
        :raises ServiceNotFound:
        :raises InvalidInput: for a name that no service can have
        """
        key = _take(cls, {'host': host, 'binary': binary})
        return _get(context, f'{host}/{binary}', **key)

    @ovo_base.remotable
    def join(self, token: str) -> dict[str, Any]:
        """Become a member: the service is up from here on.

        Wants host, binary and what ``JOINS_WITH`` names; sets all the rest.
        The same host and binary joining again takes over the row with the
        next incarnation.

        :param token: a UUID that names this join, so that one which is sent
            again, because its answer was late, is not another
        :returns: ``now``: microseconds since 1970 in the database's clock.
            Later releases may add to it.
        :raises InvalidInput: for a field that is missing or cannot work
        """
        missing = [
            name
            for name in (*self.IDENTITY, *self.JOINS_WITH)
            if not self.obj_attr_is_set(name)
        ]
        if missing:
            raise exception.InvalidInput(
                f'a service joins with {", ".join(missing)}'
            )
        if self.down_after <= self.report_interval:
            raise exception.InvalidInput(
                f'down_after ({self.down_after} s) must be longer than '
                f'report_interval ({self.report_interval} s)'
            )
        self._may_change(self.IDENTITY + self.JOINS_WITH, 'join')
        here = backend.of(self._context)
        token = _coerce(fields.Uuid().coerce, 'token', token)
        values = {name: getattr(self, name) for name in self.JOINS_WITH}
        row, now = here.db.write(
            lambda conn: services.join(
                conn, self.host, self.binary, token, values
            )
        )
        # The driver hears of the member only after this.
        self._read(row, liveness.by_table(row))
        return {'now': clock.to_micros(now)}

    @ovo_base.remotable
    def sync(self) -> dict[str, Any]:
        """Ask for the conductor's word on this member.

        :returns: ``word``: 'fine', 'superseded', 'deleted', 'forced down',
            or 'rejoin' (the table says that it left, or knows only an older
            incarnation, as after a restored backup); ``now``: microseconds
            since 1970 in the database's clock. Later releases may add to
            both.
        """
        with backend.of(self._context).db.reader() as conn:
            row, now = services.look(conn, self.uuid)
        return {'word': self._word(row), 'now': clock.to_micros(now)}

    @ovo_base.remotable
    def leave(self) -> bool:
        """Say that the stop is planned: the service is down at once.

        :returns: whether it counted; not if a newer process has joined
        """
        here = backend.of(self._context)
        row = here.db.write(
            lambda conn: services.leave(conn, self.uuid, self.incarnation)
        )
        if row is not None:
            here.liveness.leave(row)
        return row is not None

    @ovo_base.remotable
    def save(self) -> None:
        """Write an admin's changes; liveness is not touched.

        :raises ReadOnlyField: for a change of what is not in ``SAVES``
        :raises ServiceNotFound: if it was deleted meanwhile
        """
        changes = self._may_change(self.SAVES, 'save')
        if not changes:
            return
        here = backend.of(self._context)
        if not here.db.write(
            lambda conn: services.save(conn, self.uuid, changes)
        ):
            raise exception.ServiceNotFound(self.uuid)
        self._refresh(here)

    @ovo_base.remotable
    def refresh(self) -> None:
        """Read everything again, with a new verdict.

        :raises ServiceNotFound: if it was deleted meanwhile
        """
        self._refresh(backend.of(self._context))

    @ovo_base.remotable
    def destroy(self) -> None:
        """Delete the service; its process, if it runs, learns it.

        :raises ServiceNotFound: if it was deleted already
        """
        here = backend.of(self._context)
        row = here.db.write(lambda conn: services.destroy(conn, self.uuid))
        if row is None:
            raise exception.ServiceNotFound(self.uuid)
        here.liveness.leave(row)

    @classmethod
    def from_row(
        cls,
        context: sg_context.RequestContext,
        row: services.Row,
        verdict: liveness.Verdict,
    ) -> Self:
        """The service that a row is; for the conductor's own use."""
        service = cls(context)
        service._read(row, verdict)
        return service

    def _read(self, row: services.Row, verdict: liveness.Verdict) -> None:
        for name in self.fields:
            if name != 'is_up':
                setattr(self, name, row[name])
        self.is_up = verdict.up
        self.obj_reset_changes()

    def _refresh(self, here: backend.Backend) -> None:
        with here.db.reader() as conn:
            row = services.get(conn, uuid=self.uuid)
        if row is None:
            raise exception.ServiceNotFound(self.uuid)
        self._read(row, *here.liveness.judge([row]))

    def _may_change(self, names: Sequence[str], method: str) -> dict[str, Any]:
        changes = self.obj_get_changes()
        refused = sorted(set(changes) - set(names))
        if refused:
            raise exception.ReadOnlyField(
                f'{self.obj_name()}.{method}', refused, names
            )
        return changes

    def _word(self, row: services.Row | None) -> str:
        if row is None or row['deleted']:
            return 'deleted'
        if row['incarnation'] > self.incarnation:
            return 'superseded'
        if row['incarnation'] < self.incarnation or row['left_at']:
            return 'rejoin'
        return 'forced down' if row['forced_down'] else 'fine'


@ovo_base.VersionedObjectRegistry.register
class ServiceList(ovo_base.ObjectListBase[Service], base.SGObject):
    """A page of services, in the order of their ids."""

    # 1.0: Initial version
    VERSION = '1.0'

    fields = {
        'objects': ovo_fields.ListOfObjectsField('Service'),
    }

    @classmethod
    @ovo_base.remotable
    def get_page(
        cls,
        context: sg_context.RequestContext,
        limit: int = MAX_PAGE,
        marker: int | None = None,
        host: str | None = None,
        binary: str | None = None,
        topic: str | None = None,
        disabled: bool | None = None,
        up: bool | None = None,
    ) -> 'ServiceList':
        """The first services after a marker that match all filters.

        :param limit: how many at most, 1 to 1000; fewer come only at the end
        :param marker: the ``id`` of the last service of the page before
        :raises InvalidInput: for a filter that no service can match
        """
        wanted = {
            'host': host,
            'binary': binary,
            'topic': topic,
            'disabled': disabled,
        }
        filters = _take(
            Service, {k: v for k, v in wanted.items() if v is not None}
        )
        limit = _coerce(fields.WholeNumber(1, MAX_PAGE).coerce, 'limit', limit)
        marker = _coerce(
            fields.WholeNumber(0, fields.MAX_INT).coerce, 'marker', marker or 0
        )
        if up is not None:
            _coerce(fields.TrueOrFalse().coerce, 'up', up)
        here = backend.of(context)
        found: list[Service] = []
        # The verdict is not SQL's to give, so a filter on it takes as many
        # large pages as it needs; any other list is one SELECT.
        size = limit if up is None else MAX_PAGE
        while len(found) < limit:
            with here.db.reader() as conn:
                rows = services.page(conn, filters, size, marker)
            verdicts = here.liveness.judge(rows)
            found += [
                Service.from_row(context, row, verdict)
                for row, verdict in zip(rows, verdicts, strict=True)
                if up is None or verdict.up == up
            ]
            if len(rows) < size:
                break
            marker = rows[-1]['id']
        return cls(context, objects=found[:limit])

    @classmethod
    def walk(
        cls, context: sg_context.RequestContext, **filters: Any
    ) -> Iterator[Service]:
        """All services that match, fetched a page at a time.

        :param filters: those of :meth:`get_page`
        """
        marker: int | None = None
        while True:
            page = cls.get_page(context, MAX_PAGE, marker, **filters)
            yield from page.objects
            if len(page.objects) < MAX_PAGE:
                return
            marker = page.objects[-1].id


def _get(context: sg_context.RequestContext, name: str, **key: Any) -> Service:
    here = backend.of(context)
    with here.db.reader() as conn:
        row = services.get(conn, **key)
    if row is None:
        raise exception.ServiceNotFound(name)
    return Service.from_row(context, row, *here.liveness.judge([row]))


def _take(cls: type[base.SGObject], values: dict[str, Any]) -> dict[str, Any]:
    """The values as the class's fields take them."""

    def take(name: str) -> Callable[..., Any]:
        return cls.fields[name].coerce

    return {
        name: _coerce(take(name), name, value)
        for name, value in values.items()
    }


def _coerce(coerce: Callable[..., Any], name: str, value: Any) -> Any:
    try:
        return coerce(None, name, value)
    except ValueError as error:
        raise exception.InvalidInput(str(error)) from None
