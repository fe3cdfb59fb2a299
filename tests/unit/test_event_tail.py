"""Following events, each once, whatever order they appear in."""

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
    """``table`` is that of the events, ``now`` the moment on all clocks."""

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
        following = event_tail.EventTail(self.fetch, since, lambda: self.now)
        self.there = list(following.poll())
        return following

    def look(
        self, following: event_tail.EventTail, after: float = 1
    ) -> list[objects.Event]:
        self.now += after
        self.markers.clear()
        return list(following.poll())

    def test_it_begins_where_it_is_told_to(self) -> None:
        *_, last = self.write(1, 2, 3)
        self.follow()
        self.assertEqual([], self.there)
        self.follow(1)
        self.assertEqual([last], self.there)
        self.follow(10)
        self.assertEqual(3, len(self.there))

    def test_nothing_is_there_at_first(self) -> None:
        following = self.follow(5)
        self.assertEqual([], self.look(following))
        first = self.write(7)
        self.assertEqual(first, self.look(following))
        self.assertEqual([], self.look(following))

    def test_late_ones_are_told_and_none_twice(self) -> None:
        self.write(1)
        following = self.follow()
        later = self.write(4, 5)
        self.assertEqual(later, self.look(following))
        late = self.write(3)
        self.assertEqual(late, self.look(following))
        late = self.write(2)
        self.assertEqual(late, self.look(following))
        self.assertEqual([], self.look(following))
        # All are there, so there is no need to look back.
        self.look(following)
        self.assertEqual([4], self.markers)

    def test_a_gap_is_not_watched_for_ever(self) -> None:
        self.write(1)
        self.now += 100
        self.write(10)
        following = self.follow()
        # That one is older than the command.
        self.look(following)
        self.assertEqual([0], self.markers)
        self.look(following, after=61)
        self.look(following)
        self.assertEqual([9], self.markers)
        self.write(20)
        self.look(following)
        self.look(following, after=59)
        self.assertEqual([9], self.markers)
        self.look(following, after=2)
        self.look(following)
        self.assertEqual([19], self.markers)

    def test_more_than_a_page(self) -> None:
        following = self.follow()
        many = self.write(*range(1, 2 * event_tail.PAGE + 1))
        self.assertEqual(many, self.look(following))
        self.assertEqual([0, 1000, 2000], self.markers)

    def test_a_failure_between_two_pages_loses_nothing(self) -> None:
        following = self.follow()
        many = self.write(*range(1, event_tail.PAGE + 2))
        self.fails = True
        self.markers.clear()
        told = []
        try:
            for event in following.poll():
                told.append(event)
        except exception.Unreachable:
            pass
        self.fails = False
        self.assertEqual(event_tail.PAGE, len(told))
        self.assertEqual(many[-1:], self.look(following))

    def test_what_was_forgotten_leaves_no_hole(self) -> None:
        self.write(1, 2)
        following = self.follow()
        self.table.clear()
        self.assertEqual([], self.look(following, after=100))
        news = self.write(3)
        self.assertEqual(news, self.look(following))
        self.assertEqual([], self.look(following))

    def test_ids_begin_anew(self) -> None:
        first, *_ = self.write(1, 2, 3)
        following = self.follow()
        # As in a database that was restored.
        self.table = {1: first}
        self.now += 1
        news = self.write(2, 3)
        self.assertEqual(news, self.look(following))
        self.assertEqual([], self.look(following))
        news = self.write(4)
        self.assertEqual(news, self.look(following))
