"""The base of all tests."""

import logging
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any
from typing import TypeVar

import fixtures
import testtools
from testtools import content

from sgconductor import context as sg_context

T = TypeVar('T')

# Long enough for a loaded machine; reached only by a test that fails.
PATIENCE = 30.0

# What they say of each of their steps nobody reads, and it takes time.
_LOUD = (
    *('amqp', 'oslo.messaging', 'oslo_messaging', 'sqlalchemy'),
    *('stevedore', 'urllib3'),
)


class NoBackend:
    """The backend of a context in which nothing is asked."""

    def part(self, interface: type[T]) -> T:
        raise LookupError(interface)


def context(**who: Any) -> sg_context.RequestContext:
    """A context in which nothing is asked.

    :param who: of oslo.context's RequestContext
    """
    return sg_context.RequestContext(backend=NoBackend(), **who)


class TestCase(testtools.TestCase):
    """Warnings are errors, and what is logged is kept.

    :ivar log: a fixtures.FakeLogger with all that was logged
    """

    def setUp(self) -> None:
        super().setUp()
        catcher = warnings.catch_warnings()
        catcher.__enter__()
        self.addCleanup(catcher.__exit__, None, None, None)
        warnings.simplefilter('error')
        self.log = self.useFixture(
            fixtures.FakeLogger(
                level=logging.DEBUG, format='%(levelname)s %(message)s'
            )
        )
        for name in _LOUD:
            logging.getLogger(name).setLevel(logging.INFO)

    def wait_for(
        self, what: str, look: Callable[[], T], patience: float = PATIENCE
    ) -> T:
        """What ``look`` returns, as soon as that is true."""
        deadline = time.monotonic() + patience
        pause = threading.Event()
        while True:
            seen = look()
            if seen:
                return seen
            if time.monotonic() > deadline:
                self.fail(f'waited {patience:g} s in vain: {what}')
            pause.wait(0.05)

    def lines_of_a_drill(self) -> list[str]:
        """A list for what a drill tells; it is shown if the test fails."""
        lines: list[str] = []
        self.addOnException(
            lambda _: self.addDetail(
                'drill', content.text_content('\n'.join(lines))
            )
        )
        return lines

    def logged(self, text: str) -> int:
        """How many lines of the log have ``text`` in them."""
        return sum(text in line for line in self.log.output.splitlines())
