"""Following events: each is told once."""

import datetime
import itertools
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from sgconductor import objects

PAGE = 1000
# Seconds for which an event may come after one that has a higher id.
_LATE = 60.0


class _Known(NamedTuple):
    """
    :ivar at: when it happened, by this host's clock that only goes forward
    """

    uuid: str
    at: float


class EventTail:
    """Tells each event once, as soon as it can be seen.

    Ids are given out before the commit, so an event may come to stand between
    two that were seen before: what follows a gap is read again until nothing
    can come there any more. Where the event to go on from is missing, it is
    so old that it was forgotten, or the ids have begun anew, as in a database
    that was restored; then moments tell what is new.

    :param fetch: reads a page of events, by limit and marker, as
        :meth:`sgconductor.objects.EventList.get_page`
    :param since: how many of those that are there already to tell
    :param monotonic: the host's clock that only goes forward
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
        self._begun = False
        self._known: dict[int, _Known] = {}
        self._newest: datetime.datetime | None = None
        self._told_until: datetime.datetime | None = None

    def poll(self) -> Iterator[objects.Event]:
        """What is new since the last look; one that fails loses nothing."""
        if not self._begun:
            page = self._fetch(PAGE, None)
            self._begun = True
            there = list(self._new(page))
            yield from there[len(there) - min(self._since, len(there)) :]
            return
        page = self._go_on()
        yield from self._new(page)
        while len(page) == PAGE:
            page = self._fetch(PAGE, page[-1].id)
            yield from self._new(page)

    def _go_on(self) -> Sequence[objects.Event]:
        """The first page of what may have something new."""
        last = self._last_before_a_gap()
        if last is None:
            return self._fetch(PAGE, 0)
        page = self._fetch(PAGE, last - 1)
        if page and page[0].uuid == self._known[last].uuid:
            self._known = {i: k for i, k in self._known.items() if i >= last}
            return page
        page = self._fetch(PAGE, 0)
        self._known.clear()
        self._told_until = self._newest
        return page

    def _last_before_a_gap(self) -> int | None:
        """Behind which something may still come; None if nothing is known."""
        ids = sorted(self._known)
        since = self._monotonic() - _LATE
        for one, next_ in itertools.pairwise(ids):
            if next_ > one + 1 and self._known[next_].at > since:
                return one
        return ids[-1] if ids else None

    def _new(self, page: Sequence[objects.Event]) -> Iterator[objects.Event]:
        now = self._monotonic()
        for event in page:
            if event.id in self._known:
                continue
            age = (page[-1].at - event.at).total_seconds()
            self._known[event.id] = _Known(event.uuid, now - max(age, 0.0))
            if self._newest is None or event.at > self._newest:
                self._newest = event.at
            if self._told_until is None or event.at > self._told_until:
                yield event
