"""SQL on the pins table and the roster table.

Functions take an open connection; the caller owns the transaction.
"""

import datetime
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from typing import TypedDict

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import reception
from sgconductor.db import services
from sgconductor.db import typed_rows

_T = models.pins
_ROSTER = models.roster
_SERVICES = models.services
_VERSION = sa.case(
    (_T.c.held_version < _T.c.min_version, _T.c.held_version),
    else_=_T.c.min_version,
).label('version')
_CAUSE_LENGTH = 255

_LOCK = _ROSTER.update().values(changes=_ROSTER.c.changes + 1)
# ``lowest`` is what minimum() reads. Within another SELECT, however, databases
# stop at the first entry of the index only if they are told to by LIMIT 1.
_SELECT_LOCKED = sa.select(
    clock.utcnow().label('now'),
    _ROSTER.c.epoch.label('newest'),
    _T,
    _VERSION,
    sa.select(_SERVICES.c.version)
    .where(_SERVICES.c.binary == _T.c.binary, *services.COUNTS)
    .order_by(_SERVICES.c.version)
    .limit(1)
    .scalar_subquery()
    .label('lowest'),
).select_from(_ROSTER.outerjoin(_T, sa.true()))

# The greatest epoch that a member may report. The roster's epoch is raised
# above a member's only up to half of it, so that no member can use up epochs.
MAX_EPOCH = 2**53
_OUTRUN_UP_TO = 2**52


class Row(TypedDict):
    """A pin.

    :ivar version: the pin in force: the lower of ``min_version`` and
        ``held_version``
    """

    binary: str
    min_version: int
    held_version: int | None
    epoch: int
    since: datetime.datetime
    cause: str
    version: int


class LockedRow(Row):
    """A pin that was read under the lock.

    :ivar lowest: what ``min_version`` should be: the lowest version of the
        services that count, or None if there are none
    """

    lowest: int | None


class State(NamedTuple):
    """All pins at one moment.

    :ivar versions: the pin in force, by binary
    :ivar causes: of their last changes, by binary
    """

    epoch: int
    versions: dict[str, int]
    causes: dict[str, str]


class Locked(NamedTuple):
    """The pins when a change of the roster begins.

    :ivar now: the database's time
    :ivar rows: the pins, by binary
    """

    now: datetime.datetime
    epoch: int
    rows: dict[str, LockedRow]

    @property
    def state(self) -> State:
        """The pins in force, as long as this transaction changes none."""
        versions = {name: row['version'] for name, row in self.rows.items()}
        causes = {name: row['cause'] for name, row in self.rows.items()}
        return State(self.epoch, versions, causes)


def lock_roster(conn: sa.Connection) -> Locked:
    """Lock the roster until the transaction ends, and read all pins.

    No other transaction can change meanwhile which services count. Call it
    first in a transaction: then all that is read afterwards includes what
    the previous holder of the lock has committed.
    """
    conn.execute(_LOCK)
    rows = conn.execute(_SELECT_LOCKED).all()
    known = {
        row.binary: LockedRow(
            binary=row.binary,
            min_version=row.min_version,
            held_version=row.held_version,
            epoch=row.epoch,
            since=row.since,
            cause=row.cause,
            version=row.version,
            lowest=row.lowest,
        )
        for row in rows
        if row.binary
    }
    return Locked(rows[0].now, rows[0].newest, known)


def state(conn: sa.Connection) -> State:
    """The current epoch and its pins, read in one statement."""
    rows = conn.execute(
        sa.select(
            _ROSTER.c.epoch, _T.c.binary, _T.c.cause, _VERSION
        ).select_from(_ROSTER.outerjoin(_T, sa.true()))
    ).all()
    versions = {row.binary: row.version for row in rows if row.binary}
    causes = {row.binary: row.cause for row in rows if row.binary}
    return State(rows[0].epoch, versions, causes)


def minimum(
    conn: sa.Connection,
    binaries: Collection[str],
    without: Collection[str] = (),
) -> dict[str, int | None]:
    """The lowest version of each binary among the services that count.

    This is one statement, and reads one entry of the index for each binary,
    however many services there are.

    :param without: hosts to ignore; then it reads more than one entry
    :returns: the version by binary; None if none of its services counts
    """
    others = [_SERVICES.c.host.not_in(without)] if without else []
    parts = [
        sa.select(
            sa.literal(binary).label('binary'),
            sa.func.min(_SERVICES.c.version).label('version'),
        ).where(_SERVICES.c.binary == binary, *services.COUNTS, *others)
        for binary in binaries
    ]
    if not parts:
        return {}
    rows = conn.execute(sa.union_all(*parts)).all()
    return {row.binary: row.version for row in rows}


def settle(conn: sa.Connection, binaries: Collection[str], cause: str) -> None:
    """Set pins to the lowest version of their services.

    :param cause: what has changed the services, for people
    """
    for binary, version in minimum(conn, binaries).items():
        set_minimum(conn, binary, get(conn, binary), version, cause)


def set_minimum(
    conn: sa.Connection,
    binary: str,
    row: Row | None,
    version: int | None,
    cause: str,
) -> bool:
    """Set one pin to the lowest version of its services.

    :param row: the pin as it is; None if there is none yet
    :param version: of :func:`minimum`
    :param cause: as for :func:`settle`
    :returns: whether the pin was written
    """
    if version is None or (row and row['min_version'] == version):
        # A pin outlives its services. If it were reset, an older service
        # could join unnoticed.
        return False
    held = row['held_version'] if row else None
    _write(conn, binary, row, version, held, cause)
    return True


def hold(
    conn: sa.Connection, row: Row, version: int | None, cause: str
) -> None:
    """Hold a pin, or release it.

    :param row: the pin as it is
    :param version: that the pin is not to exceed; None to release it
    :param cause: as for :func:`settle`
    """
    _write(conn, row['binary'], row, row['min_version'], version, cause)


def raise_epoch(conn: sa.Connection, epoch: int) -> None:
    """Raise the roster's epoch above one that a member has reported.

    After the database was restored from a backup, members know epochs that
    it does not, and ignore pins of older epochs.
    """
    moved = conn.execute(
        _ROSTER.update()
        .where(_ROSTER.c.epoch < epoch, sa.literal(epoch) <= _OUTRUN_UP_TO)
        .values(epoch=epoch + 1)
    )
    if moved.rowcount:
        # Epochs that members have confirmed belong to other pins. None of
        # them may count as a confirmation of these.
        conn.execute(_T.update().values(epoch=epoch + 1))


def get(conn: sa.Connection, binary: str) -> Row | None:
    """The pin of a binary; None if it has none."""
    result = conn.execute(sa.select(_T, _VERSION).where(_T.c.binary == binary))
    rows = typed_rows.fetch(result, Row)
    return rows[0] if rows else None


def get_all(conn: sa.Connection) -> Sequence[Row]:
    """All pins, in the order of their binaries."""
    result = conn.execute(sa.select(_T, _VERSION).order_by(_T.c.binary))
    return typed_rows.fetch(result, Row)


def binaries(conn: sa.Connection) -> list[str]:
    """All binaries that have services: one step in the index for each."""
    found: list[str] = []
    last = ''
    while True:
        name = conn.execute(
            sa.select(sa.func.min(_SERVICES.c.binary)).where(
                _SERVICES.c.binary > last
            )
        ).scalar_one()
        if name is None:
            return found
        found.append(name)
        last = name


def count_by_version(
    conn: sa.Connection, names: Iterable[str]
) -> dict[str, dict[int, int]]:
    """How many services count, by binary and by version."""
    counted: dict[str, dict[int, int]] = {name: {} for name in names}
    rows = conn.execute(
        sa.select(
            _SERVICES.c.binary,
            _SERVICES.c.version,
            sa.func.count().label('number'),
        )
        .where(_SERVICES.c.binary.in_(list(counted)), *services.COUNTS)
        .group_by(_SERVICES.c.binary, _SERVICES.c.version)
        .order_by(_SERVICES.c.binary, _SERVICES.c.version)
    )
    for row in rows:
        counted[row.binary][row.version] = row.number
    return counted


def counting_hosts(conn: sa.Connection, names: Collection[str]) -> set[str]:
    """The hosts among ``names`` that have a service that counts."""
    found = conn.execute(
        sa.select(_SERVICES.c.host)
        .where(_SERVICES.c.host.in_(names), *services.COUNTS)
        .distinct()
    )
    return set(found.scalars())


def count_by_epoch(
    conn: sa.Connection,
    windows: Sequence[reception.Window],
    but: tuple[str, str] | None = None,
) -> dict[int, int]:
    """How many live members have confirmed each epoch.

    :param windows: of :func:`sgconductor.db.reception.windows`
    :param but: the host and binary of a service to ignore
    """
    other = (
        [sa.or_(_SERVICES.c.host != but[0], _SERVICES.c.binary != but[1])]
        if but
        else []
    )
    known = services.confirmed().label('pin_epoch')
    rows = conn.execute(
        sa.select(known, sa.func.count().label('number'))
        .where(*services.live_conditions(windows), *other)
        .group_by(known)
    )
    return {row.pin_epoch: row.number for row in rows}


def count_confirmed(epochs: Mapping[int, int], epoch: int) -> tuple[int, int]:
    """How many members have confirmed at least an epoch, and of how many.

    :param epochs: of :func:`count_by_epoch`
    """
    confirmed = sum(n for known, n in epochs.items() if known >= epoch)
    return confirmed, sum(epochs.values())


def _write(
    conn: sa.Connection,
    binary: str,
    row: Row | None,
    version: int,
    held: int | None,
    cause: str,
) -> None:
    """Write a pin. A new epoch begins if the version in force changes."""
    values: dict[str, Any] = {'min_version': version, 'held_version': held}
    in_force = version if held is None else min(version, held)
    if row is None or row['version'] != in_force:
        values |= {
            'epoch': _next_epoch(conn),
            'since': clock.utcnow(),
            'cause': cause[:_CAUSE_LENGTH],
        }
    if row is None:
        conn.execute(_T.insert().values(binary=binary, **values))
    else:
        conn.execute(_T.update().where(_T.c.binary == binary).values(**values))


def _next_epoch(conn: sa.Connection) -> int:
    conn.execute(_ROSTER.update().values(epoch=_ROSTER.c.epoch + 1))
    return int(conn.execute(sa.select(_ROSTER.c.epoch)).scalar_one())
