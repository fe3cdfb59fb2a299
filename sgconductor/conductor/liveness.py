"""The rule that decides who is up; there is no other."""

import dataclasses
import datetime
from collections.abc import Callable
from collections.abc import Sequence
from typing import Literal

from sgconductor.db import clock
from sgconductor.db import reception
from sgconductor.db import services
from sgconductor.servicegroup import driver as sg_driver
from sgconductor.servicegroup import monitored_driver

_SECOND = 1_000_000

# The longest pause between two beats that is normal, in microseconds.
_PAUSE = 3 * _SECOND

# The times, newest first, in which beats could be received.
Windows = Sequence[reception.Window]


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a service is up.

    :ivar liveness: 'unknown' for a service that may be received again, and
        that no evidence shows to be down
    :ivar reason: for people; empty for a service that is plainly up
    """

    liveness: Literal['up', 'down', 'unknown']
    reason: str = ''

    @property
    def up(self) -> bool:
        """No service is called down before that is certain."""
        return self.liveness != 'down'


_UP = Verdict('up')


class Liveness:
    """Judges services by the table's evidence and by a driver.

    :ivar driver: is asked once for a whole list
    :param read_windows: reads when beats could be received; it is called
        once, for a list that has an overdue service
    """

    def __init__(
        self,
        driver: monitored_driver.MonitoredDriver,
        read_windows: Callable[[], Windows],
    ) -> None:
        self.driver = driver
        self._read_windows = read_windows

    def judge(self, rows: Sequence[services.Row]) -> list[Verdict]:
        """A verdict on each row, in order.

        :param rows: of :mod:`sgconductor.db.services`, with their ``age``
        """
        windows = self._read_windows() if any(map(is_overdue, rows)) else ()
        verdicts = [by_table(row, windows) for row in rows]
        if not self.driver.detects:
            return verdicts
        members = {
            i: sg_driver.Member.of(rows[i])
            for i, verdict in enumerate(verdicts)
            if verdict.up
        }
        presence = self.driver.presence(members.values())
        for i, member in members.items():
            if member in presence.alive:
                verdicts[i] = _UP
            elif member in presence.unknown or self._has_just_joined(rows[i]):
                verdicts[i] = _without_driver(rows[i], verdicts[i])
            else:
                verdicts[i] = self._absent(member)
        return verdicts

    def judge_one(self, row: services.Row) -> Verdict:
        """A verdict on one row."""
        (verdict,) = self.judge([row])
        return verdict

    def _has_just_joined(self, row: services.Row) -> bool:
        # The driver learns of the member only after the table.
        if row['joined_at'] is None:
            return False
        known_for = seconds_between(row['joined_at'], row['last_seen_up'])
        seconds: float = known_for + row['age'] / _SECOND
        return seconds < self.driver.patience

    def _absent(self, member: sg_driver.Member) -> Verdict:
        return Verdict(
            'down',
            f'{self.driver.name} has no {member.binary} on {member.host} in '
            f'group {member.topic}',
        )


def by_table(row: services.Row, windows: Windows) -> Verdict:
    """The verdict of the table alone.

    Silent longer than ``down_after``: down if conductors could receive beats
    all that time; otherwise it keeps the state that it had. Not silent, as it
    seems: up, unless its last beat is from before the database's clock was
    set back; then it keeps the state that it had, too.

    :param windows: when beats could be received
    """
    ordered = by_order(row)
    if ordered is not None:
        return ordered
    if not is_overdue(row):
        return where_clock_went_back(row) or _UP
    seen = f'last beat {row["age"] / _SECOND:.1f} s ago'
    if silence(row['age'], windows, row['down_after']) > _patience(row):
        return Verdict('down', f'{seen}, allowed {row["down_after"]} s')
    if _may_be_on_its_way(row, windows):
        return _UP
    why = f'{seen}, but {_no_reception(row["age"], windows)}'
    if row['state'] == 'down':
        since = _text(row['state_since'] or row['last_seen_up'])
        return Verdict('down', f'down since {since}; {why}')
    return Verdict('unknown', why)


def of_joined(row: services.Row) -> Verdict:
    """The verdict on a service whose join was received just now."""
    return by_order(row) or _UP


def by_order(row: services.Row) -> Verdict | None:
    """Down, where a person or the process said so; None without an order."""
    if row['forced_down']:
        return Verdict('down', 'forced down')
    if row['quarantined']:
        return Verdict('down', 'in quarantine')
    if row['left_at'] is not None:
        return Verdict('down', f'left at {_text(row["left_at"])}')
    return None


def where_clock_went_back(row: services.Row) -> Verdict | None:
    """The verdict where a service is not overdue, but its last beat is old.

    Where the database's clock was set back, an old beat looks fresh, or comes
    from the future. Then the service keeps the state that it had. The first
    condition is :func:`sgconductor.db.services.was_silent`, in Python.

    :returns: None where its last beat is fresh
    """
    since = row['state_since']
    if row['state'] == 'down' and since is not None:
        silent = seconds_between(row['last_seen_up'], since)
        if silent > row['down_after']:
            return _no_beat_since(since)
    if row['age'] >= -clock.TOLERANCE:
        return None
    if row['state'] == 'down' and since is not None:
        return _no_beat_since(since)
    return Verdict(
        'unknown',
        f'the last beat seems to come {-row["age"] / _SECOND:.1f} s from now, '
        f'because the clock of the database was set back',
    )


def silence(age: int, windows: Windows, down_after: int) -> int:
    """The longest time that a service was silent while beats were received.

    Outages that are short beside ``down_after`` do not restart the count:
    otherwise a host that stalls for a moment, now and then, would hide dead
    members.

    :param age: microseconds since its last beat
    :param down_after: its patience, in seconds
    :returns: microseconds, within one stretch of reception
    """
    longest = length = 0
    until = None
    for began, ended in reversed(windows):
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


def _without_driver(row: services.Row, verdict: Verdict) -> Verdict:
    """The verdict where the driver cannot tell: the table decides.

    But a service that went down because the driver said so is up again only
    after a beat that came since.
    """
    since = row['state_since']
    if row['state'] == 'down' and since and row['last_seen_up'] <= since:
        return _no_beat_since(since)
    return verdict


def _no_beat_since(since: str) -> Verdict:
    return Verdict('down', f'down since {_text(since)}, and no beat since')


def is_overdue(row: services.Row) -> bool:
    """Whether a service is silent for longer than its ``down_after``."""
    late: bool = row['age'] > _patience(row)
    return late


def _patience(row: services.Row) -> int:
    return int(row['down_after']) * _SECOND


def _may_be_on_its_way(row: services.Row, windows: Windows) -> bool:
    """Whether it became overdue within a normal pause between two beats.

    Beats sent after the newest window may still be in flight.
    """
    began, ended = windows[0]
    age = int(row['age'])
    return began > age and age - _patience(row) <= ended <= _PAUSE


def _no_reception(age: int, windows: Windows) -> str:
    began, ended = windows[0]
    if ended == reception.EVER:
        return 'the clock of the database was set back, and no beat came since'
    if began > age:
        return f'no beat of any member arrived for {ended / _SECOND:.1f} s'
    return f'no beats could be received until {began / _SECOND:.1f} s ago'


def _text(moment: str) -> str:
    return f'{moment:.19}Z'
