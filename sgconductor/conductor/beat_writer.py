"""The beat writer: stores beats in batches.

A batch of messages is one SQL statement. The messages are acknowledged when it
is committed.
"""

import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import oslo_messaging as messaging
import prometheus_client
import sqlalchemy as sa
from oslo_messaging import transport as transport_types

from sgconductor import exception
from sgconductor.conductor import beat_message
from sgconductor.conductor import write_state
from sgconductor.db import database
from sgconductor.db import reception
from sgconductor.db import services
from sgconductor.messaging import batch_listener
from sgconductor.messaging import topics

LOG = logging.getLogger(__name__)

_SECOND = 1_000_000

Translate = Callable[[Sequence[services.Beat]], Sequence[services.Beat]]


class _Progress(NamedTuple):
    """How beats were written so far; seconds of the monotonic clock.

    :ivar continuous_since: since then there was no gap, neither between
        batches nor between their stamps
    :ivar wrote_at: when the last batch was written
    :ivar recorded_at: when reception was last recorded
    :ivar newest_stamp: of the last batch, in microseconds since 1970
    """

    continuous_since: float
    wrote_at: float
    recorded_at: float = float('-inf')
    newest_stamp: int = 0


class BeatWriter(batch_listener.BatchDispatcher):
    """Writes batches of beats.

    :ivar received: the number of messages received; those that were given
        back to the broker count again
    :ivar malformed: the number of messages that are not beats
    :ivar stale: the number of beats without a row: of an older incarnation,
        or of a deleted service
    :ivar written: the number of beats written
    :ivar batch_sizes: how many beats each batch had
    :ivar flush_seconds: how long each batch took to write
    """

    def __init__(
        self,
        db: database.Database,
        gap: float,
        late: float,
        state: write_state.WriteState,
        retry_after: float = 0.3,
        translate: Translate = tuple,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        :param gap: seconds; a longer time without a beat is an outage of
            reception
        :param late: seconds; an older beat does not prove reception
        :param state: is told when a batch cannot be written; while it is
            failed, all batches are given back
        :param retry_after: seconds to wait before a batch that could not be
            written is given back to the broker
        :param translate: puts the stamps of beats into the database's clock
            as it is now; see :mod:`sgconductor.conductor.clock_steps`
        :param monotonic: the host's monotonic clock, in seconds
        """
        self.received = 0
        self.malformed = 0
        self.stale = 0
        self.written = 0
        self.batch_sizes = prometheus_client.Histogram(
            'sgconductor_beat_batch_size',
            'How many beats were written in one statement.',
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
            registry=None,
        )
        self.flush_seconds = prometheus_client.Histogram(
            'sgconductor_beat_flush_seconds',
            'How long it took to write a batch of beats and commit it.',
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1, 10),
            registry=None,
        )
        self._unwritten_since: float | None = None
        self._db = db
        self._state = state
        self._gap = int(gap * _SECOND)
        self._late = int(late * _SECOND)
        # Often enough that reception is not taken for an outage.
        self._record_every = min(1.0, gap / 4)
        self._translate = translate
        self._monotonic = monotonic
        self._retry_after = retry_after
        self._stopping = threading.Event()
        self.start_over()

    def start_over(self) -> None:
        """Begin again, after everything was given back to the broker.

        What this writer did not write since its last batch proves nothing:
        others could.
        """
        now = self._monotonic()
        self._unwritten_since = None
        self._progress = _Progress(continuous_since=now, wrote_at=now)

    def unwritten_seconds(self) -> float:
        """The age of the oldest unwritten beat; 0 if all are written.

        It counts from when the first of them was received. A batch that
        cannot be written is given back to the broker, and comes again.
        """
        since = self._unwritten_since
        return 0.0 if since is None else self._monotonic() - since

    def stop(self) -> None:
        """Stop waiting for a database that is away."""
        self._stopping.set()

    def dispatch(self, incoming: Sequence[Any]) -> Sequence[Any]:
        """Write a batch.

        :returns: the messages to give back to the broker: all if the batch
            could not be written, else none
        """
        begin = self._monotonic()
        self.received += len(incoming)
        if self._state.is_failed:
            return incoming
        beats = beat_message.merge(self._read(incoming))
        if not beats:
            return ()
        if self._unwritten_since is None:
            self._unwritten_since = begin
        try:
            found, self._progress = self._db.write(
                lambda conn: self._write(conn, beats)
            )
        except exception.DatabaseBusy as error:
            LOG.warning('Beats go back to the broker for a moment: %s', error)
            self._stopping.wait(self._retry_after)
            return incoming
        except Exception as error:
            # The beats are not the cause: their values were checked.
            self._state.failed(error)
            self._stopping.wait(self._retry_after)
            return incoming
        self._unwritten_since = None
        self.batch_sizes.observe(len(beats))
        self.flush_seconds.observe(self._monotonic() - begin)
        self.written += found
        self.stale += len(beats) - found
        return ()

    def _write(
        self, conn: sa.Connection, beats: Sequence[services.Beat]
    ) -> tuple[int, _Progress]:
        """The number of beats that had a row, and the progress after them."""
        beats = self._translate(beats)
        found = services.beat_many(conn, beats)
        now = self._monotonic()
        since, wrote_at, recorded_at, newest_before = self._progress
        newest = max(beat.stamp for beat in beats)
        pause = now - wrote_at
        paused = pause * _SECOND > self._gap
        if paused or newest - newest_before > self._gap:
            since = now
        if now - recorded_at >= self._record_every:
            flow = int((now - since) * _SECOND)
            if reception.record_beats(
                conn, newest, self._gap, self._late, flow
            ):
                recorded_at = now
        if paused:
            reception.record_stall(conn, pause, self._gap)
        return found, _Progress(since, now, recorded_at, newest)

    def _read(self, incoming: Iterable[Any]) -> Iterable[services.Beat]:
        for message in incoming:
            try:
                yield beat_message.read(message.message)
            except (KeyError, TypeError, ValueError) as error:
                self.malformed += 1
                log = LOG.debug if self.malformed > 1 else LOG.warning
                log(
                    'Not a beat (%s), ignored: %.200r. Later ones are only '
                    'counted.',
                    error,
                    message.message,
                )


def listener(
    transport: transport_types.NotificationTransport,
    beats: BeatWriter,
    batch_size: int,
    batch_timeout: float,
) -> batch_listener.BatchListener:
    """A listener that passes batches of beats to a beat writer.

    :param batch_timeout: seconds that a beat waits for others at most
    """
    return batch_listener.BatchListener(
        transport,
        [messaging.Target(exchange=topics.EXCHANGE, topic=topics.BEATS_TOPIC)],
        beats,
        batch_size=batch_size,
        batch_timeout=batch_timeout,
    )
