"""Measuring the sides in turn, in several rounds."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from benchmarks import lines

Sample = Mapping[str, float]


class Samples:
    """What was measured of each side, round by round."""

    def __init__(self) -> None:
        self._taken: dict[str, list[Sample]] = {}

    def add(self, side: str, sample: Sample) -> None:
        self._taken.setdefault(side, []).append(sample)

    def spread(
        self, side: str, value: str | Callable[[Sample], float]
    ) -> lines.Spread | None:
        """A value of a side in all rounds; None if it was not measured.

        :param value: its name in the samples, or a function of a sample
        """
        get = value if callable(value) else (lambda one: one[value])
        taken = self._taken.get(side, [])
        values = [get(one) for one in taken if callable(value) or value in one]
        return lines.Spread(values) if values else None

    def line(
        self,
        measure: str,
        value: str | Callable[[Sample], float],
        goal: lines.Goal | None = None,
    ) -> lines.Line:
        """The line of the table for one value."""
        return lines.Line(
            measure,
            self.spread('ours', value),
            self.spread('peer', value),
            self.spread('limit', value),
            goal,
        )

    def primitive(self) -> dict[str, list[Sample]]:
        return {side: list(taken) for side, taken in self._taken.items()}


def take(
    count: int, sides: Sequence[Any], measure: Callable[[Any, int], Sample]
) -> Samples:
    """Measure each side once a round; another side is first in each round.

    :param sides: objects that have a ``name``
    :param measure: called with a side and the number of the round
    """
    samples = Samples()
    for number in range(count):
        for side in _rotated(sides, number):
            samples.add(side.name, measure(side, number))
    return samples


def _rotated(sides: Sequence[Any], number: int) -> Iterable[Any]:
    first = number % len(sides)
    return [*sides[first:], *sides[:first]]
