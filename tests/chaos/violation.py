"""A violation: what a history shows to be wrong."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.chaos import history


class Violation(NamedTuple):
    """
    :ivar rule: the property that does not hold
    :ivar problem: what was seen instead
    :ivar records: the part of the history that shows it
    """

    rule: str
    problem: str
    records: Sequence[history.Record]

    def lines(self) -> list[str]:
        """For people: the problem, and each record as in the file."""
        return [
            f'VIOLATION {self.rule}: {self.problem}',
            *(f'    {line}' for line in history.show(self.records)),
        ]
