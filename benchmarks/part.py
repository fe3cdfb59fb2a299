"""A part of a run."""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from benchmarks import lines
from benchmarks import stage


@dataclasses.dataclass(frozen=True)
class Outcome:
    """
    :ivar lines: of the table
    :ivar data: all that was measured, for JSON
    """

    lines: Sequence[lines.Line]
    data: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Part:
    """
    :ivar name: for ``--only``
    :ivar summary: what it measures, for ``--help``
    :ivar run: measures
    """

    name: str
    summary: str
    run: Callable[[stage.Stage], Outcome]
