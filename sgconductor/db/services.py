"""SQL on the services table.

Functions take an open connection; who calls them owns the transaction. Rows
are mappings by column name, with ``age`` beside them: the microseconds since
``last_seen_up`` by the database's clock.
"""

import decimal
import functools
import json
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import cast
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor.db import beat_update
from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import packed_rows
from sgconductor.db import reception

Row = packed_rows.Row

_T = models.services
_READ = packed_rows.Packed(
    *(
        c
        for c in _T.c
        if c.name not in ('deleted', 'deleted_at', 'join_token')
    ),
    clock.age(_T.c.last_seen_up).label('age'),
)
_LIVING = _T.c.deleted == 0

# Counts for the pin of its binary. Not "IS false", with which MariaDB cannot
# use the index.
COUNTS = (_LIVING, _T.c.quarantined == sa.false())


class Beat(NamedTuple):
    """One beat, or several of one incarnation folded into one.

    :ivar stamp: microseconds since 1970 in the database's clock
    :ivar beats: how many were folded
    :ivar epoch: of the pins that the member goes by; 0 if it follows none
    """

    id: int
    incarnation: int
    stamp: int
    beats: int = 1
    epoch: int = 0


def beat_many(conn: sa.Connection, beats: Collection[Beat]) -> int:
    """Write a batch of beats in one statement.

    A beat of an older incarnation, or of a deleted or unknown service,
    changes nothing; one from the past or the future moves ``last_seen_up``
    neither back nor beyond now.

    :param beats: at most one for each (id, incarnation)
    :returns: how many found their row
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


def leave(conn: sa.Connection, uuid: str, incarnation: int) -> Row | None:
    """Mark a stop as planned.

    :returns: the row; None if that incarnation is not the row's
    """
    result = conn.execute(
        _T.update()
        .where(_T.c.uuid == uuid, _T.c.incarnation == incarnation, _LIVING)
        .values(left_at=clock.utcnow())
    )
    return get(conn, uuid=uuid) if result.rowcount else None


def look(conn: sa.Connection, uuid: str) -> tuple[Row | None, Any]:
    """What became of a row, deleted or not, and the database's now.

    :returns: a row of id, incarnation, deleted, quarantined, forced_down,
        left_at and pin_epoch, or None; and now
    """
    one = sa.select(sa.literal(1).label('one')).subquery()
    result = conn.execute(
        sa.select(
            _T.c.id,
            _T.c.incarnation,
            _T.c.deleted,
            _T.c.quarantined,
            _T.c.forced_down,
            _T.c.left_at,
            _T.c.pin_epoch,
            clock.utcnow().label('now'),
        ).select_from(one.outerjoin(_T, _T.c.uuid == uuid))
    )
    row = cast(Row, result.mappings().one())
    return (None if row['id'] is None else row), row['now']


def get(conn: sa.Connection, **key: Any) -> Row | None:
    """The living row whose columns have these values.

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
    """The living rows that have these UUIDs, by UUID."""
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
    """The living rows after ``marker``, by id.

    :param filters: column name to value; all must match
    :param marker: the id before the first one wanted
    """
    where = [_T.c[name] == value for name, value in filters.items()]
    return _READ.read(
        conn, _T.c.id, [*where, _LIVING, _T.c.id > marker], limit
    )


def turning(
    conn: sa.Connection,
    limit: int,
    marker: int = 0,
) -> list[Row]:
    """Those that the table does not show as they were announced, by id.

    Overdue, or down by somebody's word, and announced to be up, or the other
    way round, or not announced yet.

    :param marker: the id before the first one wanted
    """
    down = sa.or_(
        clock.age(_T.c.last_seen_up) > _patience(),
        _T.c.left_at.is_not(None),
        _T.c.forced_down == sa.true(),
        _T.c.quarantined == sa.true(),
    )
    turns = sa.or_(
        _T.c.state.is_(None),
        sa.and_(_T.c.state == 'up', down),
        sa.and_(_T.c.state == 'down', sa.not_(down)),
    )
    return _READ.read(conn, _T.c.id, [_LIVING, _T.c.id > marker, turns], limit)


def oldest(conn: sa.Connection, binary: str, limit: int) -> list[Row]:
    """Those that count and have the lowest version of a binary, by id."""
    counts = (_T.c.binary == binary, *COUNTS)
    lowest = sa.select(sa.func.min(_T.c.version)).where(*counts)
    where = [*counts, _T.c.version == lowest.scalar_subquery()]
    return _READ.read(conn, _T.c.id, where, limit)


def live(
    spans: Sequence[reception.Window],
) -> tuple[sa.ColumnElement[bool], ...]:
    """Those whose process may be speaking to others.

    Neither a driver nor an admin has a say in that.

    :param spans: of :func:`sgconductor.db.reception.spans`
    """
    age = clock.age(_T.c.last_seen_up)
    patience = _patience()
    # In none of the spans was it silent for longer than is allowed.
    return (
        _LIVING,
        _T.c.left_at.is_(None),
        *(
            sa.or_(
                age - sa.literal(span.ended, sa.BigInteger) <= patience,
                sa.literal(span.began - span.ended, sa.BigInteger) <= patience,
            )
            for span in spans
        ),
    )


def confirmed() -> sa.ColumnElement[int]:
    """The epoch that a member has confirmed.

    0 for one that has not been, as members know after the database was
    restored from a backup: they do not go by ours.
    """
    newest = sa.select(models.roster.c.epoch).scalar_subquery()
    return sa.case((_T.c.pin_epoch <= newest, _T.c.pin_epoch), else_=0)


def lagging(
    conn: sa.Connection,
    epoch: int,
    limit: int,
    spans: Sequence[reception.Window],
) -> list[Row]:
    """Live members that go by older pins than those of an epoch, by id.

    :param spans: as :func:`live` takes them
    """
    return _READ.read(
        conn, _T.c.id, [*live(spans), confirmed() < epoch], limit
    )


def census(conn: sa.Connection) -> list[Mapping[str, Any]]:
    """How many living services there are of each kind.

    :returns: topic, binary and state (as it was announced), and of those
        ``total``, ``disabled``, ``forced_down`` and ``quarantined``
    """
    kinds = (_T.c.topic, _T.c.binary, _T.c.state)
    marks = (_T.c.disabled, _T.c.forced_down, _T.c.quarantined)
    found = conn.execute(
        sa.select(
            *kinds,
            sa.func.count().label('total'),
            *(
                sa.func.sum(sa.case((mark == sa.true(), 1), else_=0)).label(
                    mark.name
                )
                for mark in marks
            ),
        )
        .where(_LIVING)
        .group_by(*kinds)
    )
    return [
        {
            name: int(value) if isinstance(value, decimal.Decimal) else value
            for name, value in row.items()
        }
        for row in found.mappings()
    ]


def save(conn: sa.Connection, uuid: str, values: Mapping[str, Any]) -> bool:
    """Write an admin's edit; false if the service is gone.

    Liveness is not touched, whatever is edited.
    """
    result = conn.execute(
        _T.update()
        .where(_T.c.uuid == uuid, _LIVING)
        .values(updated_at=clock.utcnow(), **values)
    )
    return bool(result.rowcount)


def destroy(conn: sa.Connection, uuid: str) -> Row | None:
    """Delete a service softly.

    :returns: the row as it was; None if it is gone already
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
    """The living row with values that come when it is executed."""
    where = [_T.c[name] == sa.bindparam(name) for name in names]
    return sa.select(_READ.column).where(*where, _LIVING)


def _patience() -> sa.ColumnElement[int]:
    """How long each may be silent, in microseconds."""
    return sa.cast(_T.c.down_after, sa.BigInteger) * 1_000_000


def _text(micros: int) -> str:
    moment = clock.from_micros(micros).replace(tzinfo=None)
    return moment.isoformat(sep=' ', timespec='microseconds')
