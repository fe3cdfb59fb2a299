"""Looking all services up, again and again."""

import contextlib
import threading
import time
from collections.abc import Callable

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects

_PAUSE = 0.25


class Looker:
    """Notes what each look says of members.

    :param new_context: where to look
    :ivar looks: how many brought something
    :ivar answered_at: when the last one did, by the monotonic clock
    :ivar downs: the moments at which each host was said to be down, by host
    :ivar ups: the same for up
    :ivar reasons: the last for being down, by host
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
            # What is away has said nothing wrong.
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
