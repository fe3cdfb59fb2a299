"""The history of a drill: what clients did and saw, and all faults."""

import dataclasses
import json
import pathlib
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Literal
from typing import TypeVar

T = TypeVar('T')

Outcome = Literal['ok', 'refused', 'unknown']


@dataclasses.dataclass(frozen=True)
class Operation:
    """What a client asked for, and what came back.

    :ivar client: which sends one operation after the other
    :ivar kind: for example 'join'
    :ivar args: for example the host
    :ivar begin: in seconds since the drill began
    :ivar end: when it was answered, or given up
    :ivar outcome: 'refused' is a conductor's error, and nothing was done;
        'unknown' is no answer, or none that tells whether it was done
    :ivar answer: plain values
    :ivar error: class and text
    :ivar request_id: which its events name
    """

    client: str
    kind: str
    args: dict[str, Any]
    begin: float
    end: float
    outcome: Outcome = 'ok'
    answer: Any = None
    error: str = ''
    request_id: str = ''


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault, from its begin until all is well again.

    :ivar recovered: when a look-up that began after its end was answered;
        None if none was in time
    """

    name: str
    target: str
    begin: float
    end: float
    recovered: float | None


@dataclasses.dataclass(frozen=True)
class Life:
    """A member, from its join until it was killed.

    :ivar killed: None if it lived on
    """

    host: str
    joined: float
    killed: float | None = None


@dataclasses.dataclass(frozen=True)
class Event:
    """An event of the table, as it was read at the end.

    :ivar digest: of its content
    :ivar service: the fields of the service, by name
    """

    id: int
    uuid: str
    type: str
    digest: str
    request_id: str | None
    service: dict[str, Any]


Record = Operation | Fault | Life | Event


@dataclasses.dataclass
class History:
    """All records of a drill.

    :ivar pace: report_interval and down_after of members, in seconds
    """

    operations: list[Operation] = dataclasses.field(default_factory=list)
    faults: list[Fault] = dataclasses.field(default_factory=list)
    lives: list[Life] = dataclasses.field(default_factory=list)
    events: list[Event] = dataclasses.field(default_factory=list)
    pace: tuple[float, float] = (2, 10)

    def of_kind(self, *kinds: str) -> list[Operation]:
        """Operations of some kinds, in the order in which they began."""
        return sorted(
            (one for one in self.operations if one.kind in kinds),
            key=lambda one: one.begin,
        )


class Recorder:
    """Records the history in a file, line by line; threads may share it.

    :param path: of the file
    :param pace: see :class:`History`
    :ivar history: all that was recorded
    """

    def __init__(self, path: pathlib.Path, pace: tuple[float, float]) -> None:
        self.history = History(pace=pace)
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._file = path.open('w')
        self._file.write(to_line('Pace', pace))

    def now(self) -> float:
        """Seconds since the drill began."""
        return round(time.monotonic() - self._began, 4)

    def add(self, record: Record) -> None:
        # A later look at the file has the same values.
        record = from_line(_line(record))
        with self._lock:
            self._file.write(_line(record))
            _append(self.history, record)

    def close(self) -> None:
        self._file.close()


def read(path: pathlib.Path) -> History:
    """Read the file of a drill."""
    history = History()
    with path.open() as file:
        for line in file:
            name, values = json.loads(line)
            if name == 'Pace':
                history.pace = tuple(values)
            else:
                _append(history, from_line(line))
    return history


def to_line(name: str, values: Any) -> str:
    return json.dumps([name, values], ensure_ascii=False) + '\n'


def from_line(line: str) -> Record:
    name, values = json.loads(line)
    kinds: dict[str, Callable[..., Record]] = {
        kind.__name__: kind for kind in (Operation, Fault, Life, Event)
    }
    return kinds[name](**values)


def show(records: Sequence[Record]) -> list[str]:
    """The lines of some records, as they are in the file."""
    return [_line(record).rstrip() for record in records]


def _line(record: Record) -> str:
    return to_line(type(record).__name__, dataclasses.asdict(record))


def _append(history: History, record: Record) -> None:
    match record:
        case Operation():
            history.operations.append(record)
        case Fault():
            history.faults.append(record)
        case Life():
            history.lives.append(record)
        case Event():
            history.events.append(record)
