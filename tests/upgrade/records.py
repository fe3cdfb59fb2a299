"""The journals of the drill: a line for each call, at both ends."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Call:
    """A call, as recorded by the client that made it.

    :ivar id: of the request
    :ivar at: when it began, by the monotonic clock
    :ivar release: the client's release of acme
    :ivar version: its RPC version; '' if it was not sent
    :ivar failure: why it failed; '' if it did not
    """

    id: str
    at: float
    client: str
    release: int
    method: str
    host: str
    version: str
    failure: str


@dataclasses.dataclass(frozen=True)
class Receipt:
    """A call, as recorded by the worker that got it.

    :ivar id: of the request
    :ivar release: the worker's release of acme
    :ivar version: its RPC version
    :ivar above: whether that is above the version of the worker
    """

    id: str
    host: str
    release: int
    version: str
    above: bool


class Journal:
    """The file of one process; any of its threads may write."""

    def __init__(self, path: str) -> None:
        # Without a buffer, each line is one write, whole.
        self._file = open(path, 'ab', buffering=0)  # noqa: SIM115

    def write(self, entry: Call | Receipt) -> None:
        line = [type(entry).__name__, dataclasses.asdict(entry)]
        self._file.write(json.dumps(line).encode() + b'\n')


class Ledger:
    """All journals, read as they grow.

    :param directory: has the journals, and nothing else
    :param tell: called for each call, in the order of its client
    :ivar receipts: by the id of the request
    """

    def __init__(
        self, directory: pathlib.Path, tell: Callable[[Call], None]
    ) -> None:
        self._directory = directory
        self._tell = tell
        self._read: dict[pathlib.Path, int] = {}
        self.calls: list[Call] = []
        self.receipts: dict[str, list[Receipt]] = {}

    def read(self) -> None:
        """Read the lines that are new."""
        for path in sorted(self._directory.iterdir()):
            for kind, values in self._news(path):
                if kind == 'Call':
                    call = Call(**values)
                    self.calls.append(call)
                    self._tell(call)
                else:
                    receipt = Receipt(**values)
                    self.receipts.setdefault(receipt.id, []).append(receipt)

    @property
    def failed(self) -> Sequence[Call]:
        return [call for call in self.calls if call.failure]

    @property
    def above(self) -> int:
        """How many calls were above the version of their worker."""
        return sum(
            receipt.above
            for receipts in self.receipts.values()
            for receipt in receipts
        )

    def _news(self, path: pathlib.Path) -> Iterator[tuple[str, Any]]:
        with path.open('rb') as file:
            file.seek(self._read.get(path, 0))
            for line in file:
                if not line.endswith(b'\n'):
                    return
                self._read[path] = self._read.get(path, 0) + len(line)
                yield json.loads(line)
