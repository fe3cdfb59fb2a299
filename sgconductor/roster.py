"""The roster: which services count, and so where the pins are.

Each change of it is one transaction with the pins that it moves.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import TYPE_CHECKING
from typing import TypeVar

from sgconductor import backend
from sgconductor import db
from sgconductor import exception

if TYPE_CHECKING:
    import sqlalchemy as sa

T = TypeVar('T')

# The cause of what was changed behind a conductor's back.
_FOUND = 'found so by a conductor'


def change(
    here: backend.Backend,
    binary: str,
    cause: str,
    work: Callable[[sa.Connection], T],
) -> T:
    """Do ``work``, move the binary's pin, commit, and tell the members.

    :param cause: what is done, for people
    :param work: takes a connection; may be started over
    :returns: what ``work`` returned
    """

    def settled(conn: sa.Connection, _look: db.pins.Look) -> tuple[T, bool]:
        db.pins.settle(conn, [binary], _FOUND)
        result = work(conn)
        db.pins.settle(conn, [binary], cause)
        return result, True

    return _move(here, settled)[0]


def settle(here: backend.Backend) -> None:
    """Put right what was changed behind our back.

    As by a conductor of the release before, which keeps no pins, or by a
    database that was restored.
    """

    with here.db.reader() as conn:
        rows = db.pins.get_all(conn)
        lowest = db.pins.minimum(conn, db.pins.binaries(conn))
    known = {row['binary']: row['min_version'] for row in rows}
    if all(v is None or known.get(name) == v for name, v in lowest.items()):
        return

    def found(conn: sa.Connection, _look: db.pins.Look) -> tuple[None, bool]:
        db.pins.settle(conn, db.pins.binaries(conn), _FOUND)
        return None, True

    _move(here, found)


def join(
    here: backend.Backend,
    joins: Sequence[db.joins.Join],
    note: Callable[
        [sa.Connection, datetime.datetime, Sequence[db.joins.Joined]], None
    ],
) -> tuple[list[db.joins.Joined | None], dict[str, Any]]:
    """Let services count from here on, and move their pins.

    Of one binary, all have the same version, and each is of another host: so
    the order in which they come makes no difference.

    :param note: takes a connection, the database's now and what has joined;
        may be started over
    :returns: what has joined, in the same order, and what members are told.
        None is for one that has to ask alone.
    :raises ServiceTooOld: for one that is alone
    """

    def work(
        conn: sa.Connection, look: db.pins.Look
    ) -> tuple[tuple[datetime.datetime, list[db.joins.Joined | None]], bool]:
        pins = _Pins(conn, look, {join.binary for join in joins})
        able = [
            join
            for join in joins
            if _is_able(conn, pins.rows[join.binary], join, len(joins))
        ]
        joined = db.joins.join(conn, able, look.now)
        note(conn, look.now, joined)
        pins.follow(able, joined)
        found = dict(zip(able, joined, strict=True))
        return (look.now, [found.get(join) for join in joins]), pins.moved

    (now, joined), state = _move(here, work)
    return joined, news(now, state)


def admit(
    conn: sa.Connection,
    pin: db.pins.Row | None,
    host: str,
    binary: str,
    version: int,
) -> None:
    """Let a service count from here on, or refuse it.

    One that is older than all others may be spoken to in a way that it does
    not know, unless the pin is held at or below its version *and* every live
    member says that it goes by that hold.

    :param pin: of the binary
    :raises ServiceTooOld: naming the pin, and what to do
    """
    if pin is None or version >= pin['min_version']:
        return
    held = pin['held_version']
    if held is None or held > version:
        raise exception.ServiceTooOld(
            host, binary, version, pin['version'], held
        )
    # A process that joins is the end of the one before it.
    known = db.pins.followers(
        conn, db.reception.windows(conn), but=(host, binary)
    )
    following, live = db.pins.following(known, pin['epoch'])
    if following < live:
        raise exception.ServiceTooOld(
            host, binary, version, pin['version'], held, following, live
        )


def sync(here: backend.Backend, uuid: str, incarnation: int) -> dict[str, Any]:
    """What a conductor says to a member that asks how it stands.

    See :meth:`sgconductor.objects.Service.sync`.
    """
    with here.db.reader() as conn:
        row, now = db.services.look(conn, uuid)
        state = db.pins.state(conn)
    if row is not None and row['pin_epoch'] > state.epoch:
        state = _outrun(here, row['pin_epoch'])
    return {'word': _word(row, incarnation), **news(now, state)}


def news(now: datetime.datetime, state: db.pins.State) -> dict[str, Any]:
    """What joins and syncs answer, to keep a member's clock and pins right.

    :param now: the database's
    """
    return {
        'now': db.clock.to_micros(now),
        'epoch': state.epoch,
        'pins': state.versions,
    }


class _Pins:
    """The pins of those that join.

    :ivar rows: by binary; None for one that has none
    :ivar moved: whether one was written
    """

    def __init__(
        self, conn: sa.Connection, look: db.pins.Look, binaries: set[str]
    ) -> None:
        self._conn = conn
        self.moved = False
        self.rows: dict[str, db.pins.Row | None] = {
            binary: look.rows.get(binary) for binary in binaries
        }
        new = [binary for binary, row in self.rows.items() if row is None]
        self._lowest = db.pins.minimum(conn, new) | {
            binary: row['lowest'] for binary, row in look.rows.items()
        }
        for binary in binaries:
            self._follow(binary, _FOUND)

    def follow(
        self,
        joins: Sequence[db.joins.Join],
        joined: Sequence[db.joins.Joined],
    ) -> None:
        """Let them say what there is after some have joined."""
        again = {
            join.binary
            for join, each in zip(joins, joined, strict=True)
            if each.news != 'create'
        }
        self._lowest |= db.pins.minimum(self._conn, again)
        for join in joins:
            lowest = self._lowest[join.binary]
            if lowest is None or join.version < lowest:
                self._lowest[join.binary] = join.version
        for binary in dict.fromkeys(join.binary for join in joins):
            those = [join for join in joins if join.binary == binary]
            self._follow(binary, _cause(those))

    def _follow(self, binary: str, cause: str) -> None:
        row, lowest = self.rows[binary], self._lowest[binary]
        if db.pins.follow(self._conn, binary, row, lowest, cause):
            self.rows[binary] = db.pins.get(self._conn, binary)
            self.moved = True


def _is_able(
    conn: sa.Connection,
    pin: db.pins.Row | None,
    join: db.joins.Join,
    joins: int,
) -> bool:
    """Whether one of so many may join.

    :raises ServiceTooOld: for one that is alone
    """
    if joins == 1:
        admit(conn, pin, join.host, join.binary, join.version)
        return True
    # To one that is below it, the others may be what it has to wait for.
    return pin is None or join.version >= pin['min_version']


def _cause(joins: Sequence[db.joins.Join]) -> str:
    first, *others = joins
    more = f' and {len(others)} more' if others else ''
    return f'join of {first.host}{more} with version {first.version}'


def _word(row: db.services.Membership | None, incarnation: int) -> str:
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


def _outrun(here: backend.Backend, epoch: int) -> db.pins.State:
    """Begin an epoch newer than one that a member knows."""

    def outrun(conn: sa.Connection, _look: db.pins.Look) -> tuple[None, bool]:
        db.pins.outrun(conn, epoch)
        return None, True

    return _move(here, outrun)[1]


def _move(
    here: backend.Backend,
    work: Callable[[sa.Connection, db.pins.Look], tuple[T, bool]],
) -> tuple[T, db.pins.State]:
    """Do ``work`` alone, commit, and tell the members of a new epoch.

    :param work: returns also whether it has written a pin
    """

    def attempt(conn: sa.Connection) -> tuple[T, int, db.pins.State]:
        look = db.pins.lock(conn)
        result, written = work(conn, look)
        after = db.pins.state(conn) if written else look.state
        return result, look.epoch, after

    result, before, after = here.db.write(attempt)
    if after.epoch != before:
        here.announce(after.epoch, after.versions)
    return result, after
