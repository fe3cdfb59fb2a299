"""Updates: what operators change of a service, and what that means."""

from collections.abc import Mapping
from typing import Any

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
    """What is asked for.

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
        refused = sorted(str(name) for name in set(changes) - set(may))
        if refused:
            raise exception.ReadOnlyField('Service.update', refused, may)
        self._changes = base.take(objects.Service, changes)
        self._guards = unchanged_since is not None
        self._updated_at = unchanged_since and _updated_at(unchanged_since)

    @property
    def counts_for_pin(self) -> bool:
        """Whether it may change which services count for the pin."""
        return 'quarantined' in self._changes

    def effect(self, row: services.Row) -> dict[str, Any]:
        """What has to be written, by column; nothing where all is so already.

        :raises ServiceChanged: if the row was edited since the caller saw it
        :raises StateConflict: for a reason on a service that is enabled
        """
        host, binary = row['host'], row['binary']
        if self._guards and row['updated_at'] != self._updated_at:
            raise exception.ServiceChanged(host, binary)
        wanted = dict(self._changes)
        if not wanted.get('disabled', row['disabled']):
            if wanted.get('disabled_reason') is not None:
                raise exception.StateConflict(
                    f'{binary} on {host} is enabled, and only a disabled '
                    f'service has a disabled_reason. Set disabled to true as '
                    f'well.'
                )
            if 'disabled' in wanted:
                wanted['disabled_reason'] = None
        now: Mapping[str, Any] = row
        return {name: v for name, v in wanted.items() if now[name] != v}


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
        effect = update.effect(row)
        if not effect:
            return

        def work(conn: sa.Connection) -> dict[str, Any]:
            locked = services.lock(conn, row['uuid'])
            if locked is None:
                raise exception.ServiceNotFound(row['uuid'])
            # Somebody else may have written it meanwhile.
            values = update.effect(locked)
            if values:
                _check_quarantine(conn, locked, values)
                services.save(conn, row['uuid'], values)
                self._record(conn, row['uuid'], verdict, by)
            return values

        if update.counts_for_pin:
            cause = _cause(row, effect)
            written = self._roster.change(row['binary'], cause, work, by)
        else:
            written = self._db.write(work)
        if written:
            self._log(row, written, by)

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
        told = events.Happening('service.update', row, ordered or verdict, by)
        events.record(conn, [told])
        if ordered is None and self._judge.driver.trouble:
            # No driver can say that it is up again.
            ordered = liveness.by_table(row, reception.windows(conn))
        if ordered is not None and ordered.liveness != 'unknown':
            announcement.announce(conn, row, ordered, by)

    def _log(
        self,
        row: services.Row,
        written: Mapping[str, Any],
        by: sg_requester.Requester,
    ) -> None:
        before: Mapping[str, Any] = row
        changes = ', '.join(
            f'{name} {before[name]!r} -> {value!r}'
            for name, value in written.items()
        )
        kind = next(
            (
                kind
                for (name, value), kind in _KINDS.items()
                if written.get(name) is value
            ),
            'was edited',
        )
        self._changes.write(kind, row['binary'], row['host'], changes, by)


# What the log calls an update, by the first of these that it does.
_KINDS = {
    ('quarantined', True): 'was quarantined',
    ('quarantined', False): 'left quarantine',
    ('forced_down', True): 'was forced down',
    ('forced_down', False): 'is no longer forced down',
    ('disabled', True): 'was disabled',
    ('disabled', False): 'was enabled',
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
        forced_down = values.get('forced_down', row['forced_down'])
        if forced_down:
            return
        if liveness.by_table(row, reception.windows(conn)).up:
            raise exception.ServiceIsUp(host, binary)


def _cause(row: services.Row, values: Mapping[str, Any]) -> str:
    """Why the pin of a service moves, for people."""
    if values.get('quarantined') is False:
        return f'end of the quarantine of {row["host"]}'
    return f'quarantine of {row["host"]}'


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
