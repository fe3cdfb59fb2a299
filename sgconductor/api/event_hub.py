"""One look at the events a second, for as many readers as there are."""

import collections
import logging
import threading
from collections.abc import Callable
from collections.abc import Sequence

from sgconductor import exception
from sgconductor import objects
from sgconductor.api import faults
from sgconductor.rpcapi import event_tail

LOG = logging.getLogger(__name__)

# In seconds.
_LOOK_EVERY = 1.0
_BEGINS_WITHIN = 3.0
# For one who reads slower than they come; more are lost on him.
_KEPT = 10_000

Fetch = Callable[[int, int | None], Sequence[objects.Event]]


class EventHub:
    """
    :param fetch: reads a page of events, by limit and marker
    :param most: readers at once
    """

    def __init__(self, fetch: Fetch, most: int) -> None:
        self._fetch = fetch
        self._most = most
        self._changed = threading.Condition()
        self._readers: set[Reader] = set()
        self._looking = False
        self._looked = False
        self._trouble_at_first = ''
        self._closed = False

    def reader(self) -> 'Reader':
        """One more, from now on.

        :raises Busy: if there are as many as there may be, or events cannot
            be read
        """
        with self._changed:
            if len(self._readers) >= self._most:
                raise faults.Busy(
                    f'{self._most} streams of events are read here already, '
                    f'which is [api] event_streams. Try again later.'
                )
            if not self._looking:
                # It tells of its first look only when this here waits.
                threading.Thread(
                    target=self._look, name='feed', daemon=True
                ).start()
                self._looking = True
                self._looked = False
            reader = Reader(self._changed, self._forget)
            reader.over = self._closed
            self._readers.add(reader)
            # Whatever happens from its first look on, it sees.
            self._changed.wait_for(lambda: self._looked, _BEGINS_WITHIN)
            if not self._looked or self._trouble_at_first:
                self._readers.discard(reader)
                raise faults.Busy(
                    self._trouble_at_first
                    or 'Events cannot be read just now. Try again later.'
                )
        return reader

    def close(self) -> None:
        """Have all readers read no more."""
        with self._changed:
            self._closed = True
            for reader in self._readers:
                reader.over = True
            self._changed.notify_all()

    def _forget(self, reader: 'Reader') -> None:
        with self._changed:
            self._readers.discard(reader)
            self._changed.notify_all()

    def _look(self) -> None:
        """Look on until nobody reads any more."""
        events = event_tail.EventTail(self._fetch)
        while True:
            found: list[objects.Event] = []
            trouble = ''
            try:
                found = list(events.poll())
            except exception.SGConductorError as error:
                trouble = str(error)
            except Exception:
                LOG.exception('Events cannot be followed')
                trouble = 'Events cannot be followed; the log says why.'
            with self._changed:
                if not self._looked:
                    self._looked, self._trouble_at_first = True, trouble
                elif not trouble:
                    self._trouble_at_first = ''
                for reader in self._readers:
                    reader.tell(found, trouble)
                self._changed.notify_all()
                self._changed.wait_for(self._is_idle, _LOOK_EVERY)
                if self._is_idle():
                    self._looking = False
                    return

    def _is_idle(self) -> bool:
        return self._closed or not self._readers


class Reader:
    """Has what came since it was last asked.

    :ivar over: whether nothing more will come
    :param changed: what it waits on
    :param forget: is told when it reads no more
    """

    def __init__(
        self,
        changed: threading.Condition,
        forget: Callable[['Reader'], None],
    ) -> None:
        self.over = False
        self._changed = changed
        self._forget = forget
        self._events: collections.deque[objects.Event] = collections.deque(
            maxlen=_KEPT
        )
        self._trouble = ''
        self._news = False

    def tell(self, events: Sequence[objects.Event], trouble: str) -> None:
        """Called by the feed, that holds the condition."""
        self._events.extend(events)
        self._news |= bool(events) or trouble != self._trouble
        self._trouble = trouble

    def read(self, timeout: float) -> tuple[list[objects.Event], str]:
        """
        :param timeout: how long to wait for something new, in seconds
        :returns: what is new; and why that may not be all, or ''
        """
        with self._changed:
            self._changed.wait_for(lambda: self._news or self.over, timeout)
            self._news = False
            found = list(self._events)
            self._events.clear()
            return found, self._trouble

    def close(self) -> None:
        """Read no more; again does no harm."""
        self._forget(self)
