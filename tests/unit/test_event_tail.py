"""Each event is yielded once, whatever order they appear in."""

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
    """
    :ivar table: the events by id
    :ivar now: of all clocks
    """

    def setUp(self) -> None:
        super().setUp()
        self.table: dict[int, objects.Event] = {}
        self.now = 1000.0
        self.markers: list[int | None] = []
        self.fails = False

    def write(self, *ids: int) -> list[objects.Event]:
        written = [
            objects.Event(
                id=i,
                uuid=uuidutils.generate_uuid(),
                type='service.update',
                at=_BEGIN + datetime.timedelta(seconds=self.now),
                payload='{}',
            )
            for i in ids
        ]
        self.table |= {event.id: event for event in written}
        return written

    def fetch(self, limit: int, marker: int | None) -> Sequence[objects.Event]:
        if self.fails and (marker is None or len(self.markers) > 0):
            raise exception.ConductorUnreachable('sgconductor', 1)
        self.markers.append(marker)
        events = [self.table[i] for i in sorted(self.table)]
        if marker is None:
            return events[-limit:]
        later = (event for event in events if event.id > marker)
        return list(itertools.islice(later, limit))

    def follow(self, since: int = 0) -> event_tail.EventTail:
        tail = event_tail.EventTail(self.fetch, since, lambda: self.now)
        self.existing = list(tail.poll())
        return tail

    def poll(
        self, tail: event_tail.EventTail, after: float = 1
    ) -> list[objects.Event]:
        self.now += after
        self.markers.clear()
        return list(tail.poll())

    def test_it_yields_as_many_existing_events_as_asked_for(self) -> None:
        *_, last = self.write(1, 2, 3)
        self.follow()
        self.assertEqual([], self.existing)
        self.follow(1)
        self.assertEqual([last], self.existing)
        self.follow(10)
        self.assertEqual(3, len(self.existing))

    def test_the_table_is_empty_at_first(self) -> None:
        tail = self.follow(5)
        self.assertEqual([], self.poll(tail))
        first = self.write(7)
        self.assertEqual(first, self.poll(tail))
        self.assertEqual([], self.poll(tail))

    def test_late_events_are_yielded_and_none_twice(self) -> None:
        self.write(1)
        tail = self.follow()
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
        tail = self.follow()
        # It is older than the tail.
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

    def test_more_events_than_a_page_has(self) -> None:
        tail = self.follow()
        many = self.write(*range(1, 2 * event_tail.PAGE + 1))
        self.assertEqual(many, self.poll(tail))
        self.assertEqual([0, 1000, 2000], self.markers)

    def test_a_failure_between_two_pages_loses_nothing(self) -> None:
        tail = self.follow()
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

    def test_deleted_events_do_not_stop_it(self) -> None:
        self.write(1, 2)
        tail = self.follow()
        self.table.clear()
        self.assertEqual([], self.poll(tail, after=100))
        news = self.write(3)
        self.assertEqual(news, self.poll(tail))
        self.assertEqual([], self.poll(tail))

    def test_ids_that_start_again_from_1(self) -> None:
        first, *_ = self.write(1, 2, 3)
        tail = self.follow()
        # As in a database that was restored.
        self.table = {1: first}
        self.now += 1
        news = self.write(2, 3)
        self.assertEqual(news, self.poll(tail))
        self.assertEqual([], self.poll(tail))
        news = self.write(4)
        self.assertEqual(news, self.poll(tail))
