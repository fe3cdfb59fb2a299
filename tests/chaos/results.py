"""The result of a drill, from its history."""

import collections
from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

from tests.chaos import checker
from tests.chaos import history
from tests.chaos import violation

_MOST_SHOWN = 20


class Result(NamedTuple):
    """The result of the drill.

    :ivar operations: how many clients and observers did
    :ivar longest: how long look-ups were not answered at most, in seconds
    """

    operations: int
    faults: int
    violations: Sequence[violation.Violation]
    longest: float

    def __str__(self) -> str:
        return (
            f'operations {self.operations}, faults {self.faults}, '
            f'violations {len(self.violations)}'
        )


def judge(records: history.History) -> Result:
    """The result of a drill that has this history."""
    done = [
        one
        for one in records.operations
        if one.kind not in ('notification', 'events')
    ]
    return Result(
        len(done),
        len(records.faults),
        checker.check(records),
        _longest(records),
    )


def show(result: Result, tell: Callable[[str], None]) -> None:
    """Show a result: violations with the parts of the history, and counts."""
    found = result.violations
    for one in found[:_MOST_SHOWN]:
        for line in one.lines():
            tell(line)
    if len(found) > _MOST_SHOWN:
        tell(f'… and {len(found) - _MOST_SHOWN} more violations')
    for rule, count in collections.Counter(one.rule for one in found).items():
        tell(f'{count} x {rule}')
    tell(f'Longest time without an answer to look-ups: {result.longest:.1f} s')
    tell(str(result))


def _longest(records: history.History) -> float:
    """How long no look-up was answered at most, in seconds."""
    longest = 0.0
    answered: dict[str, float] = {}
    for one in records.of_kind('look'):
        if one.outcome == 'ok':
            longest = max(
                longest, one.end - answered.get(one.client, one.begin)
            )
            answered[one.client] = one.end
    return longest
