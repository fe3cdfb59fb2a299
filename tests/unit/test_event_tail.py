"""The event tail yields each event once, in whatever order they appear."""

import datetime
import itertools
from collections.abc import Sequence

from oslo_utils import uuidutils

from sgconductor import exception
from sgconductor import objects
from sgconductor.rpcapi import event_tail
from tests import base

_BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class TestEventTail(base.TestCase):
    """Tests with a table of events in memory.

    :ivar table: the events by id
    :ivar now: the time of the tail's clock, in seconds
    :ivar ahead: how far the table's clock is ahead of it
    :ivar markers: the marker of each page that the tail has read
    :ivar fails: whether the next page cannot be read
    """

    def setUp(self) -> None:
        super().setUp()
        self.table: dict[int, objects.Event] = {}
        self.now = 1000.0
        self.ahead = 0.0
        self.markers: list[int | None] = []
        self.fails = False

    def write(self, *ids: int) -> list[objects.Event]:
        """Add events to the table."""
        written = [
            objects.Event(
                id=i,
                uuid=uuidutils.generate_uuid(),
                type='service.update',
                at=_BEGIN + datetime.timedelta(seconds=self.now + self.ahead),
                payload='{}',
            )
            for i in ids
        ]
        self.table |= {event.id: event for event in written}
        return written

    def fetch(self, limit: int, marker: int | None) -> Sequence[objects.Event]:
        """A page of the table, as EventList.get_page returns it."""
        if self.fails and (marker is None or len(self.markers) > 0):
            raise exception.ConductorUnreachable('sgconductor', 1)
        self.markers.append(marker)
        events = [self.table[i] for i in sorted(self.table)]
        if marker is None:
            return events[-limit:]
        later = (event for event in events if event.id > marker)
        return list(itertools.islice(later, limit))

    def new_tail(self, since: int = 0) -> event_tail.EventTail:
        """A tail that has yielded the events that exist already.

        :param since: how many of the existing events it yields
        """
        tail = event_tail.EventTail(self.fetch, since, lambda: self.now)
        self.existing = list(tail.poll())
        return tail

    def poll(
        self, tail: event_tail.EventTail, after: float = 1
    ) -> list[objects.Event]:
        """The events that a tail yields so many seconds later."""
        self.now += after
        self.markers.clear()
        return list(tail.poll())

    def test_it_yields_as_many_existing_events_as_asked_for(self) -> None:
        *_, last = self.write(1, 2, 3)
        self.new_tail()
        self.assertEqual([], self.existing)
        self.new_tail(1)
        self.assertEqual([last], self.existing)
        self.new_tail(10)
        self.assertEqual(3, len(self.existing))

    def test_the_first_event_of_an_empty_table_is_yielded(self) -> None:
        tail = self.new_tail(5)
        self.assertEqual([], self.poll(tail))
        first = self.write(7)
        self.assertEqual(first, self.poll(tail))
        self.assertEqual([], self.poll(tail))

    def test_late_events_are_yielded_and_none_twice(self) -> None:
        self.write(1)
        tail = self.new_tail()
        later = self.write(4, 5)
        self.assertEqual(later, self.poll(tail))
        late = self.write(3)
        self.assertEqual(late, self.poll(tail))
        late = self.write(2)
        self.assertEqual(late, self.poll(tail))
        self.assertEqual([], self.poll(tail))
        # There is no gap, so no page is read again.
        self.poll(tail)
        self.assertEqual([4], self.markers)

    def test_a_gap_is_read_again_for_a_minute(self) -> None:
        self.write(1)
        self.now += 100
        self.write(10)
        tail = self.new_tail()
        # The gap is older than the tail.
        self.poll(tail)
        self.assertEqual([0], self.markers)
        self.poll(tail, after=61)
        self.poll(tail)
        self.assertEqual([9], self.markers)
        self.write(20)
        self.poll(tail)
        self.poll(tail, after=59)
        self.assertEqual([9], self.markers)
        self.poll(tail, after=2)
        self.poll(tail)
        self.assertEqual([19], self.markers)

    def test_more_events_than_fit_on_a_page_are_yielded(self) -> None:
        tail = self.new_tail()
        many = self.write(*range(1, 2 * event_tail.PAGE + 1))
        self.assertEqual(many, self.poll(tail))
        self.assertEqual([0, 1000, 2000], self.markers)

    def test_a_failure_between_two_pages_loses_nothing(self) -> None:
        tail = self.new_tail()
        many = self.write(*range(1, event_tail.PAGE + 2))
        self.fails = True
        self.markers.clear()
        yielded = []
        try:
            for event in tail.poll():
                yielded.append(event)
        except exception.Unreachable:
            pass
        self.fails = False
        self.assertEqual(event_tail.PAGE, len(yielded))
        self.assertEqual(many[-1:], self.poll(tail))

    def test_the_tail_goes_on_after_events_were_deleted(self) -> None:
        self.write(1, 2)
        tail = self.new_tail()
        self.table.clear()
        self.assertEqual([], self.poll(tail, after=100))
        new = self.write(3)
        self.assertEqual(new, self.poll(tail))
        self.assertEqual([], self.poll(tail))

    def test_events_whose_ids_start_again_are_yielded(self) -> None:
        first, *_ = self.write(1, 2, 3)
        tail = self.new_tail()
        # As in a database that was restored.
        self.table = {1: first}
        self.now += 1
        new = self.write(2, 3)
        self.assertEqual(new, self.poll(tail))
        self.assertEqual([], self.poll(tail))
        new = self.write(4)
        self.assertEqual(new, self.poll(tail))

    def test_a_server_that_lags_hides_no_event(self) -> None:
        """Of a cluster, where each page may be read from another server."""
        old, *_ = self.write(1)
        self.now += 100
        tail = self.new_tail()
        first, second = self.write(2, 3)
        self.assertEqual([first, second], self.poll(tail))
        shown = self.table
        # Another server does not show them yet, but it shows one that
        # happened before them.
        self.table = {old.id: old}
        self.now -= 2
        late = self.write(4)
        self.now += 2
        self.assertEqual(late, self.poll(tail))
        self.assertEqual([0], self.markers[1:])
        self.table |= shown
        later = self.write(5, 9)
        self.assertEqual(later, self.poll(tail))
        self.assertEqual([], self.poll(tail))

    def test_a_server_that_lags_in_a_new_table_hides_no_event(self) -> None:
        tail = self.new_tail()
        first = self.write(2)
        self.assertEqual(first, self.poll(tail))
        shown, self.table = self.table, {}
        self.assertEqual([], self.poll(tail))
        # It happened before the newest known one, and is shown after it.
        self.now -= 2
        late = self.write(1)
        self.now += 2
        self.assertEqual(late, self.poll(tail))
        self.table |= shown
        self.assertEqual([], self.poll(tail))

    def test_a_gap_before_a_step_of_the_clock_is_read_again(self) -> None:
        self.write(1)
        tail = self.new_tail()
        first = self.write(5)
        self.ahead = 3600
        second = self.write(6)
        self.assertEqual(first + second, self.poll(tail))
        late = self.write(3)
        self.assertEqual(late, self.poll(tail))

    def test_events_after_a_restore_with_an_older_clock_are_yielded(
        self,
    ) -> None:
        first, *_ = self.write(1, 2, 3)
        tail = self.new_tail()
        self.table = {1: first}
        self.ahead = -3600
        self.assertEqual([], self.poll(tail))
        # The bound was for those that the restored table had.
        self.table = {}
        self.write(1)
        self.poll(tail)
        new = self.write(2, 3)
        self.assertEqual(new, self.poll(tail))
