"""The result of the cluster drill: a table of faults, and a last line."""

import math
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from tests.cluster import check


class Row(NamedTuple):
    """What happened from the beginning of a fault until the next one.

    :ivar found_after: seconds until the member that was killed was down: from
        its death, or from the end of the last time without an answer since
    :ivar silence: the longest time in which no client had an answer
    :ivar slowest: the longest time in which some client had none
    :ivar no_write: the longest time in which no write was acknowledged
    :ivar failed: how many calls failed
    """

    fault: str
    began: float
    ended: float
    found_after: float
    silence: float
    slowest: float
    no_write: float
    failed: int


class Report(NamedTuple):
    """
    :ivar found_within: seconds within which the dead must be found
    :ivar epochs: wrong epochs and pins
    """

    rows: Sequence[Row]
    looks: int
    silence: float
    found_within: float
    false_downs: Sequence[check.Finding] = ()
    lost_writes: Sequence[check.Finding] = ()
    lost_events: Sequence[check.Finding] = ()
    epochs: Sequence[check.Finding] = ()

    @property
    def late(self) -> Sequence[Row]:
        """The faults during which a dead member was found too late."""
        return [r for r in self.rows if r.found_after > self.found_within]

    @property
    def good(self) -> bool:
        return not (
            self.false_downs
            or self.lost_writes
            or self.lost_events
            or self.epochs
            or self.late
        )

    def table(self) -> Iterator[str]:
        yield (
            f'{"":24}  false  lost    events  longest without an answer'
            f'       failed  dead'
        )
        yield (
            f'{"fault":24}  downs  writes  lost    all      one      '
            f'writes   calls   found after'
        )
        for row in self.rows:
            false, lost, events = (
                sum(row.began < f.at <= row.ended for f in findings)
                for findings in (
                    self.false_downs,
                    self.lost_writes,
                    self.lost_events,
                )
            )
            yield (
                f'{row.fault:24}  {false:5}  {lost:6}  {events:6}'
                f'  {row.silence:5.1f} s  {row.slowest:5.1f} s  '
                f'{row.no_write:6.1f} s  {row.failed:6}  '
                f'{seconds(row.found_after):>11}'
            )

    def findings(self, most: int = 20) -> Iterator[str]:
        """What was wrong, the first of each kind."""
        for some in (
            self.false_downs,
            self.lost_writes,
            self.lost_events,
            self.epochs,
        ):
            lines = list(dict.fromkeys(finding.text for finding in some))
            yield from lines[:most]
            if len(lines) > most:
                yield f'… and {len(lines) - most} more'
        for row in self.late:
            yield (
                f'{row.fault}: the dead member was found after '
                f'{seconds(row.found_after)}, not within '
                f'{self.found_within:g} s'
            )

    def __str__(self) -> str:
        return (
            f'looks {self.looks}, false downs {len(self.false_downs)}, '
            f'lost writes {len(self.lost_writes)}, '
            f'events lost {len(self.lost_events)}, '
            f'longest without an answer {self.silence:.1f} s'
        )


def seconds(number: float) -> str:
    return 'never' if math.isinf(number) else f'{number:.1f} s'
