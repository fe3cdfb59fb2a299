"""The service: a row of the services table, as everybody sees it."""

import functools
from typing import Any
from typing import Self
from typing import TYPE_CHECKING

from oslo_versionedobjects import base as ovo_base
from oslo_versionedobjects import fields as ovo_fields

from sgconductor import backend
from sgconductor import context as sg_context
from sgconductor import db
from sgconductor import exception
from sgconductor import farewell
from sgconductor import roster
from sgconductor.objects import base
from sgconductor.objects import event
from sgconductor.objects import evidence
from sgconductor.objects import fast_codec
from sgconductor.objects import fields
from sgconductor.objects import joining
from sgconductor.servicegroup import liveness

if TYPE_CHECKING:
    import sqlalchemy as sa


@ovo_base.VersionedObjectRegistry.register
class Service(fast_codec.Flat):
    """A service of the group.

    ``liveness`` is the conductor's verdict at the moment it read the row: RPC
    liveness from the table and the servicegroup driver's word, 'up', 'down'
    or 'unknown'. It is not stored, and no caller can set it. ``is_up`` is
    false only of what is certainly down.
    """

    # 1.0: Initial version
    # 1.1: Added is_up
    # 1.2: Added quarantined, pin_epoch, quarantine() and unquarantine()
    # 1.3: Added liveness, liveness_reason and explain()
    VERSION = '1.3'
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

    @classmethod
    @ovo_base.remotable
    def get_by_uuid(
        cls, context: sg_context.RequestContext, uuid: str
    ) -> 'Service':
        """
        :raises ServiceNotFound:
        :raises InvalidInput: if it is no UUID
        """
        key = base.take(cls, {'uuid': uuid})
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
        key = base.take(cls, {'host': host, 'binary': binary})
        return _get(context, f'{host}/{binary}', **key)

    @ovo_base.remotable
    def join(self, token: str) -> dict[str, Any]:
        """Become a member: the service is up from here on.

        Wants host, binary and what ``JOINS_WITH`` names; sets all the rest.
        The same host and binary joining again takes over the row with the
        next incarnation.

        :param token: a UUID that names this join, so that one which is sent
            again, because its answer was late, is not another
        :returns: ``now``: microseconds since 1970 in the database's clock;
            ``epoch`` and ``pins``: all versions in force, by binary;
            ``driver``: whose word counts beside the table. Later releases
            may add to it.
        :raises InvalidInput: for a field that is missing or cannot work
        :raises ServiceTooOld: if the pin is beyond its version
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
        token = base.coerce(fields.Uuid(), 'token', token)
        here = self._here
        try:
            row, news = here.joins.ask(
                functools.partial(joining.join, here),
                joining.Ask(self, token),
            )
        except exception.ServiceTooOld as error:
            if 'pin_epoch' not in self.added_since(self.VERSION):
                raise
            # To the release before, an error that it does not know is a
            # failure of the conductor's; this one it can show.
            raise exception.InvalidInput(str(error)) from None
        self._read(row, liveness.of_heard(row))
        return {**news, 'driver': here.liveness.voice.name}

    @ovo_base.remotable
    def sync(self) -> dict[str, Any]:
        """Ask for the conductor's word on this member.

        :returns: ``word``: 'fine', 'superseded', 'deleted', 'forced down',
            or 'rejoin' (the table says that it left or is in quarantine, or
            knows only an older incarnation, as after a restored backup);
            the rest as from :meth:`join`. Later releases may add to both.
        """
        return roster.sync(self._here, self.uuid, self.incarnation)

    @ovo_base.remotable
    def leave(self) -> bool:
        """Say that the stop is planned: the service is down at once.

        :returns: whether it counted; not if a newer process has joined
        """
        here = self._here

        def leave(conn: 'sa.Connection') -> bool:
            row = db.services.leave(conn, self.uuid, self.incarnation)
            if row is not None:
                self._turn(conn, row, liveness.by_table(row, ()))
                farewell.owe(here, conn, row)
            return row is not None

        counts = here.db.write(leave)
        farewell.pay(here, self.uuid)
        return counts

    @ovo_base.remotable
    def save(self) -> None:
        """Write an admin's changes; liveness is not touched.

        What is so already is no change, and no event.

        :raises ReadOnlyField: for a change of what is not in ``SAVES``
        :raises ServiceNotFound: if it was deleted meanwhile
        """
        changes = self._may_change(self.SAVES, 'save')
        if not changes:
            return
        row, verdict = self._judged()
        # All or nothing: others may write meanwhile, and fields go together.
        if changes.items() - row.items():
            self._here.db.write(
                lambda conn: self._edit(conn, changes, verdict)
            )
        self._refresh()

    @ovo_base.remotable
    def refresh(self) -> None:
        """Read everything again, with a new verdict.

        :raises ServiceNotFound: if it was deleted meanwhile
        """
        self._refresh()

    @ovo_base.remotable
    def destroy(self) -> None:
        """Delete the service; its process, if it runs, learns it.

        :raises ServiceNotFound: if it was deleted already
        """
        self._refresh()

        here = self._here

        def destroy(conn: 'sa.Connection') -> None:
            row = db.services.destroy(conn, self.uuid)
            if row is None:
                raise exception.ServiceNotFound(self.uuid)
            event.note(conn, 'service.delete', self)
            farewell.owe(here, conn, row)

        roster.change(
            self._here, self.binary, f'delete of {self.host}', destroy
        )
        farewell.pay(here, self.uuid)

    @ovo_base.remotable
    def quarantine(self) -> None:
        """Count it no more for the pin: it is dead, and will not come back.

        If it does come back, it has to be let in as any other.

        :raises ServiceIsUp: for one that is up
        :raises ServiceNotFound: if it was deleted meanwhile
        """
        _, verdict = self._judged()

        def mark(conn: 'sa.Connection') -> None:
            row = self._row(conn)
            if liveness.by_table(row, db.reception.windows(conn)).up:
                raise exception.ServiceIsUp(self.host, self.binary)
            self._edit(conn, {'quarantined': True}, verdict)

        roster.change(
            self._here, self.binary, f'quarantine of {self.host}', mark
        )
        self._refresh()

    @ovo_base.remotable
    def unquarantine(self) -> None:
        """Count it again.

        :raises ServiceTooOld: if the pin is beyond its version by now
        :raises ServiceNotFound: if it was deleted meanwhile
        """
        _, verdict = self._judged()

        def mark(conn: 'sa.Connection') -> None:
            version = self._row(conn)['version']
            pin = db.pins.get(conn, self.binary)
            roster.admit(conn, pin, self.host, self.binary, version)
            self._edit(conn, {'quarantined': False}, verdict)

        roster.change(
            self._here,
            self.binary,
            f'end of the quarantine of {self.host}',
            mark,
        )
        self._refresh()

    @ovo_base.remotable
    def explain(self) -> list[dict[str, Any]]:
        """The evidence behind ``liveness``, piece by piece.

        :returns: mappings of ``source``, ``says`` (for people), ``age``
            (seconds; None where it has none) and ``speaks_for`` ('up',
            'down', 'unknown', or '' for what only explains another). Later
            releases may add to them.
        :raises ServiceNotFound: if it was deleted meanwhile
        """
        row, verdict = self._judged()
        self._read(row, verdict)
        return evidence.collect(self._here, row, verdict)

    @classmethod
    def from_row(
        cls,
        context: sg_context.RequestContext,
        row: 'db.services.Row',
        verdict: liveness.Verdict,
    ) -> Self:
        """The service that a row is; for the conductor's own use."""
        service = cls(context)
        service._read(row, verdict)
        return service

    def alike(self, row: 'db.services.Row', verdict: liveness.Verdict) -> Self:
        """The same for another row, in the context of this one."""
        return self.from_row(self._context, row, verdict)

    def _read(self, row: 'db.services.Row', verdict: liveness.Verdict) -> None:
        fast_codec.fill(self, data(row, verdict))

    def _judged(self) -> 'tuple[db.services.Row, liveness.Verdict]':
        row = self._here.db.query(self._row)
        (verdict,) = self._here.liveness.judge([row])
        return row, verdict

    @property
    def _here(self) -> backend.Backend:
        return backend.of(self._context)

    def _refresh(self) -> None:
        self._read(*self._judged())

    def _edit(
        self,
        conn: 'sa.Connection',
        values: dict[str, Any],
        verdict: liveness.Verdict,
    ) -> None:
        """Write what an admin has ordered; ``verdict`` is of just before."""
        if not db.services.save(conn, self.uuid, values):
            raise exception.ServiceNotFound(self.uuid)
        row = self._row(conn)
        ordered = liveness.by_order(row)
        self._note(conn, 'service.update', row, ordered or verdict)
        if ordered is None and self._here.liveness.voice.trouble:
            # Nobody else can say that it is up again.
            ordered = liveness.by_table(row, db.reception.windows(conn))
        if ordered is not None and ordered.liveness != 'unknown':
            self._turn(conn, row, ordered)

    def _turn(
        self,
        conn: 'sa.Connection',
        row: 'db.services.Row',
        verdict: liveness.Verdict,
    ) -> None:
        """Announce a verdict, unless it is what was announced last."""
        incarnation = {row['id']: row['incarnation']}
        if db.announced_state.mark(conn, incarnation, verdict.liveness):
            self._note(conn, f'service.{verdict.liveness}', row, verdict)

    def _note(
        self,
        conn: 'sa.Connection',
        type_: str,
        row: 'db.services.Row',
        verdict: liveness.Verdict,
    ) -> None:
        event.note(conn, type_, self.alike(row, verdict))

    def _row(self, conn: 'sa.Connection') -> 'db.services.Row':
        row = db.services.get(conn, uuid=self.uuid)
        if row is None:
            raise exception.ServiceNotFound(self.uuid)
        return row


def data(row: 'db.services.Row', verdict: liveness.Verdict) -> dict[str, Any]:
    """The data of a service, as it travels, and more."""
    return {
        **row,
        'is_up': verdict.up,
        'liveness': verdict.liveness,
        'liveness_reason': verdict.reason,
    }


def _get(context: sg_context.RequestContext, name: str, **key: Any) -> Service:
    here = backend.of(context)
    row = here.db.query(functools.partial(db.services.get, **key))
    if row is None:
        raise exception.ServiceNotFound(name)
    return Service.from_row(context, row, *here.liveness.judge([row]))
