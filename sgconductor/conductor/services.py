"""Services: looked up, joined, synced, left, updated and deleted."""

from typing import Any

import sqlalchemy as sa

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import announcement
from sgconductor.conductor import change_log
from sgconductor.conductor import deregistrations
from sgconductor.conductor import events
from sgconductor.conductor import explanation
from sgconductor.conductor import joins
from sgconductor.conductor import judges
from sgconductor.conductor import liveness
from sgconductor.conductor import requester
from sgconductor.conductor import roster
from sgconductor.conductor import service_objects
from sgconductor.conductor import updates
from sgconductor.db import clock
from sgconductor.db import database
from sgconductor.db import pins
from sgconductor.db import services
from sgconductor.objects import base
from sgconductor.objects import fields
from sgconductor.objects import service as service_interface

# The version of Service whose callers know StateConflict.
_CONFLICTS = '1.4'


class Services(service_interface.ServiceBackend):
    """Answers for :class:`sgconductor.objects.Service`."""

    def __init__(
        self,
        db: database.Database,
        judges: judges.Judges,
        roster: roster.Roster,
        deregistrations: deregistrations.Deregistrations,
        changes: change_log.ChangeLog,
    ) -> None:
        self._db = db
        self._judges = judges
        self._roster = roster
        self._deregistrations = deregistrations
        self._changes = changes
        self._joins = joins.Joins(roster, changes)
        self._updates = updates.Updates(db, judges.primary, roster, changes)

    def get(
        self, context: sg_context.RequestContext, **key: Any
    ) -> objects.Service:
        row, verdict = self._read(base.take(objects.Service, key))
        return service_objects.make(context, row, verdict)

    def join(self, service: objects.Service, token: str) -> dict[str, Any]:
        answer = self._joins.join(service, token)
        row = answer.joined.row
        service_objects.fill(service, row, liveness.of_joined(row))
        return {
            **_clock_and_pins(answer.now, answer.pins),
            'driver': self._judges.primary.driver.name,
        }

    def sync(self, service: objects.Service) -> dict[str, Any]:
        (row, now), state = self._db.query(
            lambda conn: (
                services.get_membership(conn, service.uuid),
                pins.state(conn),
            )
        )
        if row is not None and row['pin_epoch'] > state.epoch:
            state = self._roster.raise_epoch(row['pin_epoch'])
        word = _word(row, service.incarnation)
        return {'word': word, **_clock_and_pins(clock.to_micros(now), state)}

    def leave(self, service: objects.Service) -> bool:
        by = requester.of(service.obj_context)

        def leave(conn: sa.Connection) -> services.Left | None:
            left = services.leave(conn, service.uuid, service.incarnation)
            if left is not None and left.is_new:
                verdict = liveness.by_table(left.row, ())
                announcement.announce(conn, left.row, verdict, by)
                self._deregistrations.enqueue(conn, left.row)
            return left

        left = self._db.write(leave)
        if left is not None and left.is_new:
            row = left.row
            self._changes.count('Left', row['binary'], row['host'], by=by)
        self._deregistrations.flush(service.uuid)
        return left is not None

    def update(
        self,
        service: objects.Service,
        changes: dict[str, Any],
        guarded: bool,
    ) -> None:
        guarded = base.coerce(fields.TrueOrFalse(), 'guarded', guarded)
        self._update(
            service, updates.Update(changes, service if guarded else None)
        )

    def save(self, service: objects.Service) -> None:
        changes = service.obj_get_changes()
        refused = sorted(set(changes) - set(service.SAVES))
        if refused:
            raise exception.ReadOnlyField(
                'Service.save', refused, service.SAVES
            )
        if not changes:
            return
        try:
            self._update(service, updates.Update(changes))
        except exception.StateConflict as error:
            if base.older(service.VERSION, _CONFLICTS) == _CONFLICTS:
                raise
            # A caller of the release before cannot rebuild the new error.
            raise exception.InvalidInput(str(error)) from None

    def refresh(self, service: objects.Service) -> None:
        row, verdict = self._read(_key(service))
        service_objects.fill(service, row, verdict)

    def destroy(self, service: objects.Service) -> None:
        by = requester.of(service.obj_context)
        row, verdict = self._read(_key(service))

        def destroy(conn: sa.Connection) -> None:
            gone = services.destroy(conn, row['uuid'])
            if gone is None:
                raise exception.ServiceNotFound(row['uuid'])
            events.record(
                conn,
                [events.Happening('service.delete', gone, verdict, by)],
            )
            self._deregistrations.enqueue(conn, gone)

        cause = f'delete of {row["host"]}'
        self._roster.change(row['binary'], cause, destroy, by)
        self._changes.write('Deleted', row['binary'], row['host'], by=by)
        self._deregistrations.flush(row['uuid'])
        service_objects.fill(service, row, verdict)

    def explain(self, service: objects.Service) -> list[dict[str, Any]]:
        row, verdict = self._read(_key(service))
        service_objects.fill(service, row, verdict)
        return explanation.explain(self._db, self._judges, row, verdict)

    def _update(
        self, service: objects.Service, update: updates.Update
    ) -> None:
        row, verdict = self._read(_key(service))
        by = requester.of(service.obj_context)
        self._updates.carry_out(update, row, verdict, by)
        row, verdict = self._read({'uuid': row['uuid']})
        service_objects.fill(service, row, verdict)

    def _read(
        self, key: dict[str, Any]
    ) -> tuple[services.Row, liveness.Verdict]:
        """A row, with the verdict on it.

        :raises ServiceNotFound:
        """
        row = self._db.query(lambda conn: services.get(conn, **key))
        if row is None:
            raise exception.ServiceNotFound('/'.join(map(str, key.values())))
        return row, self._judges.primary.judge_one(row)


def _key(service: objects.Service) -> dict[str, Any]:
    """The key of a service: its values, by field name.

    :raises InvalidInput: if none is set
    """
    for names in (('uuid',), ('host', 'binary'), ('id',)):
        if all(map(service.obj_attr_is_set, names)):
            return {name: getattr(service, name) for name in names}
    raise exception.InvalidInput(
        'a service is named by its uuid, by host and binary, or by its id; '
        'none of them is set'
    )


def _clock_and_pins(now: int, state: pins.State) -> dict[str, Any]:
    """The part of an answer that keeps a member's clock and pins right.

    :param now: the database's, in microseconds since 1970
    """
    return {'now': now, 'epoch': state.epoch, 'pins': state.versions}


def _word(row: services.Membership | None, incarnation: int) -> str:
    """The word that a member gets when it syncs."""
    if row is None or row['deleted']:
        return 'deleted'
    if row['incarnation'] > incarnation:
        return 'superseded'
    if (
        row['incarnation'] < incarnation
        or row['left_at']
        or row['quarantined']
    ):
        return 'rejoin'
    return 'forced down' if row['forced_down'] else 'fine'
