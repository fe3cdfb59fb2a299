"""A worker's intake: the calls and the beats that it takes from the broker.

The broker deals them out to all workers in turn. A worker that cannot write
would keep its share from those that can: calls would fail, and members whose
beats it holds would look dead. So it takes nothing until it can write again.
"""

import logging
import threading
import time
from collections.abc import Callable

from sgconductor import exception
from sgconductor.conductor import beat_writer
from sgconductor.conductor import write_state
from sgconductor.messaging import batch_listener
from sgconductor.messaging import graceful_server

LOG = logging.getLogger(__name__)

# Seconds.
_CHECK_EVERY = 0.25
_PROBE_EVERY = 0.5
# A server that starts may wait for a broker that has just gone.
_STOPS_WITHIN = 15.0


class Intake:
    """Serves calls and beats while this worker can write.

    :param calls: the server of calls
    :param listener: of beats
    :param beats: to which the listener passes them
    :param state: set by those who write
    :param probe: does a small write; raises an error if it, or what else
        the servers need, cannot be had
    :param patience: how many seconds beats may stay unwritten; also the
        longest that the probe may take
    """

    def __init__(
        self,
        calls: graceful_server.Server,
        listener: batch_listener.BatchListener,
        beats: beat_writer.BeatWriter,
        state: write_state.WriteState,
        probe: Callable[[], None],
        patience: float,
    ) -> None:
        self._calls = calls
        self._listener = listener
        self._beats = beats
        self._state = state
        self._probe = probe
        self._patience = patience
        self._stopping = threading.Event()
        self._takes_calls = self._takes_beats = False
        self._thread = threading.Thread(
            target=self._watch, name='sgconductor-intake', daemon=True
        )

    def start(self) -> None:
        """Take calls and beats, from now on."""
        self._serve()
        self._thread.start()

    def stop(self) -> None:
        """Take no more; what has arrived is handled."""
        self._stopping.set()
        self._state.wake()
        if self._thread.ident is not None:
            self._thread.join(_STOPS_WITHIN)
        if self._takes_calls:
            graceful_server.drain(self._calls)
        if self._takes_beats:
            self._listener.stop()
        self._beats.stop()

    def wait(self) -> None:
        """Wait until all is handled, after :meth:`stop`."""
        if self._thread.ident is None:
            # The worker was told to stop before it served.
            return
        if self._thread.is_alive():
            LOG.warning(
                'This conductor still waits for the broker, and stops all '
                'the same.'
            )
            return
        self._wait()

    def _wait(self) -> None:
        self._calls.wait()
        self._listener.wait()

    def _serve(self) -> None:
        graceful_server.start(self._calls)
        self._takes_calls = True
        graceful_server.start(self._listener, override_pool_size=1)
        self._takes_beats = True

    def _watch(self) -> None:
        while not self._stopping.is_set():
            suspicion = self._state.wait_for_news(_CHECK_EVERY)
            self._find_out(suspicion)
            if self._state.is_failed and not self._stopping.is_set():
                self._log_failure()
                self._resume_when_possible()

    def _find_out(self, suspicion: Exception | None) -> None:
        """Whether this worker can write, where that is in doubt."""
        if self._beats.unwritten_seconds() > self._patience:
            self._state.failed(
                TimeoutError(f'a write takes more than {self._patience:g} s')
            )
        elif suspicion is not None and not self._can_write():
            self._state.failed(suspicion)

    def _log_failure(self) -> None:
        error = self._state.error
        known = isinstance(error, exception.SGConductorError | TimeoutError)
        LOG.error(
            'This conductor takes no calls and no beats until it can write '
            'to its database; the broker gives what it holds to other '
            'conductors: %s',
            error,
            exc_info=None if known else error,
        )

    def _resume_when_possible(self) -> None:
        """Take nothing until this worker can write."""
        self._suspend()
        while not self._stopping.wait(_PROBE_EVERY):
            if self._can_write() and self._try_to_serve():
                LOG.info(
                    'This conductor can write to its database again, and '
                    'takes calls and beats.'
                )
                return

    def _suspend(self) -> None:
        try:
            # Beats first: callers repeat a call, but nobody repeats a beat.
            if self._takes_beats:
                self._takes_beats = False
                self._listener.give_back()
            if self._takes_calls:
                self._takes_calls = False
                graceful_server.drain(self._calls)
            # What hangs in the database ends by the database's timeout.
            self._wait()
        except Exception:
            LOG.exception('A server of this conductor did not stop well.')

    def _try_to_serve(self) -> bool:
        self._beats.start_over()
        self._state.recovered()
        try:
            self._serve()
        except Exception as error:
            LOG.warning('This conductor cannot serve yet: %s', error)
            self._state.failed(error)
            self._suspend()
            return False
        return True

    def _can_write(self) -> bool:
        begin = time.monotonic()
        try:
            self._probe()
        except Exception as error:
            LOG.debug('This conductor cannot serve: %s', error)
            return False
        return time.monotonic() - begin <= self._patience
