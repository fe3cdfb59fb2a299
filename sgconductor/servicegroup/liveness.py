"""The rule that decides who is up; there is no other."""

import dataclasses
import datetime
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Literal

from sgconductor.servicegroup import driver as sg_driver
from sgconductor.servicegroup import monitored_driver

_SECOND = 1_000_000

# Seconds until a driver knows of a member that the table knows.
_JOIN_TAKES = 3.0

# The longest pause between two beats that is no news, in microseconds.
_MOMENT = 3 * _SECOND

# The times, newest first, in which beats were heard: from and to so many
# microseconds ago.
Spans = Sequence[tuple[int, int]]


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """
    :ivar liveness: 'unknown' of one that may be heard again, and that
        nothing has shown to be down
    :ivar reason: for people; empty of one that is plainly up
    """

    liveness: Literal['up', 'down', 'unknown']
    reason: str = ''

    @property
    def up(self) -> bool:
        """Nobody is called down before it is certain."""
        return self.liveness != 'down'


_UP = Verdict('up')


class Liveness:
    """Judges services by the table's evidence and a driver's word.

    :ivar voice: asked once for a whole list
    :param hear: reads when beats could be heard; asked once, for a list in
        which somebody is overdue
    """

    def __init__(
        self,
        voice: monitored_driver.MonitoredDriver,
        hear: Callable[[], Spans],
    ) -> None:
        self.voice = voice
        self._hear = hear

    def judge(self, rows: Sequence[Any]) -> list[Verdict]:
        """A verdict on each row, in order.

        :param rows: of :mod:`sgconductor.db.services`, all read with their
            ``age``
        """
        overdue = any(row['age'] > row['down_after'] * _SECOND for row in rows)
        spans = self._hear() if overdue else ()
        verdicts = [by_table(row, spans) for row in rows]
        if not self.voice.detects:
            return verdicts
        members = {
            i: sg_driver.Member.of(rows[i])
            for i, verdict in enumerate(verdicts)
            if verdict.up
        }
        roll = self.voice.presence(members.values())
        for i, member in members.items():
            if member in roll.alive:
                verdicts[i] = _UP
            elif member in roll.unknown or self._has_just_joined(rows[i]):
                verdicts[i] = _without_driver(rows[i], verdicts[i])
            else:
                verdicts[i] = self._absent(member)
        return verdicts

    def _has_just_joined(self, row: Mapping[str, Any]) -> bool:
        # The driver hears of a member only after the table.
        if row['joined_at'] is None:
            return False
        known_for = seconds_between(row['joined_at'], row['last_seen_up'])
        seconds: float = known_for + row['age'] / _SECOND
        return seconds < min(_JOIN_TAKES, self.voice.patience)

    def _absent(self, member: sg_driver.Member) -> Verdict:
        return Verdict(
            'down',
            f'{self.voice.name} has no {member.binary} on {member.host} in '
            f'group {member.topic}',
        )


def by_table(row: Mapping[str, Any], spans: Spans) -> Verdict:
    """What the table alone says of a row.

    :param spans: when beats could be heard
    """
    ordered = by_order(row)
    if ordered is not None:
        return ordered
    if not _overdue(row):
        return _UP
    seen = f'last beat {row["age"] / _SECOND:.1f} s ago'
    if silence(row['age'], spans, row['down_after']) > _patience(row):
        return Verdict('down', f'{seen}, allowed {row["down_after"]} s')
    if _may_be_on_its_way(row, spans):
        return _UP
    why = f'{seen}, but {_deaf(row["age"], spans)}'
    if row['state'] == 'down':
        return Verdict('down', f'down since {_since(row)}; {why}')
    return Verdict('unknown', why)


def of_heard(row: Mapping[str, Any]) -> Verdict:
    """What is said of one that has just been heard."""
    return by_order(row) or _UP


def by_order(row: Mapping[str, Any]) -> Verdict | None:
    """Down, where somebody has said so; None where evidence decides."""
    if row['forced_down']:
        return Verdict('down', 'forced down')
    if row['quarantined']:
        return Verdict('down', 'in quarantine')
    if row['left_at'] is not None:
        return Verdict('down', f'left at {_text(row["left_at"])}')
    return None


def silence(age: int, spans: Spans, down_after: int) -> int:
    """The longest time for which one was silent that could be heard.

    Gaps that are short beside its patience do not begin that anew: then a
    host that stalls for a moment, now and then, would hide the dead.

    :param age: microseconds since its last beat
    :param down_after: its patience, in seconds
    :returns: microseconds, without a gap in the hearing
    """
    longest = length = 0
    until = None
    for began, ended in reversed(spans):
        if until is None or until - began > down_after * _SECOND // 4:
            length = 0
        length += max(0, min(age, began) - ended)
        longest = max(longest, length)
        until = ended
    return longest


def seconds_between(first: str, second: str) -> float:
    """
    :param first: a moment of a row
    :param second: another one
    """
    begin = datetime.datetime.fromisoformat(first)
    return (datetime.datetime.fromisoformat(second) - begin).total_seconds()


def _without_driver(row: Mapping[str, Any], verdict: Verdict) -> Verdict:
    """What is left where the driver cannot tell: the table decides.

    But who went down by the driver's word is up again only if it has been
    heard since.
    """
    if row['state'] == 'down' and row['last_seen_up'] <= row['state_since']:
        return Verdict(
            'down', f'down since {_since(row)}, and not heard of since'
        )
    return verdict


def _overdue(row: Mapping[str, Any]) -> bool:
    late: bool = row['age'] > _patience(row)
    return late


def _patience(row: Mapping[str, Any]) -> int:
    return int(row['down_after']) * _SECOND


def _may_be_on_its_way(row: Mapping[str, Any], spans: Spans) -> bool:
    """Whether it is overdue for a moment in which nobody is heard.

    There is one between any two beats, and it says nothing yet.
    """
    began, ended = spans[0]
    age = int(row['age'])
    return began > age and age - _patience(row) <= ended <= _MOMENT


def _deaf(age: int, spans: Spans) -> str:
    began, ended = spans[0]
    if began > age:
        return f'nobody has been heard for {ended / _SECOND:.1f} s'
    return f'nobody could be heard until {began / _SECOND:.1f} s ago'


def _since(row: Mapping[str, Any]) -> str:
    return _text(row['state_since'])


def _text(moment: str) -> str:
    return f'{moment:.19}Z'
