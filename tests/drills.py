"""What all drills use: private servers, an error, a type of arguments."""

import argparse
import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import ClassVar
from typing import Protocol
from typing import TypeVar

import fixtures


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
