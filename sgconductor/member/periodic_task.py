"""A task that a thread repeats at an interval."""

import logging
import random
import threading
import time
from collections.abc import Callable

from sgconductor import exception

LOG = logging.getLogger(__name__)

# Seconds until the second run, where the first one failed.
_RETRY_FIRST_AFTER = 1.0


class PeriodicTask:
    """Runs ``action`` at an interval until it is stopped.

    An error does not end it. An unreachable server is logged as a warning,
    and an unexpected error with its traceback: once, not at every run. The
    next success after an error is logged too.

    :param name: what it does, for the log
    :param interval: seconds from one run to the next
    :param action: what to do; takes no arguments
    :param quiet: log an unreachable server at debug level, because another
        part of the process warns of it
    """

    def __init__(
        self,
        name: str,
        interval: float,
        action: Callable[[], None],
        quiet: bool = False,
    ) -> None:
        self._warn = LOG.debug if quiet else LOG.warning
        self._name = name
        self._interval = interval
        self._action = action
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._failure: type[Exception] | None = None
        self._thread = threading.Thread(
            target=self._repeat, name=f'sgconductor-{name}', daemon=True
        )

    def start(self, at_once: bool = False) -> None:
        """Start the thread; the first run is at a random moment within the
        first interval, so that a fleet that starts at one moment does not
        beat at one moment.

        :param at_once: do the first run now, and return when it has ended
        """
        first = self._jitter()
        if at_once:
            self._run()
            failed = self._failure is not None
            first = _RETRY_FIRST_AFTER if failed else self._interval
        self._due = time.monotonic() + first
        self._thread.start()

    def stop(self) -> None:
        """Start no more runs; do not wait for one that is under way."""
        self._stopped.set()
        self._woken.set()

    def hasten(self) -> None:
        """Do the next run now, in the thread, or after one under way."""
        self._woken.set()

    def wait(self, timeout: float) -> None:
        """Wait for a run that is under way, after :meth:`stop`.

        :param timeout: seconds
        """
        if self._thread.ident is not None:
            self._thread.join(timeout)

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def _repeat(self) -> None:
        due = self._due
        while True:
            hastened = self._woken.wait(max(0.0, due - time.monotonic()))
            self._woken.clear()
            if self.stopped:
                return
            self._run()
            due = time.monotonic() if hastened else due
            due += self._interval
            if due < time.monotonic():
                # Missed runs are not made up for by a burst; and members
                # that all waited for one broker must not stay in step.
                due = time.monotonic() + self._jitter()

    def _jitter(self) -> float:
        # It spreads load, it keeps no secret.
        return self._interval * random.random()  # noqa: S311

    def _run(self) -> None:
        try:
            self._action()
        except exception.Unreachable as error:
            if not self.stopped:
                self._log_failure(error, self._warn)
        except exception.SGConductorError as error:
            self._log_failure(error, LOG.error)
        except Exception as error:
            self._log_failure(error, LOG.exception)
        else:
            if self._failure is not None:
                LOG.info('%s works again.', self._name)
            self._failure = None

    def _log_failure(self, error: Exception, log: Callable[..., None]) -> None:
        if self._failure is not type(error):
            log('%s failed, will try again: %s', self._name, error)
        self._failure = type(error)
