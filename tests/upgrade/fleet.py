"""The processes of the drill: started, upgraded and watched."""

import contextlib
import dataclasses
import functools
import signal
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import TypeVar

import fixtures

from tests import drills
from tests import program

__all__ = ['Fleet', 'Part']

T = TypeVar('T')

# Long enough for a loaded machine; reached only by a drill that fails.
_PATIENCE = 120.0
_PAUSE = 0.05
# To look for the children of others takes the machine a while.
_LOOK_EVERY = 1.0
_TAIL = 20


@dataclasses.dataclass(frozen=True)
class Part:
    """What a process is, whichever release runs it.

    :ivar of: its process of a release, not yet started
    :ivar is_ready: whether a process has begun its work
    """

    name: str
    of: Callable[[int], program.Program]
    is_ready: Callable[[program.Program], bool]


class Fleet(fixtures.Fixture):
    """Ends all processes at its own end.

    :param say: tells the user a line
    :param look: called again and again while something is waited for
    :ivar restarts: how many processes have ended, or got another process
        id, that were not told to
    """

    def __init__(
        self, say: Callable[[str], None], look: Callable[[], None]
    ) -> None:
        self._say = say
        self._look = look
        self._running: dict[str, program.Program] = {}
        self._children: dict[str, list[int]] = {}
        self._pause = threading.Event()
        self._looked = 0.0
        self.restarts = 0

    def start(self, parts: Sequence[Part], release: int) -> None:
        """Start some at once, and wait until all have begun their work."""
        started = {
            part.name: self.useFixture(part.of(release)) for part in parts
        }
        for part in parts:
            one = started[part.name]
            with self._with_output(part.name, one):
                self.until(
                    f'{part.name} begins',
                    functools.partial(_has_begun, part, one),
                )
            self._running[part.name] = one
            self._children[part.name] = one.children()

    def stop(self, parts: Sequence[Part]) -> None:
        """End some, and wait until they have ended as they should.

        :raises drills.DrillError: unless they have
        """
        ending = {
            part.name: self._running.pop(part.name)
            for part in parts
            if part.name in self._running
        }
        for one in ending.values():
            one.signal(signal.SIGTERM)
        for name, one in ending.items():
            with self._with_output(name, one):
                self.until(f'{name} ends', functools.partial(_has_ended, one))
                if one.process.poll():
                    raise drills.DrillError(
                        f'{name} ended with status {one.process.poll()}'
                    )

    def upgrade(self, part: Part, release: int) -> None:
        """Have one process, and no other, be of another release."""
        began = time.monotonic()
        self.stop([part])
        self.start([part], release)
        took = time.monotonic() - began
        self._say(f'{part.name} is of release {release} now ({took:.1f} s)')

    def until(self, what: str, look: Callable[[], T]) -> T:
        """What ``look`` returns, as soon as that is true.

        :raises drills.DrillError: if it takes too long
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            if time.monotonic() - self._looked > _LOOK_EVERY:
                self._looked = time.monotonic()
                self.watch()
            self._look()
            seen = look()
            if seen:
                return seen
            if time.monotonic() > deadline:
                raise drills.DrillError(
                    f'waited {_PATIENCE:g} s in vain: {what}'
                )
            self._pause.wait(_PAUSE)

    def watch(self) -> None:
        """Count those that have ended."""
        for name, one in list(self._running.items()):
            if _has_ended(one):
                del self._running[name]
                self.restarts += 1
                self._say(
                    f'{name} ended by itself, with status '
                    f'{one.process.poll()}\n{_tail(one)}'
                )
        for name, one in self._running.items():
            before, now = self._children[name], one.children()
            gone = set(before) - set(now)
            if gone:
                self.restarts += len(gone)
                self._say(f'{name} lost a process of its own')
            if gone or len(now) > len(before):
                self._children[name] = now

    @contextlib.contextmanager
    def _with_output(self, name: str, one: program.Program) -> Iterator[None]:
        try:
            yield
        except drills.DrillError as error:
            raise drills.DrillError(
                f'{error}\nThe last that {name} said:\n{_tail(one)}'
            ) from None


def _has_ended(one: program.Program) -> bool:
    return one.process.poll() is not None


def _has_begun(part: Part, one: program.Program) -> bool:
    if _has_ended(one):
        raise drills.DrillError(
            f'{part.name} ended with status {one.process.poll()}'
        )
    return part.is_ready(one)


def _tail(one: program.Program) -> str:
    return '\n'.join(one.output.splitlines()[-_TAIL:])
