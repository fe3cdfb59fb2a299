"""From a batch of messages to one statement, and only then the ack."""

import datetime
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
from oslo_messaging import dispatcher
from oslo_messaging import transport as transport_types

from sgconductor import exception
from sgconductor.db import clock
from sgconductor.db import database
from sgconductor.db import pins
from sgconductor.db import reception
from sgconductor.db import services
from sgconductor.messaging import batch_listener
from sgconductor.messaging import transports
from sgconductor.rpcapi import beats as beats_api

LOG = logging.getLogger(__name__)

_SECOND = 1_000_000
_MAX_INT = 2**31 - 1
_MAX_STAMP = clock.to_micros(
    datetime.datetime.max.replace(tzinfo=datetime.UTC)
)


class _Flow(NamedTuple):
    """How beats came here so far; by the monotonic clock, in seconds.

    :ivar since: without a gap in the writing or in their stamps
    :ivar wrote_at: a batch
    :ivar noted_at: that they are heard
    :ivar newest: of the stamps in the last batch
    """

    since: float
    wrote_at: float
    noted_at: float = float('-inf')
    newest: int = 0


class BeatWriter(dispatcher.DispatcherBase):
    """Writes batches of beats.

    It stands where oslo.messaging's own batch dispatcher would: that one
    gives up, and requeues, a whole batch for one message that it cannot
    read.

    :ivar received: how many messages came; those that were given back to the
        broker come again
    :ivar garbage: how many messages were no beats
    :ivar ignored: how many beats found no row: of an older incarnation, or
        of a service that is deleted
    :ivar written: how many beats were written
    :ivar batch_sizes: how many beats a batch had
    :ivar flush_seconds: how long it took to write
    """

    supported_priorities = ('info',)

    def __init__(
        self,
        db: database.Database,
        gap: float,
        late: float,
        retry_after: float = 0.3,
    ) -> None:
        """
        :param gap: seconds without any beat that are a gap in the hearing
        :param late: how old, in seconds, a beat may be that proves hearing
        :param retry_after: seconds to wait before giving a batch back to the
            broker when the database does not take it
        """
        self.received = 0
        self.garbage = 0
        self.ignored = 0
        self.written = 0
        self.batch_sizes = prometheus_client.Histogram(
            'sgconductor_beat_batch_size',
            'How many beats were written in one statement.',
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
            registry=None,
        )
        self.flush_seconds = prometheus_client.Histogram(
            'sgconductor_beat_flush_seconds',
            'How long it took to write a batch of beats, to the commit.',
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1, 10),
            registry=None,
        )
        self._held_since: float | None = None
        self._db = db
        self._gap = int(gap * _SECOND)
        self._late = int(late * _SECOND)
        # Often enough that no gap is seen where none is.
        self._note_every = min(1.0, gap / 4)
        now = time.monotonic()
        self._flow = _Flow(since=now, wrote_at=now)
        self._retry_after = retry_after
        self._stopping = threading.Event()
        self._failing = False

    def oldest(self) -> float:
        """Seconds since a beat came here of which none was written; 0 if all
        that came were.

        While the database is away, they are given back to the broker, and
        come again.
        """
        since = self._held_since
        return 0.0 if since is None else time.monotonic() - since

    def stop(self) -> None:
        """Wait for the database no longer."""
        self._stopping.set()

    def dispatch(self, incoming: Sequence[Any]) -> Sequence[Any]:
        """Write a batch.

        :returns: the messages to give back to the broker: all, if the
            database did not take them; else none
        """
        begin = time.monotonic()
        self.received += len(incoming)
        beats = fold(self._read(incoming))
        if not beats:
            return ()
        if self._held_since is None:
            self._held_since = begin
        try:
            found, self._flow = self._db.write(
                lambda conn: self._write(conn, beats)
            )
        except Exception as error:
            # Whatever it is, it is not the beats, which were looked at.
            self._fail(error)
            return incoming
        self._held_since = None
        self.batch_sizes.observe(len(beats))
        self.flush_seconds.observe(time.monotonic() - begin)
        self._succeed(found, len(beats))
        return ()

    def _write(
        self, conn: sa.Connection, beats: Sequence[services.Beat]
    ) -> tuple[int, _Flow]:
        """How many were found, and how beats come here now."""
        found = services.beat_many(conn, beats)
        now = time.monotonic()
        since, wrote_at, noted_at, before = self._flow
        newest = max(beat.stamp for beat in beats)
        pause = now - wrote_at
        paused = pause * _SECOND > self._gap
        if paused or newest - before > self._gap:
            since = now
        if now - noted_at >= self._note_every:
            flow = int((now - since) * _SECOND)
            if reception.record_beats(
                conn, newest, self._gap, self._late, flow
            ):
                noted_at = now
        if paused:
            reception.record_stall(conn, pause, self._gap)
        return found, _Flow(since, now, noted_at, newest)

    def _read(self, incoming: Iterable[Any]) -> Iterable[services.Beat]:
        for message in incoming:
            try:
                yield read(message.message)
            except (KeyError, TypeError, ValueError) as error:
                self.garbage += 1
                log = LOG.debug if self.garbage > 1 else LOG.warning
                log(
                    'Not a beat (%s), ignored: %.200r. Later ones are only '
                    'counted.',
                    error,
                    message.message,
                )

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            LOG.error(
                'Beats cannot be written and stay with the broker until they '
                'can: %s',
                error,
                exc_info=not isinstance(error, exception.Unreachable),
            )
            self._failing = True
        self._stopping.wait(self._retry_after)

    def _succeed(self, found: int, sent: int) -> None:
        if self._failing:
            LOG.info('Beats are written to the database again.')
            self._failing = False
        self.written += found
        self.ignored += sent - found


class OwnBeats(beats_api.BeatAPI):
    """Sends a conductor's own beats: they say that it writes what it takes.

    One that stood still notes that first. Its beat may be written by another
    conductor, and would vouch for beats that it still has to write itself.

    :param gap: seconds without a beat of its own after which it stood still
    :param monotonic: the host's clock that only goes forward
    """

    def __init__(
        self,
        transport: transport_types.RPCTransport,
        db: database.Database,
        gap: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(transport)
        self._db = db
        self._gap = gap
        self._monotonic = monotonic
        self._awake_at: float | None = None

    def beat(self, *beat: int) -> None:
        """
        :raises DatabaseUnreachable: if it cannot be noted; nothing is sent
        """
        now = self._monotonic()
        pause = 0.0 if self._awake_at is None else now - self._awake_at
        if pause > self._gap:
            gap = int(self._gap * _SECOND)
            self._db.write(
                lambda conn: reception.record_stall(conn, pause, gap)
            )
        self._awake_at = now
        super().beat(*beat)


def read(message: Any) -> services.Beat:
    """The beat in a message.

    :raises KeyError: if it lacks a part
    :raises TypeError: if it is of another shape
    :raises ValueError: for a value that no beat can have
    """
    payload = message['payload']
    return services.Beat(
        _number(payload, 'id', 1, _MAX_INT),
        _number(payload, 'incarnation', 1, _MAX_INT),
        _number(payload, 'stamp', 0, _MAX_STAMP),
        epoch=_epoch(payload.get('epoch')),
    )


def fold(beats: Iterable[services.Beat]) -> list[services.Beat]:
    """One beat for each incarnation: how many, the latest stamp and epoch."""
    folded: dict[tuple[int, int], services.Beat] = {}
    for beat in beats:
        key = (beat.id, beat.incarnation)
        other = folded.get(key, beat._replace(beats=0))
        folded[key] = beat._replace(
            stamp=max(beat.stamp, other.stamp),
            beats=beat.beats + other.beats,
            epoch=max(beat.epoch, other.epoch),
        )
    return list(folded.values())


def server(
    transport: transport_types.NotificationTransport,
    beats: BeatWriter,
    batch_size: int,
    batch_timeout: float,
) -> batch_listener.BatchListener:
    """A listener that feeds ``beats``.

    :param batch_timeout: the longest, in seconds, that a beat waits
    """
    return batch_listener.BatchListener(
        transport,
        [
            messaging.Target(
                exchange=transports.EXCHANGE, topic=transports.BEATS_TOPIC
            )
        ],
        beats,
        batch_size=batch_size,
        batch_timeout=batch_timeout,
    )


def _epoch(value: Any) -> int:
    # Members of the release before know of none; and a beat is a beat,
    # whatever it says of pins.
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= pins.MAX_EPOCH else 0


def _number(payload: Any, name: str, least: int, most: int) -> int:
    value = payload[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f'{name} is no whole number')
    if not least <= value <= most:
        raise ValueError(f'{name} is out of range')
    return value
