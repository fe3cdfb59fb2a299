"""The roster: which services count, and so where the pins are.

Each change of it is one transaction with the pins that it moves.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
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
) -> tuple[T, db.pins.State]:
    """Do ``work``, move the binary's pin, commit, and tell the members.

    :param cause: what is done, for people
    :param work: takes a connection; may be started over
    :returns: what ``work`` returned, and all pins after it
    """

    def settled(conn: sa.Connection) -> T:
        db.pins.settle(conn, [binary], _FOUND)
        result = work(conn)
        db.pins.settle(conn, [binary], cause)
        return result

    return _move(here, settled)


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
    _move(
        here, lambda conn: db.pins.settle(conn, db.pins.binaries(conn), _FOUND)
    )


def admit(
    conn: sa.Connection,
    host: str,
    binary: str,
    version: int,
) -> None:
    """Let a service count from here on, or refuse it.

    One that is older than all others may be spoken to in a way that it does
    not know, unless the pin is held at or below its version *and* every live
    member says that it goes by that hold.

    :raises ServiceTooOld: naming the pin, and what to do
    """
    pin = db.pins.get(conn, binary)
    if pin is None or version >= pin['min_version']:
        return
    held = pin['held_version']
    if held is None or held > version:
        raise exception.ServiceTooOld(
            host, binary, version, pin['version'], held
        )
    # A process that joins is the end of the one before it.
    known = db.pins.followers(conn, db.hearing.spans(conn), but=(host, binary))
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


def _word(row: db.services.Row | None, incarnation: int) -> str:
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
    _, after = _move(here, lambda conn: db.pins.outrun(conn, epoch))
    return after


def _move(
    here: backend.Backend, work: Callable[[sa.Connection], T]
) -> tuple[T, db.pins.State]:
    """Do ``work`` alone, commit, and tell the members of a new epoch."""

    def attempt(conn: sa.Connection) -> tuple[T, int, db.pins.State]:
        before = db.pins.lock(conn)
        result = work(conn)
        return result, before, db.pins.state(conn)

    result, before, after = here.db.write(attempt)
    if after.epoch != before:
        here.announce(after.epoch, after.versions)
    return result, after
