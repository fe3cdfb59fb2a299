"""SQL on the services table.

Functions take an open connection; the caller owns the transaction.
"""

import datetime
import functools
import json
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from typing import TypedDict

import sqlalchemy as sa

from sgconductor.db import beat_update
from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import packed_rows
from sgconductor.db import reception

_T = models.services


class Row(TypedDict):
    """A living row, with moments as text.

    :ivar age: microseconds since ``last_seen_up``, by the database's clock
    """

    id: int
    uuid: str
    host: str
    binary: str
    topic: str
    availability_zone: str | None
    version: int
    incarnation: int
    report_interval: int
    down_after: int
    report_count: int
    last_seen_up: str
    left_at: str | None
    joined_at: str | None
    state: str | None
    state_since: str | None
    disabled: bool
    disabled_reason: str | None
    forced_down: bool
    quarantined: bool
    pin_epoch: int
    created_at: str
    updated_at: str | None
    age: int


class Membership(TypedDict):
    """The columns that decide whether a process is still a member."""

    id: int
    incarnation: int
    deleted: int
    quarantined: bool
    forced_down: bool
    left_at: datetime.datetime | None
    pin_epoch: int


_READ = packed_rows.Packed(
    Row,
    *(_T.c[name] for name in Row.__annotations__ if name != 'age'),
    clock.age(_T.c.last_seen_up).label('age'),
)
_LIVING = _T.c.deleted == 0

# The conditions for a service that counts for the pin of its binary. MariaDB
# could not use the index for "IS false".
COUNTS = (_LIVING, _T.c.quarantined == sa.false())


class Beat(NamedTuple):
    """One beat, or several of one incarnation combined.

    :ivar stamp: microseconds since 1970, by the database's clock
    :ivar beats: how many were combined
    :ivar epoch: of the pins that the member follows; 0 if it follows none
    """

    id: int
    incarnation: int
    stamp: int
    beats: int = 1
    epoch: int = 0


def beat_many(conn: sa.Connection, beats: Collection[Beat]) -> int:
    """Write a batch of beats in one statement.

    A beat of another incarnation than the row's, or of a deleted or unknown
    service, changes nothing. ``last_seen_up`` never goes back, and never
    beyond the database's time: it goes back to that if it is later, because
    the clock was set back.

    :param beats: at most one for each (id, incarnation)
    :returns: how many rows were updated
    """
    # Sorted, so that two conductors' batches lock rows in the same order.
    lines = [
        [
            beat.id,
            beat.incarnation,
            _text(beat.stamp),
            beat.beats,
            beat.epoch,
        ]
        for beat in sorted(beats)
    ]
    result = conn.execute(
        beat_update.update(conn.dialect.name), {'batch': json.dumps(lines)}
    )
    return int(result.rowcount)


class Left(NamedTuple):
    """
    :ivar is_new: whether the member had not left before
    """

    row: Row
    is_new: bool


def leave(conn: sa.Connection, uuid: str, incarnation: int) -> Left | None:
    """Record that a member has left.

    :returns: None if the row has another incarnation
    """
    result = conn.execute(
        _T.update()
        .where(
            _T.c.uuid == uuid,
            _T.c.incarnation == incarnation,
            _T.c.left_at.is_(None),
            _LIVING,
        )
        .values(left_at=clock.utcnow())
    )
    row = get(conn, uuid=uuid)
    if row is None or row['incarnation'] != incarnation:
        return None
    return Left(row, bool(result.rowcount))


def get_membership(
    conn: sa.Connection, uuid: str
) -> tuple[Membership | None, datetime.datetime]:
    """Read a service, deleted or not, and the database's time.

    :returns: the service, or None if there never was one; and the time
    """
    one = sa.select(sa.literal(1).label('one')).subquery()
    row = conn.execute(
        sa.select(
            *(_T.c[name] for name in Membership.__annotations__),
            clock.utcnow().label('now'),
        ).select_from(one.outerjoin(_T, _T.c.uuid == uuid))
    ).one()
    if row.id is None:
        return None, row.now
    found = Membership(
        id=row.id,
        incarnation=row.incarnation,
        deleted=row.deleted,
        quarantined=row.quarantined,
        forced_down=row.forced_down,
        left_at=row.left_at,
        pin_epoch=row.pin_epoch,
    )
    return found, row.now


def get(conn: sa.Connection, **key: Any) -> Row | None:
    """The living row with a key; None if there is none.

    :param key: ``uuid=``, ``id=``, or ``host=`` and ``binary=``
    """
    packed = conn.execute(_by(*key), key).scalar_one_or_none()
    return None if packed is None else _READ.unpack(packed)


def lock(conn: sa.Connection, uuid: str) -> Row | None:
    """The living row, which nobody else can write until this one commits."""
    query = _by('uuid').with_for_update()
    packed = conn.execute(query, {'uuid': uuid}).scalar_one_or_none()
    return None if packed is None else _READ.unpack(packed)


def get_many(conn: sa.Connection, uuids: Collection[str]) -> dict[str, Row]:
    """The living rows with these UUIDs, by UUID."""
    found = conn.execute(
        sa.select(_READ.column).where(_T.c.uuid.in_(uuids), _LIVING)
    )
    rows = map(_READ.unpack, found.scalars())
    return {row['uuid']: row for row in rows}


def page(
    conn: sa.Connection,
    filters: Mapping[str, Any],
    limit: int,
    marker: int = 0,
) -> list[Row]:
    """A page of living rows, by id.

    :param filters: values by column name; all must match
    :param marker: the last id of the page before
    """
    where = [_T.c[name] == value for name, value in filters.items()]
    return _READ.read(
        conn, _T.c.id, [*where, _LIVING, _T.c.id > marker], limit
    )


def with_stale_state(
    conn: sa.Connection,
    limit: int,
    marker: int = 0,
) -> list[Row]:
    """Services whose announced state may be wrong by the table, by id.

    That is a service announced to be up that is overdue, has left, or was
    forced down or quarantined; one announced to be down that is none of
    these, unless that was because of a silence that goes on; one of which no
    state was announced yet; and one with a moment from the future.

    :param marker: the last id of the page before
    """
    down = sa.or_(
        clock.age(_T.c.last_seen_up) > _patience(),
        _T.c.left_at.is_not(None),
        _T.c.forced_down == sa.true(),
        _T.c.quarantined == sa.true(),
        was_silent(),
    )
    turns = sa.or_(
        _T.c.state.is_(None),
        sa.and_(_T.c.state == 'up', down),
        sa.and_(_T.c.state == 'down', sa.not_(down)),
        clock.age(_T.c.last_seen_up) < -clock.TOLERANCE,
        clock.age(_T.c.state_since) < -clock.TOLERANCE,
    )
    return _READ.read(conn, _T.c.id, [_LIVING, _T.c.id > marker, turns], limit)


def at_lowest_version(
    conn: sa.Connection, binary: str, limit: int
) -> list[Row]:
    """Services that keep the pin of a binary down, by id.

    They count, and have the lowest version.
    """
    counts = (_T.c.binary == binary, *COUNTS)
    lowest = sa.select(sa.func.min(_T.c.version)).where(*counts)
    where = [*counts, _T.c.version == lowest.scalar_subquery()]
    return _READ.read(conn, _T.c.id, where, limit)


def live_conditions(
    windows: Sequence[reception.Window],
) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions for a service whose process may be making calls.

    Drivers and admins' orders do not matter here: a process that was forced
    down may still run.

    :param windows: of :func:`sgconductor.db.reception.windows`
    """
    age = clock.age(_T.c.last_seen_up)
    patience = _patience()
    # It was silent for longer than ``down_after`` in none of the windows.
    return (
        _LIVING,
        _T.c.left_at.is_(None),
        *(
            sa.or_(
                age - sa.literal(window.ended, sa.BigInteger) <= patience,
                sa.literal(window.began - window.ended, sa.BigInteger)
                <= patience,
            )
            for window in windows
        ),
    )


def was_silent() -> sa.ColumnElement[bool]:
    """The condition for a service that was announced to be down because it
    was silent, and has sent no beat since.

    It compares two moments of the row and not with now, so it also holds
    after the database's clock was set back. It is the first rule of
    :func:`sgconductor.conductor.liveness.where_clock_went_back`, in SQL.
    """
    silent = clock.age(_T.c.last_seen_up) - clock.age(_T.c.state_since)
    return sa.and_(_T.c.state == 'down', silent > _patience())


def confirmed() -> sa.ColumnElement[int]:
    """An expression for the epoch that a member has confirmed.

    It is 0 for an epoch that is newer than the roster's. Members can have
    such an epoch after the database was restored from a backup; it belongs
    to other pins.
    """
    newest = sa.select(models.roster.c.epoch).scalar_subquery()
    return sa.case((_T.c.pin_epoch <= newest, _T.c.pin_epoch), else_=0)


def unconfirmed(
    conn: sa.Connection,
    epoch: int,
    limit: int,
    windows: Sequence[reception.Window],
) -> list[Row]:
    """Live members that have not confirmed an epoch or a newer one, by id.

    :param windows: as for :func:`live_conditions`
    """
    return _READ.read(
        conn, _T.c.id, [*live_conditions(windows), confirmed() < epoch], limit
    )


def save(conn: sa.Connection, uuid: str, values: Mapping[str, Any]) -> None:
    """Write an operator's edit.

    It changes nothing that beats or joins write.

    :param values: by column name
    """
    conn.execute(
        _T.update()
        .where(_T.c.uuid == uuid, _LIVING)
        .values(updated_at=clock.utcnow(), **values)
    )


def destroy(conn: sa.Connection, uuid: str) -> Row | None:
    """Mark a service as deleted.

    :returns: the row before; None if there is no such service
    """
    row = get(conn, uuid=uuid)
    result = conn.execute(
        _T.update()
        .where(_T.c.uuid == uuid, _LIVING)
        .values(deleted=_T.c.id, deleted_at=clock.utcnow())
    )
    return row if result.rowcount else None


@functools.cache
def _by(*names: str) -> sa.Select[str]:
    """A SELECT of the living row with a key, bound when it is executed."""
    where = [_T.c[name] == sa.bindparam(name) for name in names]
    return sa.select(_READ.column).where(*where, _LIVING)


def _patience() -> sa.ColumnElement[int]:
    """An expression for ``down_after`` in microseconds."""
    return sa.cast(_T.c.down_after, sa.BigInteger) * 1_000_000


def _text(micros: int) -> str:
    moment = clock.from_micros(micros).replace(tzinfo=None)
    return moment.isoformat(sep=' ', timespec='microseconds')
