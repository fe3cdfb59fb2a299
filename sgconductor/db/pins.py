"""SQL on the pins table and the roster.

Functions take an open connection; who calls them owns the transaction.
"""

import datetime
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import cast
from typing import NamedTuple

import sqlalchemy as sa

from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import reception
from sgconductor.db import services

Row = Mapping[str, Any]

_T = models.pins
_ROSTER = models.roster
_SERVICES = models.services
_VERSION = sa.case(
    (_T.c.held_version < _T.c.min_version, _T.c.held_version),
    else_=_T.c.min_version,
).label('version')
_CAUSE_LENGTH = 255

_LOCK = _ROSTER.update().values(changes=_ROSTER.c.changes + 1)
# The lowest as in minimum(): but within another SELECT, databases stop at the
# first entry of the index only when they are asked for no more.
_LOOK = sa.select(
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

# No member can make epochs run out: beyond half of this, none is outrun.
MAX_EPOCH = 2**53
_OUTRUN_UP_TO = 2**52


class State(NamedTuple):
    """All pins at one moment.

    :ivar versions: the pin in force by binary
    :ivar causes: of their last changes, by binary
    """

    epoch: int
    versions: dict[str, int]
    causes: dict[str, str]


class Look(NamedTuple):
    """What there is when a change of the roster begins.

    :ivar now: the database's
    :ivar rows: as of :func:`get`, by binary, with ``lowest``: the version
        that the pin should say, or None
    """

    now: datetime.datetime
    epoch: int
    rows: dict[str, Row]

    @property
    def state(self) -> State:
        """What members go by, if nothing is changed."""
        versions = {name: row['version'] for name, row in self.rows.items()}
        causes = {name: row['cause'] for name, row in self.rows.items()}
        return State(self.epoch, versions, causes)


def lock(conn: sa.Connection) -> Look:
    """Let no other transaction change which services count, until this ends.

    It comes first in a transaction, so that all that is read afterwards is
    what the one before has committed.
    """
    conn.execute(_LOCK)
    rows = cast(Sequence[Row], conn.execute(_LOOK).mappings().all())
    known = {row['binary']: row for row in rows if row['binary']}
    return Look(rows[0]['now'], rows[0]['newest'], known)


def state(conn: sa.Connection) -> State:
    """The epoch and the pins that belong to it, of one moment."""
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

    One statement, and on each database a look at the first entry of the
    index for each binary, however many services there are.

    :param without: hosts to leave out of account, which takes longer
    :returns: by binary; None where nothing counts
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
    """Let the pins say what the services do, after a change of those.

    :param cause: what was changed, for people
    """
    for binary, version in minimum(conn, binaries).items():
        follow(conn, binary, get(conn, binary), version, cause)


def follow(
    conn: sa.Connection,
    binary: str,
    row: Row | None,
    version: int | None,
    cause: str,
) -> bool:
    """Let a pin say what the services do.

    :param row: of :func:`get`
    :param version: of :func:`minimum`
    :param cause: as :func:`settle` takes it
    :returns: whether it said something else
    """
    if version is None or (row and row['min_version'] == version):
        # Without services there is nobody to speak to, and a pin that forgot
        # its version could fall without anybody noticing.
        return False
    held = row['held_version'] if row else None
    _put(conn, binary, row, version, held, cause)
    return True


def hold(
    conn: sa.Connection, row: Row, version: int | None, cause: str
) -> None:
    """Cap a pin, or take the cap away.

    :param row: of :func:`get`
    """
    _put(conn, row['binary'], row, row['min_version'], version, cause)


def outrun(conn: sa.Connection, epoch: int) -> None:
    """Make the epoch newer than one that a member has.

    After the database was restored from a backup, members know epochs that
    it has never had, and would take no older one.
    """
    moved = conn.execute(
        _ROSTER.update()
        .where(_ROSTER.c.epoch < epoch, sa.literal(epoch) <= _OUTRUN_UP_TO)
        .values(epoch=epoch + 1)
    )
    if moved.rowcount:
        # What was confirmed so far was said of other pins.
        conn.execute(_T.update().values(epoch=epoch + 1))


def get(conn: sa.Connection, binary: str) -> Row | None:
    """A pin, with the ``version`` in force."""
    result = conn.execute(sa.select(_T, _VERSION).where(_T.c.binary == binary))
    return cast(Row | None, result.mappings().one_or_none())


def get_all(conn: sa.Connection) -> Sequence[Row]:
    """All pins, by binary, with the ``version`` in force."""
    result = conn.execute(sa.select(_T, _VERSION).order_by(_T.c.binary))
    return cast(Sequence[Row], result.mappings().all())


def binaries(conn: sa.Connection) -> list[str]:
    """All binaries that have services, in a few steps through the index."""
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


def census(
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


def hosts(conn: sa.Connection, names: Collection[str]) -> set[str]:
    """Those of the hosts that have a service that counts."""
    found = conn.execute(
        sa.select(_SERVICES.c.host)
        .where(_SERVICES.c.host.in_(names), *services.COUNTS)
        .distinct()
    )
    return set(found.scalars())


def followers(
    conn: sa.Connection,
    spans: Sequence[reception.Window],
    but: tuple[str, str] | None = None,
) -> dict[int, int]:
    """How many live members' beats carry which epoch.

    :param spans: as :func:`sgconductor.db.services.live` takes them
    :param but: the host and binary of one that is left out of account
    """
    other = (
        [sa.or_(_SERVICES.c.host != but[0], _SERVICES.c.binary != but[1])]
        if but
        else []
    )
    known = services.confirmed().label('pin_epoch')
    rows = conn.execute(
        sa.select(known, sa.func.count().label('number'))
        .where(*services.live(spans), *other)
        .group_by(known)
    )
    return {row.pin_epoch: row.number for row in rows}


def following(epochs: Mapping[int, int], epoch: int) -> tuple[int, int]:
    """How many follow an epoch or a newer one, and of how many.

    :param epochs: of :func:`followers`
    """
    follow = sum(n for known, n in epochs.items() if known >= epoch)
    return follow, sum(epochs.values())


def _put(
    conn: sa.Connection,
    binary: str,
    row: Row | None,
    version: int,
    held: int | None,
    cause: str,
) -> None:
    """Write a pin; a new epoch begins if another version is in force."""
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
