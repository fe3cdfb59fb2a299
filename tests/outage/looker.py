"""A thread that looks up all services again and again."""

import contextlib
import threading
import time
from collections.abc import Callable

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects

_PAUSE = 0.25


class Looker:
    """Records the verdict on each member in each look-up.

    :param new_context: makes a context for a look-up
    :ivar looks: how many look-ups were answered
    :ivar answered_at: when the last answer came, by the monotonic clock
    :ivar downs: the times at which a service was down, by its host
    :ivar ups: the times at which it was up, by its host
    :ivar reasons: the last reason for down, by host
    """

    def __init__(
        self, new_context: Callable[[], sg_context.RequestContext]
    ) -> None:
        self.looks = 0
        self.answered_at = float('-inf')
        self.downs: dict[str, list[float]] = {}
        self.ups: dict[str, list[float]] = {}
        self.reasons: dict[str, str] = {}
        self._new_context = new_context
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_PAUSE):
            # During the outage there is no answer, and so no verdict.
            with contextlib.suppress(exception.SGConductorError):
                self._look()

    def _look(self) -> None:
        services = list(
            objects.ServiceList.walk(self._new_context(), binary='acme-worker')
        )
        self.answered_at = now = time.monotonic()
        self.looks += 1
        for service in services:
            seen = self.ups if service.is_up else self.downs
            seen.setdefault(service.host, []).append(now)
            if not service.is_up:
                self.reasons[service.host] = service.liveness_reason
