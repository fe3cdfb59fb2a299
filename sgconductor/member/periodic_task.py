"""The thread that beats."""

import logging
import random
import threading
import time
from collections.abc import Callable

from sgconductor import exception

LOG = logging.getLogger(__name__)

# Seconds, after a first pulse that failed.
_SOON = 1.0


class PeriodicTask:
    """Calls ``pulse`` at an interval until it is stopped.

    It never dies of an error: an unreachable server is warned of once, and
    anything unexpected is logged once with its traceback; then it says so
    when all is well again.

    :param name: what it does, for the log
    :param interval: seconds from one pulse to the next
    :param pulse: what to do; takes nothing
    :param quiet: whether somebody else tells what is unreachable
    """

    def __init__(
        self,
        name: str,
        interval: float,
        pulse: Callable[[], None],
        quiet: bool = False,
    ) -> None:
        self._warn = LOG.debug if quiet else LOG.warning
        self._name = name
        self._interval = interval
        self._pulse = pulse
        self._stopped = threading.Event()
        self._trouble: type[Exception] | None = None
        self._thread = threading.Thread(
            target=self._run, name=f'sgconductor-{name}', daemon=True
        )

    def start(self, at_once: bool = False) -> None:
        """Begin, somewhere within the first interval.

        So that a fleet started at one moment does not beat at one moment.

        :param at_once: begin now, and return when the first pulse is over
        """
        first = self._jitter()
        if at_once:
            self._beat()
            first = self._interval if self._trouble is None else _SOON
        self._due = time.monotonic() + first
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; a pulse under way is not waited for."""
        self._stopped.set()

    def wait(self, timeout: float) -> None:
        """Wait for the end of a pulse under way, after :meth:`stop`.

        :param timeout: seconds
        """
        if self._thread.ident is not None:
            self._thread.join(timeout)

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def _run(self) -> None:
        due = self._due
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            self._beat()
            due += self._interval
            if due < time.monotonic():
                # One that took too long is not made up for by a burst; and
                # all that hung at one broker shall not go on as one.
                due = time.monotonic() + self._jitter()

    def _jitter(self) -> float:
        # It spreads load, it keeps no secret.
        return self._interval * random.random()  # noqa: S311

    def _beat(self) -> None:
        try:
            self._pulse()
        except exception.Unreachable as error:
            if not self.stopped:
                self._tell(error, self._warn)
        except exception.SGConductorError as error:
            self._tell(error, LOG.error)
        except Exception as error:
            self._tell(error, LOG.exception)
        else:
            if self._trouble is not None:
                LOG.info('%s works again.', self._name)
            self._trouble = None

    def _tell(self, error: Exception, log: Callable[..., None]) -> None:
        if self._trouble is not type(error):
            log('%s failed, trying on: %s', self._name, error)
        self._trouble = type(error)
