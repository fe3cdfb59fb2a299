"""The fleet of the drill: starts, upgrades and watches processes."""

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

# Seconds. Enough for a loaded machine; only a drill that fails waits so long.
_PATIENCE = 120.0
_PAUSE = 0.05
# Seconds. To list the children of all processes takes some time.
_WATCH_EVERY = 1.0
# Lines of output.
_TAIL = 20


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of the fleet, in any release.

    :ivar of: makes its process of a release, not yet started
    :ivar is_ready: whether a process does its work by now
    """

    name: str
    of: Callable[[int], program.Program]
    is_ready: Callable[[program.Program], bool]


class Fleet(fixtures.Fixture):
    """The processes of the drill, which end with it.

    :param say: shows the user a line
    :param look: called again and again during a wait
    :ivar restarts: how many processes have ended by themselves, child
        processes too
    """

    def __init__(
        self, say: Callable[[str], None], look: Callable[[], None]
    ) -> None:
        self._say = say
        self._look = look
        self._running: dict[str, program.Program] = {}
        self._children: dict[str, list[int]] = {}
        self._pause = threading.Event()
        self._watched_at = 0.0
        self.restarts = 0

    def start(self, parts: Sequence[Part], release: int) -> None:
        """Start some together, and wait until all do their work."""
        started = {
            part.name: self.useFixture(part.of(release)) for part in parts
        }
        for part in parts:
            one = started[part.name]
            with self._with_output(part.name, one):
                self.until(
                    f'{part.name} is ready',
                    functools.partial(_is_ready, part, one),
                )
            self._running[part.name] = one
            self._children[part.name] = one.children()

    def stop(self, parts: Sequence[Part]) -> None:
        """End some, and wait for them.

        :raises drills.DrillError: if one does not end, or not with status 0
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
        """Replace the process of one part by one of another release."""
        began = time.monotonic()
        self.stop([part])
        self.start([part], release)
        took = time.monotonic() - began
        self._say(f'{part.name} runs release {release} now ({took:.1f} s)')

    def until(self, what: str, look: Callable[[], T]) -> T:
        """Wait until ``look`` returns something true, and return it.

        :raises drills.DrillError: if it takes too long
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            if time.monotonic() - self._watched_at > _WATCH_EVERY:
                self._watched_at = time.monotonic()
                self.watch()
            self._look()
            seen = look()
            if seen:
                return seen
            if time.monotonic() > deadline:
                raise drills.DrillError(
                    f'gave up after {_PATIENCE:g} s: {what}'
                )
            self._pause.wait(_PAUSE)

    def watch(self) -> None:
        """Count the processes that have ended by themselves."""
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
                self._say(f'a child process of {name} ended by itself')
            if gone or len(now) > len(before):
                self._children[name] = now

    @contextlib.contextmanager
    def _with_output(self, name: str, one: program.Program) -> Iterator[None]:
        try:
            yield
        except drills.DrillError as error:
            raise drills.DrillError(
                f'{error}\nThe last lines of {name}:\n{_tail(one)}'
            ) from None


def _has_ended(one: program.Program) -> bool:
    return one.process.poll() is not None


def _is_ready(part: Part, one: program.Program) -> bool:
    if _has_ended(one):
        raise drills.DrillError(
            f'{part.name} ended with status {one.process.poll()}'
        )
    return part.is_ready(one)


def _tail(one: program.Program) -> str:
    return '\n'.join(one.output.splitlines()[-_TAIL:])
