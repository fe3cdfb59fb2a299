"""The roster: which services count for the pins.

A change of the roster and of the pins that it moves is one transaction.
"""

from collections.abc import Callable
from collections.abc import Mapping
from typing import TypeVar

import sqlalchemy as sa

from sgconductor.conductor import change_log
from sgconductor.conductor import requester as sg_requester
from sgconductor.db import database
from sgconductor.db import pins

T = TypeVar('T')

# The cause of a change that no conductor has made itself.
FOUND = 'found so by a conductor'


class Roster:
    """Changes the roster: one change after the other, in all conductors.

    :param announce: tells all members the epoch, and the pins by binary
    """

    def __init__(
        self,
        db: database.Database,
        announce: Callable[[int, Mapping[str, int]], None],
        changes: change_log.ChangeLog,
    ) -> None:
        self._db = db
        self._announce = announce
        self._changes = changes

    def commit(
        self,
        work: Callable[[sa.Connection, pins.Locked], tuple[T, bool]],
        by: Mapping[str, sg_requester.Requester],
    ) -> tuple[T, pins.State]:
        """Lock the roster, do ``work``, commit, and announce moved pins.

        :param work: takes a connection and what there is under the lock; may
            be started over; returns a result, and whether it wrote a pin
        :param by: whose request moves a pin, by binary
        :returns: the result, and the pins as they are after it
        """

        def attempt(
            conn: sa.Connection,
        ) -> tuple[T, pins.State, pins.State]:
            locked = pins.lock_roster(conn)
            result, written = work(conn, locked)
            after = pins.state(conn) if written else locked.state
            return result, locked.state, after

        result, before, after = self._db.write(attempt)
        if after.epoch != before.epoch:
            self._announce(after.epoch, after.versions)
            self._log_moves(before, after, by)
        return result, after

    def change(
        self,
        binary: str,
        cause: str,
        work: Callable[[sa.Connection], T],
        by: sg_requester.Requester,
    ) -> T:
        """Change which services of a binary count, and move its pin.

        :param cause: what is done, for people
        :param work: takes a connection; may be started over
        :param by: whose request it is
        :returns: what ``work`` returned
        """

        def settled(
            conn: sa.Connection, _locked: pins.Locked
        ) -> tuple[T, bool]:
            pins.settle(conn, [binary], FOUND)
            result = work(conn)
            pins.settle(conn, [binary], cause)
            return result, True

        return self.commit(settled, {binary: by})[0]

    def settle(self) -> None:
        """Set pins right that do not say what the services do.

        That happens where the table was changed by others: it was restored
        from a backup, or somebody edited it.
        """
        rows, lowest = self._db.query(
            lambda conn: (
                pins.get_all(conn),
                pins.minimum(conn, pins.binaries(conn)),
            )
        )
        known = {row['binary']: row['min_version'] for row in rows}
        if all(
            version is None or known.get(binary) == version
            for binary, version in lowest.items()
        ):
            return

        def found(
            conn: sa.Connection, _locked: pins.Locked
        ) -> tuple[None, bool]:
            pins.settle(conn, pins.binaries(conn), FOUND)
            return None, True

        self.commit(found, {})

    def raise_epoch(self, epoch: int) -> pins.State:
        """Begin an epoch newer than one that a member knows.

        :returns: the pins then
        """

        def work(
            conn: sa.Connection, _locked: pins.Locked
        ) -> tuple[None, bool]:
            pins.raise_epoch(conn, epoch)
            return None, True

        return self.commit(work, {})[1]

    def _log_moves(
        self,
        before: pins.State,
        after: pins.State,
        by: Mapping[str, sg_requester.Requester],
    ) -> None:
        for binary, version in after.versions.items():
            old = before.versions.get(binary)
            cause = after.causes[binary]
            if old == version:
                continue
            requester = sg_requester.NOBODY
            if cause != FOUND:
                requester = by.get(binary, requester)
            moved = f'{"none" if old is None else old} -> {version}'
            self._changes.write_pin(
                binary, f'{moved}, epoch {after.epoch}: {cause}', requester
            )
