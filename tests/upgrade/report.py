"""The report of the drill."""

import collections
import dataclasses
from collections.abc import Iterator
from collections.abc import Sequence

from tests.upgrade import records

_VERSIONS = ('1.0', '1.1')
_RELEASES = (1, 2)
_MOST_FAILURES = 10


@dataclasses.dataclass(frozen=True)
class Phase:
    """A part of the drill, up to the next one.

    :ivar began: by the monotonic clock
    """

    name: str
    began: float


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of the drill.

    :ivar restarts: how many processes have ended by themselves
    """

    began: float
    phases: Sequence[Phase]
    ledger: records.Ledger
    restarts: int

    def totals(self) -> str:
        ledger = self.ledger
        return (
            f'calls {len(ledger.calls)}, failed {len(ledger.failed)}, '
            f'above receiver {ledger.above}, restarts {self.restarts}'
        )

    def is_good(self, goal: int) -> bool:
        """Whether nothing went wrong in at least ``goal`` calls."""
        bad = len(self.ledger.failed) + self.ledger.above + self.restarts
        return not bad and len(self.ledger.calls) >= goal

    def rpc_versions(self, phase: str, release: int) -> list[str]:
        """The RPC versions of the calls of a release's clients in a phase."""
        return sorted(
            {
                version
                for row in self._rows()
                if (row.phase.name, row.release) == (phase, release)
                for version, _ in row.calls
            }
        )

    def table(self) -> Iterator[str]:
        """How many calls had which RPC version, by phase and releases."""
        columns = [(v, r) for v in _VERSIONS for r in _RELEASES]
        first = ''.join(f'{f"{version} to":>11}' for version, _ in columns)
        second = ''.join(f'{f"release {r}":>11}' for _, r in columns)
        yield f'{"":53}{first}'
        yield f'{"from":>8}  {"phase":30} {"clients of":>11} {second}  failed'
        for row in self._rows():
            yield (
                f'{row.phase.began - self.began:6.1f} s  {row.phase.name:30}'
                f'   release {row.release} '
                + ''.join(f'{row.calls[column]:11}' for column in columns)
                + f'{row.failed:8}'
            )

    def failures(self) -> Iterator[str]:
        """The first calls that failed, and why they did."""
        for call in self.ledger.failed[:_MOST_FAILURES]:
            yield (
                f'{call.at - self.began:6.1f} s  {call.client} (release '
                f'{call.release}): {call.method} on {call.host or "-"} in '
                f'{call.version or "-"} failed: {call.failure}'
            )

    def _rows(self) -> Sequence['_Row']:
        rows: dict[tuple[int, int], _Row] = {}
        for call in self.ledger.calls:
            number = sum(phase.began <= call.at for phase in self.phases)
            row = rows.setdefault(
                (number, call.release),
                _Row(self.phases[number - 1], call.release),
            )
            receipts = self.ledger.receipts.get(call.id)
            receiver = receipts[0].release if receipts else 0
            row.calls[call.version, receiver] += 1
            row.failed += bool(call.failure)
        return [row for _, row in sorted(rows.items())]


@dataclasses.dataclass
class _Row:
    """The calls of the clients of one release in one phase.

    :ivar calls: how many, by RPC version and the release of the worker that
        got them; that is 0 if no worker did
    """

    phase: Phase
    release: int
    calls: collections.Counter[tuple[str, int]] = dataclasses.field(
        default_factory=collections.Counter
    )
    failed: int = 0
