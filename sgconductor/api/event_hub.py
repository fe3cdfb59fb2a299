"""One poll of the events each second, for any number of subscribers."""

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
_POLL_INTERVAL = 1.0
_FIRST_POLL_TIMEOUT = 3.0
# Buffer per slow subscriber; older events are dropped.
_BUFFER = 10_000

Fetch = Callable[[int, int | None], Sequence[objects.Event]]


class EventHub:
    """Polls the events while it has subscribers.

    :param fetch: reads a page of events, by limit and marker
    :param max_subscribers: at the same time
    """

    def __init__(self, fetch: Fetch, max_subscribers: int) -> None:
        self._fetch = fetch
        self._max_subscribers = max_subscribers
        self._changed = threading.Condition()
        self._subscribers: set[Subscriber] = set()
        self._running = False
        self._polled = False
        self._initial_trouble = ''
        self._closed = False

    def subscribe(self) -> 'Subscriber':
        """A new subscriber, which gets every event from now on.

        :raises Busy: if there are ``max_subscribers`` already, or events
            cannot be read
        """
        with self._changed:
            if len(self._subscribers) >= self._max_subscribers:
                raise faults.Busy(
                    f'This process sends {self._max_subscribers} event '
                    f'streams already, the limit of [api] event_streams. Try '
                    f'again later.'
                )
            if not self._running:
                # It cannot report its first poll before the wait below has
                # released the condition.
                threading.Thread(
                    target=self._run, name='event-hub', daemon=True
                ).start()
                self._running = True
                self._polled = False
            subscriber = Subscriber(self._changed, self._remove)
            subscriber.closed = self._closed
            self._subscribers.add(subscriber)
            # The first poll says where to start: only then is no later event
            # missed.
            self._changed.wait_for(lambda: self._polled, _FIRST_POLL_TIMEOUT)
            if not self._polled or self._initial_trouble:
                self._subscribers.discard(subscriber)
                raise faults.Busy(
                    self._initial_trouble
                    or f'Events could not be read within '
                    f'{_FIRST_POLL_TIMEOUT:g} s. Try again later.'
                )
        return subscriber

    def close(self) -> None:
        """End all subscriptions."""
        with self._changed:
            self._closed = True
            for subscriber in self._subscribers:
                subscriber.closed = True
            self._changed.notify_all()

    def _remove(self, subscriber: 'Subscriber') -> None:
        with self._changed:
            self._subscribers.discard(subscriber)
            self._changed.notify_all()

    def _run(self) -> None:
        """Poll until there are no subscribers."""
        tail = event_tail.EventTail(self._fetch)
        while True:
            events: list[objects.Event] = []
            trouble = ''
            try:
                events = list(tail.poll())
            except exception.SGConductorError as error:
                trouble = str(error)
            except Exception:
                LOG.exception('Reading the events failed')
                trouble = 'Reading the events failed; the log says why.'
            with self._changed:
                if not self._polled:
                    self._polled, self._initial_trouble = True, trouble
                elif not trouble:
                    self._initial_trouble = ''
                for subscriber in self._subscribers:
                    subscriber.deliver(events, trouble)
                self._changed.notify_all()
                self._changed.wait_for(self._is_idle, _POLL_INTERVAL)
                if self._is_idle():
                    self._running = False
                    return

    def _is_idle(self) -> bool:
        return self._closed or not self._subscribers


class Subscriber:
    """Buffers the events that it has not read yet.

    :ivar closed: whether no more events will come
    :param changed: the hub's condition, to wait for events
    :param remove: called when it is closed
    """

    def __init__(
        self,
        changed: threading.Condition,
        remove: Callable[['Subscriber'], None],
    ) -> None:
        self.closed = False
        self._changed = changed
        self._remove = remove
        self._events: collections.deque[objects.Event] = collections.deque(
            maxlen=_BUFFER
        )
        self._trouble = ''
        self._unread = False

    def deliver(self, events: Sequence[objects.Event], trouble: str) -> None:
        """Add events; the hub calls this and holds the condition."""
        self._events.extend(events)
        self._unread |= bool(events) or trouble != self._trouble
        self._trouble = trouble

    def read(self, timeout: float) -> tuple[list[objects.Event], str]:
        """
        :param timeout: seconds to wait for a change
        :returns: the new events; and why events cannot be read, or ''
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._unread or self.closed, timeout
            )
            self._unread = False
            events = list(self._events)
            self._events.clear()
            return events, self._trouble

    def close(self) -> None:
        """End the subscription; idempotent."""
        self._remove(self)
