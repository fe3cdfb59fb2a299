"""Pins: read, held and released."""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import change_log
from sgconductor.conductor import requester
from sgconductor.conductor import roster
from sgconductor.db import database
from sgconductor.db import pins as db_pins
from sgconductor.db import reception
from sgconductor.objects import base
from sgconductor.objects import fields
from sgconductor.objects import pin as pin_objects

_MOST_HOSTS = 1000

# How many services count, by binary and version; and how many live members
# follow an epoch, by epoch.
_Counts = tuple[Mapping[str, Mapping[int, int]], Mapping[int, int]]


class Pins(pin_objects.PinBackend):
    """Answers for :class:`sgconductor.objects.Pin` and ``PinList``."""

    def __init__(
        self,
        db: database.Database,
        roster: roster.Roster,
        changes: change_log.ChangeLog,
    ) -> None:
        self._db = db
        self._roster = roster
        self._changes = changes

    def get(
        self, context: sg_context.RequestContext, binary: str
    ) -> objects.Pin:
        pin = objects.Pin.named(context, binary=binary)
        self._refresh(pin)
        return pin

    def hold(self, pin: objects.Pin, version: int) -> None:
        version = base.coerce(pin.fields['version'], 'version', version)
        self._put(pin, version, f'hold at {version}')

    def release(self, pin: objects.Pin) -> None:
        self._put(pin, None, 'release of the hold')

    def all(self, context: sg_context.RequestContext) -> objects.PinList:
        def read(conn: sa.Connection) -> tuple[Sequence[db_pins.Row], _Counts]:
            rows = db_pins.get_all(conn)
            return rows, _count(conn, rows)

        rows, (census, epochs) = self._db.query(read)
        found = [objects.Pin(context) for _ in rows]
        for pin, row in zip(found, rows, strict=True):
            _fill(pin, row, census[row['binary']], epochs)
        return objects.PinList(context, objects=found)

    def in_force(self) -> dict[str, Any]:
        state = self._db.query(db_pins.state)
        return {'epoch': state.epoch, 'pins': state.versions}

    def what_if(self, without: list[str]) -> dict[str, Any]:
        hosts = _hosts(without)
        missing = set(hosts) - self._db.query(
            lambda conn: db_pins.counting_hosts(conn, hosts)
        )
        if missing:
            raise exception.InvalidInput(
                f'no service counts on {", ".join(sorted(missing))}'
            )
        rows = self._db.query(db_pins.get_all)
        names = [row['binary'] for row in rows]
        lowest = self._db.query(
            lambda conn: db_pins.minimum(conn, names, hosts)
        )
        return {row['binary']: _then(row, lowest) for row in rows}

    def _put(self, pin: objects.Pin, version: int | None, cause: str) -> None:
        if not pin.obj_attr_is_set('binary'):
            raise exception.InvalidInput('a pin is named by its binary')
        by = requester.of(pin.obj_context)

        def put(conn: sa.Connection) -> bool:
            row = _row(conn, pin.binary)
            if row['held_version'] == version:
                return False
            db_pins.hold(conn, row, version, cause)
            return True

        if self._roster.change(pin.binary, cause, put, by):
            self._changes.write_pin(pin.binary, cause, by)
        self._refresh(pin)

    def _refresh(self, pin: objects.Pin) -> None:
        def read(conn: sa.Connection) -> tuple[db_pins.Row, _Counts]:
            row = _row(conn, pin.binary)
            return row, _count(conn, [row])

        row, (census, epochs) = self._db.query(read)
        _fill(pin, row, census[pin.binary], epochs)


def _count(conn: sa.Connection, rows: Sequence[db_pins.Row]) -> _Counts:
    return (
        db_pins.count_by_version(conn, [row['binary'] for row in rows]),
        db_pins.count_by_epoch(conn, reception.windows(conn)),
    )


def _fill(
    pin: objects.Pin,
    row: db_pins.Row,
    census: Mapping[int, int],
    epochs: Mapping[int, int],
) -> None:
    """Set all fields of a pin; none counts as changed.

    :param census: how many services count, by version
    :param epochs: how many live members follow an epoch, by epoch
    """
    pin.binary = row['binary']
    pin.version = row['version']
    pin.min_version = row['min_version']
    pin.held_version = row['held_version']
    pin.epoch = row['epoch']
    pin.since = row['since']
    pin.cause = row['cause']
    pin.services = {str(v): count for v, count in census.items()}
    pin.following, pin.live = db_pins.count_confirmed(epochs, pin.epoch)
    pin.obj_reset_changes()


def _then(row: db_pins.Row, lowest: Mapping[str, int | None]) -> int:
    version = lowest[row['binary']]
    then: int = row['min_version'] if version is None else version
    held = row['held_version']
    return then if held is None else min(then, held)


def _hosts(value: Any) -> Collection[str]:
    if not isinstance(value, list | tuple) or len(value) > _MOST_HOSTS:
        raise exception.InvalidInput(
            f'without must be a list of at most {_MOST_HOSTS} hosts, not '
            f'{value!r:.200}'
        )
    return [base.coerce(fields.HostField(), 'host', host) for host in value]


def _row(conn: sa.Connection, binary: str) -> db_pins.Row:
    row = db_pins.get(conn, binary)
    if row is None:
        raise exception.UnknownBinary(
            binary, [one['binary'] for one in db_pins.get_all(conn)]
        )
    return row
