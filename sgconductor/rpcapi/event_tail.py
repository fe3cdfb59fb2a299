"""Following the events table, each event once."""

import datetime
import itertools
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from sgconductor import objects

PAGE = 1000
# How long, in seconds, an event may appear after one that has a higher id.
_LATE = 60.0


class _Known(NamedTuple):
    """
    :ivar at: when it was read first, by the monotonic clock; of an event that
        existed before the tail, when it happened
    """

    uuid: str
    at: float


class EventTail:
    """Yields each event once, as soon as it is visible.

    The database assigns ids before the commit, so an event may appear between
    two that were read before: what follows a gap in the ids is read again
    until no event can appear there any more. Servers of a cluster show events
    in different orders, and leave gaps in the ids.

    If the event to continue from is missing, this page may be from a server
    that lags, so reading goes back to an event that is known for long. If
    that is missing too, it was so old that it was deleted, or the ids have
    started again from 1, as in a database that was restored. Then those of
    its events are new that were not yielded and are about as new as the newest
    known one.

    :param fetch: reads a page of events, by limit and marker, as
        :meth:`sgconductor.objects.EventList.get_page`
    :param since: how many of the existing events to yield first
    :param monotonic: for how long ago something was
    """

    def __init__(
        self,
        fetch: Callable[[int, int | None], Sequence[objects.Event]],
        since: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._since = since
        self._monotonic = monotonic
        self._started = False
        self._known: dict[int, _Known] = {}
        self._newest: datetime.datetime | None = None
        # Before the ids started again.
        self._yielded: set[str] = set()
        self._yielded_until: datetime.datetime | None = None

    def poll(self) -> Iterator[objects.Event]:
        """The events since the last poll; if it fails, the next one yields
        them.
        """
        if not self._started:
            page = self._fetch(PAGE, None)
            self._started = True
            existing = list(self._new(page, exist=True))
            first = len(existing) - min(self._since, len(existing))
            yield from existing[first:]
            return
        page = self._continue()
        yield from self._new(page)
        while len(page) == PAGE:
            page = self._fetch(PAGE, page[-1].id)
            yield from self._new(page)
        # What is read later is new, whatever the database's clock says.
        self._yielded_until = None

    def _continue(self) -> Sequence[objects.Event]:
        """The first page that may have new events."""
        last = self._last_before_a_gap()
        if last is None:
            return self._fetch(PAGE, 0)
        settled = self._settled()
        for start in (last, settled):
            page = self._fetch(PAGE, start - 1)
            if page and page[0].uuid == self._known[start].uuid:
                self._forget_before(min(last, settled))
                return page
        self._yielded = {known.uuid for known in self._known.values()}
        self._known.clear()
        if self._newest is not None:
            late = datetime.timedelta(seconds=_LATE / 2)
            self._yielded_until = self._newest - late
            self._newest = None
        return self._fetch(PAGE, 0)

    def _settled(self) -> int:
        """The id of an event that is known for long, if there is any.

        Every server of a cluster has it by now, and shows all before it.
        """
        since = self._monotonic() - _LATE
        old = (i for i, known in self._known.items() if known.at <= since)
        return max(old, default=min(self._known))

    def _forget_before(self, first: int) -> None:
        self._known = {i: k for i, k in self._known.items() if i >= first}

    def _last_before_a_gap(self) -> int | None:
        """The id after which events may still appear, if any is known."""
        ids = sorted(self._known)
        since = self._monotonic() - _LATE
        for one, next_ in itertools.pairwise(ids):
            if next_ > one + 1 and self._known[next_].at > since:
                return one
        return ids[-1] if ids else None

    def _new(
        self, page: Sequence[objects.Event], exist: bool = False
    ) -> Iterator[objects.Event]:
        """The events of a page that were not yielded.

        :param exist: whether they existed before the tail
        """
        now = self._monotonic()
        for event in page:
            known = self._known.get(event.id)
            if known is not None and known.uuid == event.uuid:
                continue
            # Later, the age says nothing: the clock may have been set.
            age = (page[-1].at - event.at).total_seconds() if exist else 0.0
            self._known[event.id] = _Known(event.uuid, now - max(age, 0.0))
            if self._newest is None or event.at > self._newest:
                self._newest = event.at
            if event.uuid not in self._yielded and (
                self._yielded_until is None or event.at > self._yielded_until
            ):
                yield event
