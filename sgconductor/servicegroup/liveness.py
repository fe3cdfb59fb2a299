"""The rule that decides who is up; there is no other."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from sgconductor import exception
from sgconductor.servicegroup import driver as sg_driver

_SECOND = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """
    :ivar up: whether the service is up
    :ivar reason: why it is down, for people; empty if it is up
    """

    up: bool
    reason: str = ''


_UP = Verdict(True)


class Liveness:
    """Judges services by the table's evidence and a driver's word.

    :param driver: asked once for a whole list
    """

    def __init__(self, driver: sg_driver.Driver) -> None:
        self._driver = driver

    def judge(self, rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
        """A verdict on each row, in order.

        :param rows: of :mod:`sgconductor.db.services`, all read with their
            ``age``
        """
        verdicts = [by_table(row) for row in rows]
        members = {
            i: sg_driver.Member.of(rows[i])
            for i, verdict in enumerate(verdicts)
            if verdict.up
        }
        try:
            roll = self._driver.alive(members.values())
        except exception.Unreachable:
            # Who cannot be asked has no say.
            return verdicts
        for i, member in members.items():
            if member not in roll.alive | roll.unknown:
                verdicts[i] = Verdict(
                    False, f'the servicegroup driver has no {member.binary}'
                )
        return verdicts

    def leave(self, row: Mapping[str, Any]) -> None:
        """Have the driver forget the member behind a row."""
        self._driver.leave(sg_driver.Member.of(row))


def by_table(row: Mapping[str, Any]) -> Verdict:
    """What the table alone says of a row."""
    if row['forced_down']:
        return Verdict(False, 'forced down')
    if row['quarantined']:
        return Verdict(False, 'in quarantine')
    if row['left_at'] is not None:
        return Verdict(False, f'left at {row["left_at"]:%Y-%m-%dT%H:%M:%SZ}')
    if row['age'] > row['down_after'] * _SECOND:
        return Verdict(
            False,
            f'last beat {row["age"] / _SECOND:.1f} s ago, '
            f'allowed {row["down_after"]} s',
        )
    return _UP
