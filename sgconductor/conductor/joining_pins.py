"""The pins of services that join together."""

from collections.abc import Collection
from collections.abc import Sequence

import sqlalchemy as sa

from sgconductor.conductor import roster
from sgconductor.db import joins
from sgconductor.db import pins


class JoiningPins:
    """The pins of some binaries, within the transaction of a join.

    :param locked: what there is under the roster's lock
    :ivar rows: by binary; None for a binary that has no pin yet
    :ivar moved: whether a pin was written
    """

    def __init__(
        self,
        conn: sa.Connection,
        locked: pins.Locked,
        binaries: Collection[str],
    ) -> None:
        self._conn = conn
        self.moved = False
        self.rows: dict[str, pins.Row | None] = {
            binary: locked.rows.get(binary) for binary in binaries
        }
        self._lowest: dict[str, int | None] = {
            binary: row['lowest'] for binary, row in locked.rows.items()
        }
        new = [binary for binary, row in self.rows.items() if row is None]
        self._lowest |= pins.minimum(conn, new)
        for binary in binaries:
            self._follow(binary, roster.FOUND)

    def settle(
        self,
        asked: Sequence[joins.Join],
        joined: Sequence[joins.Joined],
    ) -> None:
        """Have the pins say what the services do, now that some have joined.

        :param asked: the joins
        :param joined: what became of each
        """
        taken_over = {
            join.binary
            for join, each in zip(asked, joined, strict=True)
            if each.change != 'create'
        }
        self._lowest |= pins.minimum(self._conn, taken_over)
        for join in asked:
            lowest = self._lowest[join.binary]
            if lowest is None or join.version < lowest:
                self._lowest[join.binary] = join.version
        for binary in dict.fromkeys(join.binary for join in asked):
            of_binary = [join for join in asked if join.binary == binary]
            self._follow(binary, _cause(of_binary))

    def _follow(self, binary: str, cause: str) -> None:
        row, lowest = self.rows[binary], self._lowest[binary]
        if pins.set_minimum(self._conn, binary, row, lowest, cause):
            self.rows[binary] = pins.get(self._conn, binary)
            self.moved = True


def _cause(joined: Sequence[joins.Join]) -> str:
    first, *others = joined
    more = f' and {len(others)} more' if others else ''
    return f'join of {first.host}{more} with version {first.version}'
