"""Pins: where they are, who may join, and who follows."""

import itertools
import threading
from collections.abc import Mapping
from typing import Any

import fixtures
import sqlalchemy as sa
from oslo_utils import uuidutils

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor.app import conductor as conductor_app
from sgconductor.app import local as local_app
from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import pins
from sgconductor.db import reception
from sgconductor.member import Membership
from tests.functional import base


class PinTest(base.ConductorTest):
    def service(
        self,
        host: str,
        version: int,
        binary: str = 'acme-worker',
        **more: Any,
    ) -> objects.Service:
        """A service that has joined, without a process that beats."""
        service = objects.Service(
            self.context,
            host=host,
            binary=binary,
            topic='worker',
            version=version,
            report_interval=10,
            down_after=60,
            **more,
        )
        service.join(uuidutils.generate_uuid())
        return service

    def pin(self, binary: str = 'acme-worker') -> objects.Pin:
        return objects.Pin.get_by_binary(self.context, binary)

    def hold(self, version: int) -> objects.Pin:
        """A hold that the conductor itself follows already."""
        pin = self.pin()
        pin.hold(version)
        self.wait_for_conductor(pin.epoch)
        return self.pin()

    def wait_for_conductor(self, epoch: int) -> None:
        """Wait until the conductor, a member too, confirms an epoch."""

        def confirmed() -> bool:
            own = self.get_service('conductor1', base.CONDUCTOR)
            return own.pin_epoch >= epoch

        self.wait_for('the conductor', confirmed)

    def wait_for_followers(self, count: int) -> None:
        """Wait until so many members, and the conductor, follow the pin."""
        self.wait_for(
            'the followers', lambda: self.pin().following == count + 1
        )

    def confirm(self, service: objects.Service, epoch: int) -> None:
        """Have a beat of a service carry an epoch, and arrive."""
        self.deployment.beat(self.remote, service, epoch=epoch)

        def arrived() -> bool:
            service.refresh()
            return service.pin_epoch >= epoch

        self.wait_for('the beat', arrived)

    def refuse(self, host: str, version: int) -> exception.ServiceTooOld:
        error: exception.ServiceTooOld = self.assertRaises(
            exception.ServiceTooOld, self.service, host, version
        )
        return error


class TestMinimum(PinTest):
    def test_the_lowest_of_all_that_count(self) -> None:
        self.service('a', 3)
        self.assertEqual(3, self.pin().version)
        self.service('b', 4)
        self.assertEqual(3, self.pin().version)
        self.assertEqual({'3': 1, '4': 1}, self.pin().services)
        self.service('a', 4)
        self.assertEqual(4, self.pin().version)
        self.assertEqual({'4': 2}, self.pin().services)

    def test_binaries_are_apart(self) -> None:
        self.service('a', 3)
        self.service('a', 7, binary='acme-api')
        found = objects.PinList.get_all(self.context)
        self.assertEqual(
            [('acme-api', 7), ('acme-worker', 3), (base.CONDUCTOR, 1)],
            [(pin.binary, pin.version) for pin in found],
        )
        answer = objects.PinList.in_force(self.context)
        self.assertEqual(
            {'acme-api': 7, 'acme-worker': 3, base.CONDUCTOR: 1},
            answer['pins'],
        )

    def test_dead_disabled_and_forced_down_services_count(self) -> None:
        self.service('new', 4)
        hold = self.hold(3)
        self.confirm(self.get_service('new'), hold.epoch)
        dead = self.service('dead', 3)
        self.pin().release()
        dead.disabled = True
        dead.forced_down = True
        dead.save()
        dead.leave()
        self.deployment.age(dead.id, 10**6)
        self.service('new', 5)
        self.assertEqual(3, self.pin().version)

    def test_deleted_ones_do_not(self) -> None:
        old = self.service('old', 3)
        self.service('new', 4)
        old.destroy()
        pin = self.pin()
        self.assertEqual(4, pin.version)
        self.assertEqual('delete of old', pin.cause)

    def test_an_empty_fleet_keeps_its_pin(self) -> None:
        self.service('a', 3).destroy()
        pin = self.pin()
        self.assertEqual((3, {}), (pin.version, pin.services))
        # Nobody can be told of a lower one in time.
        self.refuse('b', 2)
        self.service('b', 4)
        self.assertEqual(4, self.pin().version)

    def test_an_unknown_binary_is_an_error(self) -> None:
        error = self.assertRaises(exception.UnknownBinary, self.pin, 'worker')
        self.assertIn(f'Known: {base.CONDUCTOR}.', str(error))
        self.service('a', 3)
        error = self.assertRaises(exception.UnknownBinary, self.pin, 'worker')
        self.assertIn(f'Known: acme-worker, {base.CONDUCTOR}.', str(error))

    def test_several_binaries_are_one_statement(self) -> None:
        for i in range(3):
            self.service('a', i, binary=f'b{i}')
        seen: list[str] = []

        def listen(conn: Any, cursor: Any, statement: str, *more: Any) -> None:
            seen.append(statement)

        sa.event.listen(
            self.deployment.db.engine, 'before_cursor_execute', listen
        )
        names = ['b0', 'b1', 'b2', 'nothing']
        with self.deployment.db.reader() as conn:
            lowest = pins.minimum(conn, names)
        self.assertEqual({'b0': 0, 'b1': 1, 'b2': 2, 'nothing': None}, lowest)
        seen = [s for s in seen if not s.startswith('BEGIN')]
        self.assertEqual(1, len(seen), str(seen))


class TestNobody(base.DeploymentTest):
    """Before the first conductor has joined."""

    def test_an_unknown_binary_is_an_error(self) -> None:
        with local_app.Local(self.deployment.conf()) as local:
            error = self.assertRaises(
                exception.UnknownBinary,
                objects.Pin.get_by_binary,
                local.context(),
                'worker',
            )
        self.assertIn('Known: none yet', str(error))


class TestPlan(PinTest):
    """At any size, a look at a handful of entries."""

    scenarios = [base.ON_MARIADB, base.ON_POSTGRESQL]
    rows = 3000

    def setUp(self) -> None:
        super().setUp()
        first = self.service('first', 70)
        table = models.services
        with self.deployment.db.writer() as conn:
            found = conn.execute(
                sa.select(table).where(table.c.uuid == first.uuid)
            )
            one = dict(found.mappings().one())
            del one['id']
            conn.execute(
                table.insert(),
                [
                    {
                        **one,
                        'uuid': uuidutils.generate_uuid(),
                        'host': f'node{i}',
                        'binary': f'acme-{i % 5}',
                        'version': 71 + i % 4,
                    }
                    for i in range(self.rows)
                ],
            )

    def read(self, conn: sa.Connection) -> int:
        """How many entries the session has read so far."""
        text = {
            'mysql': "SHOW SESSION STATUS LIKE 'Handler_read%%'",
            'postgresql': (
                "SELECT 'read', seq_tup_read + idx_tup_fetch "
                "FROM pg_stat_xact_user_tables WHERE relname = 'services'"
            ),
        }[conn.dialect.name]
        return sum(int(row[1]) for row in conn.exec_driver_sql(text))

    def test_so_are_all_minimums_at_once(self) -> None:
        self.conductor.backend.roster.settle()
        with self.deployment.db.writer() as conn:
            first, before = self.read(conn), self.read(conn)
            look = pins.lock_roster(conn)
            # What it takes to ask for it counts too.
            steps = self.read(conn) - before - (before - first)
        lowest = {name: row['lowest'] for name, row in look.rows.items()}
        self.assertEqual(
            [71] * 5, [lowest[f'acme-{i}'] for i in range(5)], str(lowest)
        )
        self.assertLess(steps, self.rows / 10)

    def explain(self) -> list[str]:
        names = [f'acme-{i}' for i in range(5)]
        plan: list[str] = []

        def listen(
            conn: Any, cursor: Any, statement: str, parameters: Any, *more: Any
        ) -> None:
            if not plan:
                plan.append('')
                told = conn.exec_driver_sql(f'EXPLAIN {statement}', parameters)
                plan[:] = [' '.join(map(str, row)) for row in told]

        engine = self.deployment.db.engine
        sa.event.listen(engine, 'before_cursor_execute', listen)
        self.addCleanup(
            sa.event.remove, engine, 'before_cursor_execute', listen
        )
        with self.deployment.db.reader() as conn:
            lowest = pins.minimum(conn, names)
        self.assertEqual(dict.fromkeys(names, 71), lowest)
        return plan

    def test_the_minimum_is_the_first_entry_of_the_index(self) -> None:
        with self.deployment.db.writer() as conn:
            conn.exec_driver_sql(
                'ANALYZE services'
                if conn.dialect.name == 'postgresql'
                else 'ANALYZE TABLE services'
            )
        plan = self.explain()
        first = 'ix_services_min' if len(plan) > 6 else 'optimized away'
        self.assertEqual(
            5, sum(first in line for line in plan), '\n'.join(plan)
        )
        self.assertNotIn('Seq Scan', '\n'.join(plan))


class TestAdmission(PinTest):
    def snapshot(self) -> list[Any]:
        members, events = models.services, models.events
        with self.deployment.db.reader() as conn:
            return [
                conn.execute(statement).all()
                for statement in (
                    # The conductor's beats go on.
                    sa.select(members)
                    .where(members.c.binary != base.CONDUCTOR)
                    .order_by(members.c.id),
                    sa.select(models.pins).order_by(models.pins.c.binary),
                    sa.select(models.roster),
                    # They may be sent meanwhile.
                    sa.select(events.c.uuid, events.c.type).order_by(
                        events.c.id
                    ),
                )
            ]

    def test_an_older_one_is_refused_and_leaves_no_trace(self) -> None:
        self.service('a', 3)
        before = self.snapshot()
        error = self.refuse('b', 2)
        for words in (
            'acme-worker on b has version 2',
            'the pin is 3',
            'sgconductor-manage pins explain acme-worker',
            'sgconductor-manage pins hold acme-worker 2',
        ):
            self.assertIn(words, str(error))
        self.assertEqual(before, self.snapshot())

    def test_so_is_one_that_goes_back(self) -> None:
        self.service('a', 3)
        before = self.snapshot()
        self.refuse('a', 2)
        self.assertEqual(before, self.snapshot())
        self.assertTrue(self.get_service('a').is_up)

    def test_an_older_one_than_some_may_join(self) -> None:
        self.service('a', 3)
        self.service('b', 5)
        self.service('c', 4)
        self.service('b', 3)
        self.assertEqual(3, self.pin().version)

    def test_a_member_is_told_and_does_not_try_on(self) -> None:
        self.service('a', 3)
        self.assertRaises(exception.ServiceTooOld, self.member, 'b', version=2)

    def test_admins_edits_are_not_its_business(self) -> None:
        old = self.service('old', 3)
        self.service('new', 4)
        old.leave()
        old.quarantine()
        self.assertEqual(4, self.pin().version)
        for change in (
            {'disabled': True, 'disabled_reason': 'old'},
            {'disabled': False},
            {'forced_down': True},
            {'forced_down': False},
        ):
            for name, value in change.items():
                setattr(old, name, value)
            old.save()
        self.assertEqual(4, self.pin().version)

    def test_a_join_and_the_pin_that_it_moves_are_one(self) -> None:
        self.service('a', 3)
        before = self.snapshot()

        def explode(*args: Any) -> None:
            raise ZeroDivisionError

        with fixtures.MonkeyPatch('sgconductor.db.pins.set_minimum', explode):
            self.assertRaises(
                exception.UnexpectedFailure, self.service, 'a', 4
            )
            self.assertRaises(
                exception.UnexpectedFailure, self.get_service('a').destroy
            )
        self.assertEqual(before, self.snapshot())


class TestHold(PinTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def test_it_caps_the_pin(self) -> None:
        self.service('a', 3)
        pin = self.hold(2)
        self.assertEqual(
            (2, 3, 2), (pin.version, pin.min_version, pin.held_version)
        )
        self.service('a', 4)
        self.assertEqual(2, self.pin().version)
        pin = self.pin()
        pin.release()
        self.assertEqual((4, None), (pin.version, pin.held_version))

    def test_one_above_the_pin_changes_nothing_yet(self) -> None:
        self.service('a', 3)
        before = self.pin().epoch
        self.assertEqual((3, before), (self.hold(4).version, self.pin().epoch))
        self.service('a', 5)
        self.assertEqual(4, self.pin().version)

    def test_versions_that_are_none(self) -> None:
        self.service('a', 3)
        for bad in (-1, '2', True, None, 2**40):
            self.assertRaises(exception.InvalidInput, self.hold, bad)
        self.assertIsNone(self.pin().held_version)

    def test_an_older_one_may_join_when_all_live_members_follow(self) -> None:
        beating = [self.service(host, 3) for host in 'ab']
        beating.append(self.service('c', 1, binary='acme-api'))
        gone = self.service('gone', 3)
        gone.leave()
        dead = self.service('dead', 3)
        self.deployment.age(dead.id, 90)
        pin = self.hold(2)
        # The conductor is one of them.
        self.assertEqual((1, 4), (pin.following, pin.live))
        for i, service in enumerate(beating):
            error = self.refuse('old', 2)
            self.assertIn(f'only {1 + i} of 4 members', str(error))
            self.assertIn('pins wait acme-worker 2', str(error))
            self.confirm(service, pin.epoch)
        self.refuse('older', 1)
        self.service('old', 2)
        self.assertEqual((2, 2), (self.pin().version, self.pin().min_version))

    def test_the_process_that_it_replaces_need_not_follow(self) -> None:
        self.service('a', 3)
        self.hold(2)
        self.assertEqual(2, self.service('a', 2).version)

    def test_an_older_epoch_confirms_nothing(self) -> None:
        service = self.service('a', 3)
        pin = self.hold(2)
        self.confirm(service, pin.epoch)
        pin.release()
        again = self.hold(2)
        self.assertGreater(again.epoch, pin.epoch)
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        self.confirm(service, again.epoch)
        # A beat that was overtaken takes nothing back.
        self.deployment.beat(self.remote, service, epoch=1)
        self.wait_for('it', lambda: self.get_service('a').report_count == 3)
        self.service('old', 2)

    def test_a_new_process_has_to_confirm_for_itself(self) -> None:
        self.confirm(self.service('a', 3), 100)
        self.service('a', 3)
        self.hold(2)
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))


class TestUnheard(PinTest):
    """Who could not be heard may be speaking all the same."""

    scenarios = base.EMBEDDED_AND_MARIADB

    def live(self, context: sg_context.RequestContext) -> tuple[int, int]:
        """How many follow the pin, and of how many."""
        pin = objects.Pin.get_by_binary(context, 'acme-worker')
        return pin.following, pin.live

    def gaps(self) -> int:
        return len(reception.read_windows(self.deployment.db)) - 1

    def test_no_hold_is_followed_because_no_conductor_ran(self) -> None:
        member = self.service('a', 3)
        self.hold(2)
        self.conductor.stop()
        # As long as that: its beats wait with the broker.
        self.deployment.age(member.id, 600)
        self.deployment.stop_reception(600)
        self.conductor = conductor_app.Conductor(self.deployment.conf())
        self.addCleanup(self.conductor.stop)
        # Before any beat is heard again,
        there = self.deployment.local(self.conductor)
        self.assertEqual((0, 1), self.live(there))
        # and after it.
        self.conductor.start()
        self.wait_for('the gap', self.gaps)
        self.wait_for_conductor(self.pin().epoch)
        self.assertEqual((1, 2), self.live(self.context))
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        self.confirm(member, self.pin().epoch)
        self.service('old', 2)

    def test_who_was_dead_before_is_dead_after(self) -> None:
        member = self.service('new', 3)
        dead = self.service('dead', 3)
        self.hold(2)
        self.conductor.stop()
        self.deployment.age(member.id, 600)
        # When nobody could be heard any more, it was silent for so long.
        self.deployment.age(dead.id, 600 + 90)
        self.deployment.stop_reception(600)
        self.conductor = conductor_app.Conductor(self.deployment.conf())
        self.addCleanup(self.conductor.stop)
        there = self.deployment.local(self.conductor)
        self.assertEqual((0, 1), self.live(there))
        self.conductor.start()
        self.wait_for('the gap', self.gaps)
        self.wait_for_conductor(self.pin().epoch)
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        self.confirm(member, self.pin().epoch)
        self.service('old', 2)

    def test_nor_because_the_database_was_away(self) -> None:
        member = self.service('a', 3)
        epoch = self.hold(2).epoch
        base.stop_beats_of(self.conductor)
        self.deployment.age(member.id, 600)
        self.deployment.stop_reception(600)
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        # What has waited is no proof of what others can say by now.
        self.deployment.beat(
            self.remote,
            member,
            stamp=clock.to_micros(member.last_seen_up) - 500 * 10**6,
        )
        self.wait_for('it', lambda: self.get_service('a').report_count)
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        own = self.get_service('conductor1', base.CONDUCTOR)

        def heard() -> bool:
            now = own.sync()['now']
            self.deployment.beat(self.remote, own, epoch=epoch, stamp=now)
            return self.gaps() > 0

        self.wait_for('the gap', heard)
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        self.confirm(member, epoch)
        self.service('old', 2)


class TestQuarantine(PinTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def test_the_dead_do_not_hold_the_pin_any_more(self) -> None:
        dead = self.service('dead', 3)
        self.service('new', 4)
        self.deployment.age(dead.id, 90)
        dead.quarantine()
        self.assertTrue(dead.quarantined)
        self.assertFalse(dead.is_up)
        pin = self.pin()
        self.assertEqual((4, {'4': 1}), (pin.version, pin.services))
        self.assertEqual('quarantine of dead', pin.cause)

    def test_one_that_is_up_is_refused(self) -> None:
        service = self.service('a', 3)
        error = self.assertRaises(exception.ServiceIsUp, service.quarantine)
        self.assertIn('force it down', str(error))
        self.assertFalse(self.get_service('a').quarantined)

    def test_it_is_lifted_only_for_who_may_join(self) -> None:
        old = self.service('old', 3)
        self.service('new', 4)
        old.leave()
        old.quarantine()
        self.assertRaises(exception.ServiceTooOld, old.unquarantine)
        self.assertTrue(self.get_service('old').quarantined)
        self.refuse('old', 3)
        self.hold(3)
        self.confirm(self.get_service('new'), self.pin().epoch)
        old.unquarantine()
        self.assertFalse(old.quarantined)
        self.assertEqual(3, self.pin().min_version)

    def test_a_join_lifts_it(self) -> None:
        old = self.service('old', 3)
        self.service('new', 4)
        old.leave()
        old.quarantine()
        self.assertFalse(self.service('old', 4).quarantined)
        self.assertEqual({'4': 2}, self.pin().services)

    def test_one_whose_process_returns_has_to_be_let_in(self) -> None:
        lost: list[exception.MembershipLost] = []
        self.member('old', version=3, on_lost=lost.append)
        self.member('new', version=4)
        old = self.get_service('old')
        old.forced_down = True
        old.save()
        old.quarantine()
        self.wait_for('the loss', lambda: lost)
        self.assertEqual('too old', lost[0].word)
        self.assertTrue(self.get_service('old').quarantined)
        self.assertEqual(4, self.pin().version)

    def test_one_that_is_not_too_old_is_back_by_itself(self) -> None:
        self.member('a', version=3)
        service = self.get_service('a')
        service.forced_down = True
        service.save()
        service.quarantine()
        self.wait_for('it back', lambda: not self.get_service('a').quarantined)


class TestWhatIf(PinTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def test_where_the_pins_would_go(self) -> None:
        self.service('a', 3)
        self.service('b', 4)
        self.service('b', 7, binary='acme-api')
        self.service('c', 5)

        def without(*hosts: str) -> Mapping[str, int]:
            return objects.PinList.what_if(self.context, list(hosts))

        others = {'acme-api': 7, base.CONDUCTOR: 1}
        self.assertEqual({**others, 'acme-worker': 4}, without('a'))
        self.assertEqual({**others, 'acme-worker': 5}, without('a', 'b'))
        self.hold(4)
        self.assertEqual(4, without('a', 'b')['acme-worker'])
        self.assertEqual(3, self.pin().version)
        error = self.assertRaises(
            exception.InvalidInput, without, 'a', 'nowhere'
        )
        self.assertIn('no service counts on nowhere', str(error))
        for bad in ('a', [5], ['a b'], None):
            self.assertRaises(
                exception.InvalidInput,
                objects.PinList.what_if,
                self.context,
                bad,
            )


class TestWho(PinTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def test_the_oldest_and_those_that_lag(self) -> None:
        for host, version in (('a', 3), ('b', 4), ('c', 3)):
            self.service(host, version)
        oldest = objects.ServiceList.get_oldest(self.context, 'acme-worker')
        self.assertEqual(['a', 'c'], [service.host for service in oldest])
        one = objects.ServiceList.get_oldest(self.context, 'acme-worker', 1)
        self.assertEqual(['a'], [service.host for service in one])
        self.assertTrue(one[0].is_up)
        epoch = self.pin().epoch
        self.confirm(self.get_service('b'), epoch)
        self.wait_for_conductor(epoch)
        lagging = objects.ServiceList.get_lagging(self.context, epoch)
        self.assertEqual(['a', 'c'], [service.host for service in lagging])


class TestFollow(PinTest):
    """What members know."""

    scenarios = base.EMBEDDED_AND_MARIADB

    def follow(self, **more: Any) -> Membership:
        """A member that would ask for nothing in a long time."""
        return self.member('a', version=3, sync_interval=3600, **more)

    def hear_nothing(self) -> None:
        self.useFixture(
            fixtures.MonkeyPatch(
                'sgconductor.rpcapi.pin_listener.PinEndpoint.pins_changed',
                lambda *args, **kwargs: None,
            )
        )

    def version(self) -> int | None:
        return self.remote.pins.version('acme-worker')

    def test_a_change_is_heard_at_once(self) -> None:
        self.follow()
        self.assertEqual(3, self.version())
        other = self.deployment.remote()
        objects.Pin.get_by_binary(other.context(), 'acme-worker').hold(2)
        self.wait_for('the news', lambda: self.version() == 2)
        self.wait_for_followers(1)

    def test_one_that_was_not_heard_is_learnt_at_a_sync(self) -> None:
        self.hear_nothing()
        self.member('a', version=3)
        self.assertEqual(3, self.version())
        self.hold(2)
        self.wait_for('the news', lambda: self.version() == 2)
        self.wait_for_followers(1)

    def test_the_last_upgrade_raises_it_everywhere(self) -> None:
        api = self.deployment.remote()
        one = api.membership('api1', 'acme-api', 'api', 1)
        one.join()
        self.addCleanup(one.stop)
        for host in 'abc':
            self.service(host, 3)
        known = api.pins
        for host in 'abc':
            self.assertEqual(3, known.version('acme-worker'))
            self.service(host, 4)
        self.wait_for('it', lambda: known.version('acme-worker') == 4)

    def test_who_is_no_member_asks_for_itself(self) -> None:
        self.service('a', 3)
        self.assertEqual(3, self.version())
        # That one and the conductor.
        self.assertEqual(2, self.pin().live)

    def test_a_restored_database_is_followed_too(self) -> None:
        self.member('a', version=3)
        for version in (1, 2):
            self.hold(version)
        self.wait_for_followers(1)
        with self.deployment.db.writer() as conn:
            conn.execute(models.roster.update().values(epoch=1))
            conn.execute(
                models.pins.update().values(epoch=1, held_version=None)
            )
        # What it confirms is of another time.
        pin = self.pin()
        self.assertEqual((0, 2), (pin.following, pin.live))
        self.wait_for('the older pins', lambda: self.version() == 3)
        self.hold(2)
        self.wait_for('a newer one', lambda: self.version() == 2)
        self.wait_for_followers(1)

    def test_an_epoch_that_cannot_be_harms_nobody(self) -> None:
        member = self.follow()
        impossible = (2**53, 2**70, -1)
        for epoch in impossible:
            self.deployment.beat(self.remote, member.service, epoch=epoch)
        self.wait_for(
            'them',
            lambda: self.get_service('a').report_count >= len(impossible),
        )
        self.get_service('a').sync()
        before = self.pin().epoch
        self.assertEqual(before + 1, self.hold(2).epoch)
        self.assertEqual(0, self.conductor.beats.malformed)

    def test_who_leaves_asks_before_it_speaks_again(self) -> None:
        self.hear_nothing()
        self.follow(report_interval=1000, down_after=2000).leave()
        self.hold(1)
        self.assertEqual(1, self.version())


class TestSettle(PinTest):
    def join_behind_its_back(self, host: str, version: int) -> None:
        """As a conductor of the release before does it."""
        with self.deployment.db.writer() as conn:
            base.join(conn, host, version=version)

    def test_a_join_counts_who_was_not_seen_to_join(self) -> None:
        self.join_behind_its_back('a', 3)
        self.assertIn('the pin is 3', str(self.refuse('b', 2)))

    def test_what_others_wrote_is_found(self) -> None:
        self.conductor.stop()
        self.join_behind_its_back('a', 3)
        self.deployment.conductor(conductor__host='conductor2')
        self.wait_for(
            'the pin',
            lambda: objects.PinList.in_force(self.context)['pins'],
        )
        self.assertEqual('found so by a conductor', self.pin().cause)

    def test_nothing_to_do_is_no_write(self) -> None:
        self.service('a', 3)

        def changes() -> Any:
            with self.deployment.db.reader() as conn:
                return conn.execute(
                    sa.select(models.roster.c.changes)
                ).scalar_one()

        before = changes()
        self.conductor.backend.roster.settle()
        self.assertEqual(before, changes())


class Ear:
    """Hears what a conductor announces."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, dict[str, int]]] = []

    def __call__(self, epoch: int, versions: Mapping[str, int]) -> None:
        self.heard.append((epoch, dict(versions)))


class TestConcurrency(PinTest):
    """Many joins at once, through several conductors."""

    def conductors(
        self, count: int, ear: Ear
    ) -> list[conductor_app.Conductor]:
        made = [
            conductor_app.Conductor(
                self.deployment.conf(conductor__host=f'c{i}')
            )
            for i in range(count)
        ]
        for each in made:
            self.addCleanup(each.close)
            # A frozen dataclass is still one that a test may listen to.
            object.__setattr__(each.backend, 'announce', ear)
        return made

    def test_no_epoch_is_lost_or_inverted(self) -> None:
        ear = Ear()
        conductors = self.conductors(2, ear)
        with self.deployment.db.reader() as conn:
            before = pins.state(conn)
        errors: list[Exception] = []
        gate = threading.Barrier(8)

        def upgrade(number: int) -> None:
            context = self.deployment.local(conductors[number % 2])
            gate.wait(base.PATIENCE)
            try:
                for version in range(1, 6):
                    service = objects.Service(
                        context,
                        host=f'node{number}',
                        binary=f'acme-{number % 3}',
                        topic='worker',
                        version=version,
                        report_interval=10,
                        down_after=60,
                    )
                    service.join(uuidutils.generate_uuid())
            except exception.ServiceTooOld:
                # The others of its binary were done before it began.
                pass
            except Exception as error:
                errors.append(error)

        threads = [
            threading.Thread(target=upgrade, args=(i,)) for i in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)
        with self.deployment.db.reader() as conn:
            state = pins.state(conn)
            lowest = pins.minimum(conn, list(state.versions))
        self.assertEqual(lowest, state.versions)
        heard = [(before.epoch, before.versions), *sorted(ear.heard)]
        self.assertEqual((state.epoch, state.versions), heard[-1])
        for (known, older), (epoch, newer) in itertools.pairwise(heard):
            changed = [n for n in newer if newer[n] != older.get(n)]
            # Joins of several binaries may have been one transaction.
            self.assertGreater(epoch, known)
            self.assertEqual(epoch - known, len(changed), f'{older} {newer}')
            for name in changed:
                self.assertGreater(newer[name], older.get(name, -1))
