"""Threads that call conductors again and again, and note the answers."""

import collections
import itertools
import threading
import time
from collections.abc import Callable

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects

BINARY = 'acme-worker'

_PAUSE = 0.25


class Caller:
    """Makes one call again and again, in a thread.

    A call that fails gets no answer, and is made again.

    :param call: raises an SGConductorError if it fails
    :ivar answers: when each answer came, by the monotonic clock
    :ivar errors: how often each error was raised, by its text
    """

    def __init__(self, call: Callable[[], None]) -> None:
        self.answers: list[float] = []
        self.errors: collections.Counter[str] = collections.Counter()
        self._call = call
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def answered_at(self) -> float:
        """When the last answer came, by the monotonic clock."""
        return self.answers[-1] if self.answers else float('-inf')

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def longest_without_an_answer(self, begin: float, end: float) -> float:
        """Seconds, of the time from ``begin`` to ``end``."""
        within = [at for at in self.answers if begin < at < end]
        times = [begin, *within, end]
        return max(b - a for a, b in itertools.pairwise(times))

    def _run(self) -> None:
        while not self._over.wait(_PAUSE):
            try:
                self._call()
            except exception.SGConductorError as error:
                self.errors[f'{type(error).__name__}: {error}'] += 1
            else:
                self.answers.append(time.monotonic())


class Looker(Caller):
    """Looks up all services, and records the verdict on each of them.

    :param new_context: makes a context for a look-up
    :ivar downs: the times at which a service was down, by its host
    :ivar ups: the times at which it was up, by its host
    :ivar reasons: the last reason for down, by host
    """

    def __init__(
        self, new_context: Callable[[], sg_context.RequestContext]
    ) -> None:
        super().__init__(self._look)
        self.downs: dict[str, list[float]] = {}
        self.ups: dict[str, list[float]] = {}
        self.reasons: dict[str, str] = {}
        self._new_context = new_context

    @property
    def looks(self) -> int:
        """How many look-ups were answered."""
        return len(self.answers)

    def _look(self) -> None:
        services = list(
            objects.ServiceList.walk(self._new_context(), binary=BINARY)
        )
        now = time.monotonic()
        for service in services:
            seen = self.ups if service.is_up else self.downs
            seen.setdefault(service.host, []).append(now)
            if not service.is_up:
                self.reasons[service.host] = service.liveness_reason


class Editor(Caller):
    """Edits a service.

    :param new_context: makes a context for a call
    :param host: of the service
    """

    def __init__(
        self,
        new_context: Callable[[], sg_context.RequestContext],
        host: str,
    ) -> None:
        super().__init__(self._edit)
        self._new_context = new_context
        self._host = host
        self._numbers = itertools.count(1)

    def _edit(self) -> None:
        # The key is enough, so that an edit is one call.
        service = objects.Service(
            self._new_context(), host=self._host, binary=BINARY
        )
        reason = f'edit {next(self._numbers)}'
        service.update({'disabled': True, 'disabled_reason': reason})
