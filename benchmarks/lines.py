"""The lines of the table: a measure of each side, and whether it is good."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Literal
from typing import NamedTuple

Against = Literal['peer', 'limit', 'itself']


class Spread(NamedTuple):
    """The values of one side in all rounds."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return _short(self.median)
        low, high = min(self.values), max(self.values)
        return f'{_short(self.median)} ({_short(low)}..{_short(high)})'


class Goal(NamedTuple):
    """A bound for the ratio of ours to another side.

    :ivar against: what ours is compared with
    :ivar bound: the bound of ours divided by that
    :ivar most: whether it is an upper bound; else it is a lower one
    """

    against: Against
    bound: float
    most: bool

    def __str__(self) -> str:
        word = 'at most' if self.most else 'at least'
        return f'{word} {_times(self.bound)} {self.against}'


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of the table.

    :ivar measure: what was measured, with its unit
    :ivar ours: the values of sgconductor; None if it was not measured
    :ivar peer: likewise for Nova
    :ivar limit: likewise for bare oslo.messaging
    :ivar goal: None if any ratio is good
    :ivar base: other values of ours, to compare with if the goal is against
        'itself'
    :ivar wanted: the column 'goal' if there is no ``goal``
    :ivar verdict: the result and whether it is good, if no ratio decides
    """

    measure: str
    ours: Spread | None = None
    peer: Spread | None = None
    limit: Spread | None = None
    goal: Goal | None = None
    base: Spread | None = None
    wanted: str = '-'
    verdict: tuple[str, bool] | None = None

    @property
    def ratio(self) -> float | None:
        """Ours divided by what the goal compares it with, by medians."""
        if self.goal is None:
            return None
        other = {
            'peer': self.peer,
            'limit': self.limit,
            'itself': self.base,
        }[self.goal.against]
        if self.ours is None or other is None or not other.median:
            return None
        return self.ours.median / other.median

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None if there is none."""
        if self.verdict is not None:
            return self.verdict[1]
        if self.goal is None:
            return None
        if self.ratio is None:
            return False
        if self.goal.most:
            return self.ratio <= self.goal.bound
        return self.ratio >= self.goal.bound

    def cells(self) -> list[str]:
        """The columns of the table."""
        result = '-' if self.ratio is None else _times(self.ratio)
        if self.verdict is not None:
            result = self.verdict[0]
        return [
            self.measure,
            *('-' if one is None else str(one) for one in self._sides()),
            result,
            self.wanted if self.goal is None else str(self.goal),
            {True: 'yes', False: 'NO', None: '-'}[self.met],
        ]

    def primitive(self) -> dict[str, object]:
        """The line as JSON has it."""
        ours, peer, limit = (
            None if one is None else _primitive(one) for one in self._sides()
        )
        return {
            'measure': self.measure,
            'ours': ours,
            'peer': peer,
            'limit': limit,
            'itself': None if self.base is None else _primitive(self.base),
            'ratio': self.ratio,
            'found': None if self.verdict is None else self.verdict[0],
            'goal': self.cells()[-2],
            'met': self.met,
        }

    def _sides(self) -> tuple[Spread | None, ...]:
        return self.ours, self.peer, self.limit


HEAD = ['measure', 'ours', 'peer', 'limit', 'ratio', 'goal', 'met']


def table(lines: Sequence[Line]) -> str:
    """The table of all lines, as text."""
    rows = [HEAD, *(line.cells() for line in lines)]
    widths = [
        max(len(cell) for cell in column) for column in zip(*rows, strict=True)
    ]
    return '\n'.join(
        ' | '.join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _primitive(spread: Spread) -> dict[str, object]:
    return {
        'median': spread.median,
        'min': min(spread.values),
        'max': max(spread.values),
        'values': list(spread.values),
    }


def _short(value: float) -> str:
    return f'{value:,.0f}' if value >= 100 else f'{value:.3g}'


def _times(ratio: float) -> str:
    if 0 < ratio < 0.5:
        return f'1/{_short(1 / ratio)} of'
    return f'{ratio:.3g} x'
