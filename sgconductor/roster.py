"""The roster: which services count, and so where the pins are.

Each change of it is one transaction with the pins that it moves.
"""

import datetime
from collections.abc import Callable
from typing import Any
from typing import TypeVar

import sqlalchemy as sa

from sgconductor import backend
from sgconductor import exception
from sgconductor.db import clock
from sgconductor.db import hearing
from sgconductor.db import pins
from sgconductor.db import services

T = TypeVar('T')

# The cause of what was changed behind a conductor's back.
_FOUND = 'found so by a conductor'


def change(
    here: backend.Backend,
    binary: str,
    cause: str,
    work: Callable[[sa.Connection], T],
) -> tuple[T, pins.State]:
    """Do ``work``, move the binary's pin, commit, and tell the members.

    :param cause: what is done, for people
    :param work: takes a connection; may be started over
    :returns: what ``work`` returned, and all pins after it
    """

    def settled(conn: sa.Connection) -> T:
        pins.settle(conn, [binary], _FOUND)
        result = work(conn)
        pins.settle(conn, [binary], cause)
        return result

    return _move(here, settled)


def settle(here: backend.Backend) -> None:
    """Put right what was changed behind our back.

    As by a conductor of the release before, which keeps no pins, or by a
    database that was restored.
    """

    with here.db.reader() as conn:
        rows = pins.get_all(conn)
        lowest = pins.minimum(conn, pins.binaries(conn))
    known = {row['binary']: row['min_version'] for row in rows}
    if all(v is None or known.get(name) == v for name, v in lowest.items()):
        return
    _move(here, lambda conn: pins.settle(conn, pins.binaries(conn), _FOUND))


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
    pin = pins.get(conn, binary)
    if pin is None or version >= pin['min_version']:
        return
    held = pin['held_version']
    if held is None or held > version:
        raise exception.ServiceTooOld(
            host, binary, version, pin['version'], held
        )
    # A process that joins is the end of the one before it.
    known = pins.followers(conn, hearing.spans(conn), but=(host, binary))
    following, live = pins.following(known, pin['epoch'])
    if following < live:
        raise exception.ServiceTooOld(
            host, binary, version, pin['version'], held, following, live
        )


def word(row: services.Row | None, incarnation: int) -> str:
    """What a conductor says to a member that asks how it stands.

    :param row: of the member's service, deleted or not; None if there is
        none
    :param incarnation: the member's
    """
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


def news(now: datetime.datetime, state: pins.State) -> dict[str, Any]:
    """What joins and syncs answer, to keep a member's clock and pins right.

    :param now: the database's
    """
    return {
        'now': clock.to_micros(now),
        'epoch': state.epoch,
        'pins': state.versions,
    }


def outrun(here: backend.Backend, epoch: int) -> pins.State:
    """Begin an epoch newer than one that a member knows.

    :returns: the pins, which are what they were
    """
    _, after = _move(here, lambda conn: pins.outrun(conn, epoch))
    return after


def _move(
    here: backend.Backend, work: Callable[[sa.Connection], T]
) -> tuple[T, pins.State]:
    """Do ``work`` alone, commit, and tell the members of a new epoch."""

    def attempt(conn: sa.Connection) -> tuple[T, int, pins.State]:
        before = pins.lock(conn)
        result = work(conn)
        return result, before, pins.state(conn)

    result, before, after = here.db.write(attempt)
    if after.epoch != before:
        here.announce(after.epoch, after.versions)
    return result, after
