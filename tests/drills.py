"""What all drills use: their frame, servers, waiting, types of arguments."""

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import ClassVar
from typing import Protocol
from typing import TypeVar

import fixtures

from sgconductor import exception
from tests import program

T = TypeVar('T')

_PATIENCE = 120.0
_PAUSE = 0.1


class Server(Protocol):
    """A private server or cluster."""

    NAME: ClassVar[str]

    @classmethod
    def missing(cls) -> str | None:
        """The first binary that is not installed; None if all are."""

    def setUp(self) -> None: ...

    def cleanUp(self) -> Any: ...


S = TypeVar('S', bound=Server)


class DrillError(Exception):
    """The drill cannot go on; the message says why."""


def run(
    name: str,
    drill: Callable[[], int],
    errors: tuple[type[Exception], ...] = (
        DrillError,
        exception.SGConductorError,
    ),
    status: int = 1,
) -> int:
    """Run a drill as a program.

    It ends well at SIGTERM and Ctrl-C, and prints an error in one line.

    :param name: of the program
    :param drill: returns its status
    :param errors: that are printed
    :param status: for an error
    :returns: the status
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(f'{name}: ended'))
    try:
        return drill()
    except KeyboardInterrupt:
        print(f'{name}: interrupted', file=sys.stderr)
        return 130
    except errors as error:
        print(f'{name}: {error}', file=sys.stderr)
        return status


def until(
    what: str, look: Callable[[], T | None], more: Callable[[], str] = str
) -> T:
    """Wait until ``look`` returns something true, and return it.

    :param more: text for the error
    :raises DrillError: if it takes too long
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise DrillError(f'gave up after {_PATIENCE:g} s: {what}{more()}')
        threading.Event().wait(_PAUSE)


def until_printed(
    name: str,
    one: program.Program,
    words: str,
    times: int = 1,
    more: Callable[[], str] = str,
) -> None:
    """Wait until a process has printed some words.

    :param name: of the process, for people
    :param more: as for :func:`until`
    :raises DrillError: if it ends, or takes too long
    """

    def printed() -> bool:
        if one.process.poll() is not None:
            raise DrillError(f'{name} ended:\n{one.output[-3000:]}')
        return one.output.count(words) >= times

    until(f'{name}: {words}', printed, more)


@contextlib.contextmanager
def started(server: S) -> Iterator[S]:
    """A server that runs until the end of the block.

    :raises DrillError: if it does not start
    """
    missing = server.missing()
    if missing:
        raise DrillError(
            f'{server.NAME} is not installed: there is no {missing}'
        )
    try:
        server.setUp()
    except fixtures.MultipleExceptions as error:
        (_, cause, _), *_ = error.args
        raise DrillError(str(cause)) from None
    try:
        yield server
    finally:
        server.cleanUp()


def at_least(lowest: int) -> Callable[[str], int]:
    """A type for argparse: whole numbers of ``lowest`` or more."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(
                f'give a number of {lowest} or more, not {text!r}'
            )
        return int(text)

    return number


def minutes(text: str) -> float:
    """A type for argparse: minutes, from 0.1 to a day."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.1 <= number <= 1440:
        raise argparse.ArgumentTypeError(
            f'give a number from 0.1 to 1440, not {text!r}'
        )
    return number


def positive(highest: float) -> Callable[[str], float]:
    """A type for argparse: numbers above 0, up to ``highest``."""

    def number(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = 0.0
        if not 0 < found <= highest:
            raise argparse.ArgumentTypeError(
                f'give a number above 0, and at most {highest:g}, not {text!r}'
            )
        return found

    return number
