"""Joins that come at once are one transaction, and each as if alone."""

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

    def ask(
        self,
        host: str,
        version: int = 1,
        binary: str = 'acme-worker',
        **more: Any,
    ) -> joins.Request:
        said = {
            'topic': 'worker',
            'report_interval': 10,
            'down_after': 60,
            **more,
        }
        service = objects.Service(
            self.inside, host=host, binary=binary, version=version, **said
        )
        return joins.request(service, uuidutils.generate_uuid())

    def join(self, *asks: joins.Request) -> list[Any]:
        """For each its incarnation, or the error's name."""
        return [
            answer.row['incarnation']
            if isinstance(answer, joins.Answer)
            else type(answer).__name__
            for answer in self.joins(self.conductor.backend.roster).join_all(
                asks
            )
        ]

    def joins(self, roster: roster.Roster) -> joins.Joins:
        return joins.Joins(roster, self.conductor.backend.changes)

    def changes(self) -> int:
        """How many transactions have changed the roster."""
        with self.deployment.db.reader() as conn:
            number = conn.execute(sa.select(models.roster.c.changes))
            return int(number.scalar_one())

    def told(self) -> list[str]:
        """All events but the conductor's: what, and of which host."""
        found = []
        for one in objects.EventList.get_page(self.context):
            data = json.loads(one.payload)['versioned_object.data']
            if data['binary'] != models.CONDUCTOR:
                found.append(f'{one.type.partition(".")[2]} {data["host"]}')
        return found

    def pins(self) -> dict[str, int]:
        pins: dict[str, int] = objects.PinList.in_force(self.context)['pins']
        return {n: v for n, v in pins.items() if n != models.CONDUCTOR}

    def test_new_ones_are_one_transaction(self) -> None:
        before = self.changes()
        joined = self.join(
            self.ask('a', 3), self.ask('b', 3), self.ask('a', 2, 'acme-api')
        )
        self.assertEqual([1, 1, 1], joined)
        self.assertEqual(1, self.changes() - before)
        self.assertEqual({'acme-worker': 3, 'acme-api': 2}, self.pins())
        self.assertEqual(
            ['create a', 'up a', 'create b', 'up b', 'create a', 'up a'],
            self.told(),
        )
        pin = objects.Pin.get_by_binary(self.context, 'acme-worker')
        self.assertEqual('join of a and 1 more with version 3', pin.cause)
        with self.deployment.db.reader() as conn:
            epochs = conn.execute(sa.select(models.pins.c.epoch)).scalars()
            self.assertEqual([1, 2, 3], sorted(epochs))
            newest = conn.execute(sa.select(models.roster.c.epoch)).scalar()
            self.assertEqual(3, newest)

    def test_old_and_new_ones_and_one_sent_twice(self) -> None:
        again = self.ask('c')
        self.join(self.ask('a'), self.ask('b'), again, self.ask('d'))
        self.get_service('a').leave()
        self.services(host='d')[0].destroy()
        told = len(self.told())
        before = self.changes()
        asks = [
            self.ask('a'),
            self.ask('b', topic='other'),
            again,
            self.ask('d'),
            self.ask('e'),
        ]
        self.assertEqual([2, 2, 1, 1, 1], self.join(*asks))
        self.assertEqual(1, self.changes() - before)
        self.assertEqual(
            ['update b', 'create d', 'up d', 'create e', 'up e', 'up a'],
            self.told()[told:],
        )
        self.assertEqual('other', self.get_service('b').topic)
        self.assertTrue(self.get_service('a').is_up)

    def test_all_of_them_move_the_pin_at_once(self) -> None:
        self.join(self.ask('a', 1), self.ask('b', 1))
        self.assertEqual([2, 2], self.join(self.ask('a', 2), self.ask('b', 2)))
        self.assertEqual({'acme-worker': 2}, self.pins())

    def test_who_depends_on_another_comes_after_it(self) -> None:
        self.join(self.ask('a', 1))
        before = self.changes()
        joined = self.join(
            self.ask('a', 2),  # So none of version 1 is left.
            self.ask('b', 1),
            self.ask('a', 2),
            self.ask('c', 2),
        )
        self.assertEqual([2, 'ServiceTooOld', 3, 1], joined)
        # The one that was refused has left nothing.
        self.assertEqual(2, self.changes() - before)
        self.assertEqual({'acme-worker': 2}, self.pins())

    def test_one_that_cannot_be_written_harms_no_other(self) -> None:
        self.join(self.ask('z'))
        bad = self.ask('b')
        # As from a conductor that checks less than this one does.
        nothing: Any = None
        bad = bad._replace(join=bad.join._replace(topic=nothing))
        joined = self.join(self.ask('a'), bad, self.ask('c'))
        self.assertEqual([1, 1], [joined[0], joined[2]])
        self.assertNotIn(joined[1], (1, 'ServiceTooOld'))
        self.assertEqual(
            ['a', 'c', 'z'],
            sorted(s.host for s in self.services(binary='acme-worker')),
        )

    def test_a_database_that_is_away_is_waited_for_once(self) -> None:
        tried: list[Any] = []

        def away(work: Any) -> None:
            tried.append(work)
            raise exception.DatabaseUnreachable('db', 'gone')

        # The conductor itself goes on.
        cut_off = roster.Roster(mock.Mock(write=away), mock.Mock())
        asks = [self.ask('a'), self.ask('b'), self.ask('a'), self.ask('c', 2)]
        answers = self.joins(cut_off).join_all(asks)
        self.assertEqual(
            ['DatabaseUnreachable'] * 4,
            [type(one).__name__ for one in answers],
        )
        self.assertEqual(1, len(tried))

    def test_one_host_keeps_its_order(self) -> None:
        """The older process of an upgrade must not come after the newer."""
        self.join(self.ask('z', 1))
        joined = self.join(
            self.ask('b', 2), self.ask('a', 1), self.ask('a', 2)
        )
        self.assertEqual([1, 1, 2], joined)
        self.assertEqual(2, self.get_service('a').version)

    def test_versions_are_a_transaction_each(self) -> None:
        before = self.changes()
        asks = [self.ask(f'node{i}', 1 + i % 2) for i in range(6)]
        self.assertEqual([1] * 6, self.join(*asks))
        self.assertEqual(2, self.changes() - before)

    def test_one_that_had_to_wait_is_up(self) -> None:
        """As for other rows that joined with it."""
        read = services.get_many

        def later(*args: Any) -> Any:
            rows = read(*args)
            return {
                uuid: {**row, 'age': 100_000_000} for uuid, row in rows.items()
            }

        with mock.patch.object(services, 'get_many', later):
            self.assertEqual([1, 1], self.join(self.ask('a'), self.ask('b')))
        self.assertEqual(['create a', 'up a', 'create b', 'up b'], self.told())
