"""A part of a run, and its results."""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from benchmarks import lines
from benchmarks import stage


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The results of a part.

    :ivar lines: its lines of the table
    :ivar data: all that was measured, for JSON
    """

    lines: Sequence[lines.Line]
    data: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a run.

    :ivar name: its name, for ``--only``
    :ivar summary: what it measures, for ``--help``
    :ivar run: the function that measures
    """

    name: str
    summary: str
    run: Callable[[stage.Stage], Outcome]
