"""Concurrent joins are one transaction, with the results of single joins."""

import json
from typing import Any
from unittest import mock

import sqlalchemy as sa
from oslo_utils import uuidutils

from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import joins
from sgconductor.conductor import roster
from sgconductor.db import models
from sgconductor.db import services
from tests.functional import base


class TestTogether(base.ConductorTest):
    def setUp(self) -> None:
        super().setUp()
        self.inside = self.deployment.local(self.conductor)

    def request(
        self,
        host: str,
        version: int = 1,
        binary: str = 'acme-worker',
        **more: Any,
    ) -> joins.Request:
        values = {
            'topic': 'worker',
            'report_interval': 10,
            'down_after': 60,
            **more,
        }
        service = objects.Service(
            self.inside, host=host, binary=binary, version=version, **values
        )
        return joins.request(service, uuidutils.generate_uuid())

    def join(self, *requests: joins.Request) -> list[Any]:
        """Join; return for each request its incarnation or error's name."""
        return [
            answer.joined.row['incarnation']
            if isinstance(answer, joins.Answer)
            else type(answer).__name__
            for answer in self.joins(self.conductor.backend.roster).join_all(
                requests
            )
        ]

    def joins(self, roster: roster.Roster) -> joins.Joins:
        return joins.Joins(roster, self.conductor.backend.changes)

    def change_count(self) -> int:
        """How many transactions have changed the roster."""
        with self.deployment.db.reader() as conn:
            number = conn.execute(sa.select(models.roster.c.changes))
            return int(number.scalar_one())

    def events(self) -> list[str]:
        """The type and the host of each event, except the conductor's."""
        found = []
        for event in objects.EventList.get_page(self.context):
            data = json.loads(event.payload)['versioned_object.data']
            if data['binary'] != models.CONDUCTOR:
                found.append(f'{event.type.partition(".")[2]} {data["host"]}')
        return found

    def pins(self) -> dict[str, int]:
        pins: dict[str, int] = objects.PinList.in_force(self.context)['pins']
        return {n: v for n, v in pins.items() if n != models.CONDUCTOR}

    def test_joins_of_new_services_are_one_transaction(self) -> None:
        before = self.change_count()
        joined = self.join(
            self.request('a', 3),
            self.request('b', 3),
            self.request('a', 2, 'acme-api'),
        )
        self.assertEqual([1, 1, 1], joined)
        self.assertEqual(1, self.change_count() - before)
        self.assertEqual({'acme-worker': 3, 'acme-api': 2}, self.pins())
        self.assertEqual(
            ['create a', 'up a', 'create b', 'up b', 'create a', 'up a'],
            self.events(),
        )
        pin = objects.Pin.get_by_binary(self.context, 'acme-worker')
        self.assertEqual('join of a and 1 more with version 3', pin.cause)
        with self.deployment.db.reader() as conn:
            epochs = conn.execute(sa.select(models.pins.c.epoch)).scalars()
            self.assertEqual([1, 2, 3], sorted(epochs))
            newest = conn.execute(sa.select(models.roster.c.epoch)).scalar()
            self.assertEqual(3, newest)

    def test_new_known_and_repeated_joins_are_one_transaction(self) -> None:
        again = self.request('c')
        self.join(
            self.request('a'), self.request('b'), again, self.request('d')
        )
        self.get_service('a').leave()
        self.services(host='d')[0].destroy()
        events_before = len(self.events())
        before = self.change_count()
        requests = [
            self.request('a'),
            self.request('b', topic='other'),
            again,
            self.request('d'),
            self.request('e'),
        ]
        self.assertEqual([2, 2, 1, 1, 1], self.join(*requests))
        self.assertEqual(1, self.change_count() - before)
        self.assertEqual(
            ['update b', 'create d', 'up d', 'create e', 'up e', 'up a'],
            self.events()[events_before:],
        )
        self.assertEqual('other', self.get_service('b').topic)
        self.assertTrue(self.get_service('a').is_up)

    def test_joins_that_together_move_the_pin_move_it_at_once(self) -> None:
        self.join(self.request('a', 1), self.request('b', 1))
        self.assertEqual(
            [2, 2], self.join(self.request('a', 2), self.request('b', 2))
        )
        self.assertEqual({'acme-worker': 2}, self.pins())

    def test_a_join_sees_the_pin_that_an_earlier_join_moved(self) -> None:
        self.join(self.request('a', 1))
        before = self.change_count()
        joined = self.join(
            self.request('a', 2),  # After it, no service has version 1.
            self.request('b', 1),
            self.request('a', 2),
            self.request('c', 2),
        )
        self.assertEqual([2, 'ServiceTooOld', 3, 1], joined)
        # The refused join has changed nothing.
        self.assertEqual(2, self.change_count() - before)
        self.assertEqual({'acme-worker': 2}, self.pins())

    def test_a_join_that_cannot_be_written_fails_alone(self) -> None:
        self.join(self.request('z'))
        bad = self.request('b')
        # A value that the object would have refused.
        no_topic: Any = None
        bad = bad._replace(join=bad.join._replace(topic=no_topic))
        joined = self.join(self.request('a'), bad, self.request('c'))
        self.assertEqual([1, 1], [joined[0], joined[2]])
        self.assertNotIn(joined[1], (1, 'ServiceTooOld'))
        self.assertEqual(
            ['a', 'c', 'z'],
            sorted(s.host for s in self.services(binary='acme-worker')),
        )

    def test_all_joins_wait_once_for_a_database_that_is_away(self) -> None:
        tried: list[Any] = []

        def away(work: Any) -> None:
            tried.append(work)
            raise exception.DatabaseUnreachable('db', 'gone')

        # Only these joins: the conductor itself still has its database.
        unreachable = roster.Roster(
            mock.Mock(write=away), mock.Mock(), mock.Mock()
        )
        requests = [
            self.request('a'),
            self.request('b'),
            self.request('a'),
            self.request('c', 2),
        ]
        answers = self.joins(unreachable).join_all(requests)
        self.assertEqual(
            ['DatabaseUnreachable'] * 4,
            [type(answer).__name__ for answer in answers],
        )
        self.assertEqual(1, len(tried))

    def test_joins_of_one_host_keep_their_order(self) -> None:
        """In an upgrade, the old process must not join after the new one."""
        self.join(self.request('z', 1))
        joined = self.join(
            self.request('b', 2), self.request('a', 1), self.request('a', 2)
        )
        self.assertEqual([1, 1, 2], joined)
        self.assertEqual(2, self.get_service('a').version)

    def test_joins_of_each_version_are_one_transaction(self) -> None:
        before = self.change_count()
        requests = [self.request(f'node{i}', 1 + i % 2) for i in range(6)]
        self.assertEqual([1] * 6, self.join(*requests))
        self.assertEqual(2, self.change_count() - before)

    def test_a_service_whose_join_took_long_is_up(self) -> None:
        """It may wait for other rows of its transaction."""
        read = services.get_many

        def later(*args: Any) -> Any:
            rows = read(*args)
            return {
                uuid: {**row, 'age': 100_000_000} for uuid, row in rows.items()
            }

        with mock.patch.object(services, 'get_many', later):
            self.assertEqual(
                [1, 1], self.join(self.request('a'), self.request('b'))
            )
        self.assertEqual(
            ['create a', 'up a', 'create b', 'up b'], self.events()
        )
