"""Updates: what operators change of a service, and what that means."""

from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import admission
from sgconductor.conductor import announcement
from sgconductor.conductor import change_log
from sgconductor.conductor import events
from sgconductor.conductor import liveness
from sgconductor.conductor import requester as sg_requester
from sgconductor.conductor import roster
from sgconductor.db import database
from sgconductor.db import pins
from sgconductor.db import reception
from sgconductor.db import services
from sgconductor.objects import base
from sgconductor.objects import fields


class Update:
    """An update that a caller asks for.

    :param changes: new values by field name
    :param unchanged_since: the service as the caller has seen it, if the
        update is to be refused where somebody edited it since
    :raises ReadOnlyField: for a name that operators cannot change
    :raises InvalidInput: for a value that its field does not take
    """

    def __init__(
        self,
        changes: Any,
        unchanged_since: objects.Service | None = None,
    ) -> None:
        if not isinstance(changes, dict):
            raise exception.InvalidInput(
                f'changes must be values by name, not {changes!r:.200}'
            )
        may = objects.Service.UPDATES
        refused = [f'{name!s:.80}' for name in changes if name not in may][:10]
        if refused:
            raise exception.ReadOnlyField('Service.update', refused, may)
        self._changes = base.take(objects.Service, changes)
        self._guards = unchanged_since is not None
        self._updated_at = unchanged_since and _updated_at(unchanged_since)

    @property
    def quarantined(self) -> bool | None:
        """The quarantine that is asked for, which moves the pin; or None."""
        return self._changes.get('quarantined')

    def effect(self, row: services.Row) -> dict[str, Any]:
        """The values to write, by column; empty if nothing changes.

        :raises ServiceChanged: if the row was edited, or joined again, since
            the caller read it
        :raises StateConflict: for a reason on a service that is enabled
        """
        host, binary = row['host'], row['binary']
        if self._guards and row['updated_at'] != self._updated_at:
            raise exception.ServiceChanged(host, binary)
        wanted = dict(self._changes)
        if not wanted.get('disabled', row['disabled']):
            if wanted.get('disabled_reason') is not None:
                raise exception.StateConflict(
                    f'{binary} on {host} is enabled, or would be, and only a '
                    f'disabled service has a disabled_reason. Set disabled '
                    f'to true as well.'
                )
            if 'disabled' in wanted:
                wanted['disabled_reason'] = None
        now: Mapping[str, Any] = row
        return {name: v for name, v in wanted.items() if now[name] != v}


class Written(NamedTuple):
    """The result of an update.

    :ivar row: as it was before
    :ivar values: the new values, by column
    """

    row: services.Row
    values: dict[str, Any]


class Updates:
    """Carries updates out: each in one transaction, all of it or nothing.

    :param judge: its driver is asked whether it can be relied on
    """

    def __init__(
        self,
        db: database.Database,
        judge: liveness.Liveness,
        roster: roster.Roster,
        changes: change_log.ChangeLog,
    ) -> None:
        self._db = db
        self._judge = judge
        self._roster = roster
        self._changes = changes

    def carry_out(
        self,
        update: Update,
        row: services.Row,
        verdict: liveness.Verdict,
        by: sg_requester.Requester,
    ) -> None:
        """Write an update, its events, and the pin that it moves.

        :param row: as it was read just now
        :param verdict: on that row
        :raises Exception: what :meth:`Service.update` promises
        """
        if not update.effect(row):
            return

        def work(conn: sa.Connection) -> Written | None:
            locked = services.lock(conn, row['uuid'])
            if locked is None:
                raise exception.ServiceNotFound(row['uuid'])
            # Somebody else may have written it meanwhile.
            values = update.effect(locked)
            if not values:
                return None
            _check_quarantine(conn, locked, values)
            services.save(conn, row['uuid'], values)
            self._record(conn, row['uuid'], verdict, by)
            return Written(locked, values)

        if update.quarantined is None:
            written = self._db.write(work)
        else:
            cause = _cause(row['host'], update.quarantined)
            written = self._roster.change(row['binary'], cause, work, by)
        if written is not None:
            self._log(written, by)

    def _record(
        self,
        conn: sa.Connection,
        uuid: str,
        verdict: liveness.Verdict,
        by: sg_requester.Requester,
    ) -> None:
        """Write the events of an update.

        :param verdict: of just before it
        """
        row = services.get(conn, uuid=uuid)
        assert row is not None
        ordered = liveness.by_order(row)
        events.record(
            conn,
            [events.Happening('service.update', row, ordered or verdict, by)],
        )
        if ordered is None and self._judge.driver.trouble:
            # No driver can say that it is up again.
            ordered = liveness.by_table(row, reception.windows(conn))
        if ordered is not None and ordered.liveness != 'unknown':
            announcement.announce(conn, row, ordered, by)

    def _log(self, written: Written, by: sg_requester.Requester) -> None:
        row, values = written
        before: Mapping[str, Any] = row
        changes = ', '.join(
            f'{name} {before[name]!r} -> {value!r}'
            for name, value in values.items()
        )
        kinds = [
            kind
            for (name, value), kind in _KINDS.items()
            if values.get(name) is value
        ]
        kind = ', '.join(kinds) or 'Edited'
        self._changes.write(kind, row['binary'], row['host'], changes, by)


# What the log calls an update that does these.
_KINDS = {
    ('quarantined', True): 'Quarantined',
    ('quarantined', False): 'Quarantine ended',
    ('forced_down', True): 'Forced down',
    ('forced_down', False): 'Force-down ended',
    ('disabled', True): 'Disabled',
    ('disabled', False): 'Enabled',
}


def _check_quarantine(
    conn: sa.Connection, row: services.Row, values: Mapping[str, Any]
) -> None:
    """Refuse a quarantine, or its end, that would break others' calls.

    :raises ServiceIsUp: for the quarantine of a service that is up
    :raises ServiceTooOld: for the end of one, if the pin is beyond the
        service's version
    """
    host, binary = row['host'], row['binary']
    if values.get('quarantined') is False:
        pin = pins.get(conn, binary)
        admission.admit(conn, pin, host, binary, row['version'])
    if values.get('quarantined') is True:
        after = row.copy()
        after['forced_down'] = values.get('forced_down', row['forced_down'])
        if liveness.by_table(after, reception.windows(conn)).up:
            raise exception.ServiceIsUp(host, binary)


def _cause(host: str, quarantined: bool) -> str:
    """Why the pin of a service moves, for people."""
    if quarantined:
        return f'quarantine of {host}'
    return f'end of the quarantine of {host}'


def _updated_at(service: objects.Service) -> str | None:
    """When a caller has seen a service edited last, as rows tell it.

    :raises InvalidInput: for a service that the caller has not read
    """
    if not service.obj_attr_is_set('updated_at'):
        raise exception.InvalidInput(
            'an update can be guarded only if the service was read before: '
            'its updated_at is not set'
        )
    moment = service.updated_at
    return None if moment is None else fields.Moment().stringify(moment)
