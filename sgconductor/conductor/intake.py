"""A worker's intake: the calls and the beats that it takes from the broker.

The broker deals them out to all workers in turn. A worker that cannot write
would keep its share from those that can: calls would fail, and members whose
beats it holds would look dead. So it takes nothing until it can write again.
"""

import logging
import threading
import time
from collections.abc import Callable

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
        self._serves = False
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
        self._thread.join(_STOPS_WITHIN)
        if self._serves:
            graceful_server.drain(self._calls)
            self._listener.stop()
        self._beats.stop()

    def wait(self) -> None:
        """Wait until all is handled, after :meth:`stop`."""
        self._calls.wait()
        self._listener.wait()

    def _serve(self) -> None:
        self._calls.start()
        self._listener.start(override_pool_size=1)
        self._serves = True

    def _watch(self) -> None:
        while not self._stopping.is_set():
            self._state.wait_for_failure(_CHECK_EVERY)
            self._check_progress()
            if self._state.is_failed and not self._stopping.is_set():
                self._suspend()
                self._resume()

    def _check_progress(self) -> None:
        unwritten = self._beats.unwritten_seconds()
        if unwritten > self._patience:
            self._state.failed(
                TimeoutError(f'a write takes more than {self._patience:g} s')
            )

    def _suspend(self) -> None:
        self._serves = False
        # Beats first: callers wait for calls, but nobody repeats a beat.
        self._listener.give_back()
        graceful_server.drain(self._calls)

    def _resume(self) -> None:
        """Serve again, as soon as this worker can write."""
        # Whatever hangs in the database ends by the database's timeout.
        self.wait()
        while not self._stopping.wait(_PROBE_EVERY):
            if self._can_write():
                self._beats.start_over()
                self._state.recovered()
                self._serve()
                return

    def _can_write(self) -> bool:
        begin = time.monotonic()
        try:
            self._probe()
        except Exception as error:
            LOG.debug('This conductor still cannot serve: %s', error)
            return False
        return time.monotonic() - begin <= self._patience
