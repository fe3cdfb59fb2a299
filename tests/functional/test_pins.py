"""Pins: their versions, which services may join, and which members follow."""

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
        """A service that has joined, without a process that sends beats."""
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
        """Hold the pin, and wait until the conductor itself follows it."""
        pin = self.pin()
        pin.hold(version)
        self.wait_for_conductor(pin.epoch)
        return self.pin()

    def wait_for_conductor(self, epoch: int) -> None:
        """Wait until the conductor, which is a member, confirms an epoch."""

        def confirmed() -> bool:
            own = self.get_service('conductor1', base.CONDUCTOR)
            return own.pin_epoch >= epoch

        self.wait_for('the conductor to confirm the epoch', confirmed)

    def wait_for_followers(self, count: int) -> None:
        """Wait until this number of members and the conductor follow."""
        self.wait_for(
            'members to follow the pin',
            lambda: self.pin().following == count + 1,
        )

    def confirm(self, service: objects.Service, epoch: int) -> None:
        """Send a beat of a service with an epoch; wait until it is written."""
        self.deployment.beat(self.remote, service, epoch=epoch)

        def written() -> bool:
            service.refresh()
            return service.pin_epoch >= epoch

        self.wait_for('the beat to be written', written)

    def refuse(self, host: str, version: int) -> exception.ServiceTooOld:
        """Have a service try to join, which is too old; return the error."""
        error: exception.ServiceTooOld = self.assertRaises(
            exception.ServiceTooOld, self.service, host, version
        )
        return error


class TestMinimum(PinTest):
    def test_the_pin_is_the_lowest_version_of_a_binary(self) -> None:
        self.service('a', 3)
        self.assertEqual(3, self.pin().version)
        self.service('b', 4)
        self.assertEqual(3, self.pin().version)
        self.assertEqual({'3': 1, '4': 1}, self.pin().services)
        self.service('a', 4)
        self.assertEqual(4, self.pin().version)
        self.assertEqual({'4': 2}, self.pin().services)

    def test_each_binary_has_its_own_pin(self) -> None:
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
        held = self.hold(3)
        self.confirm(self.get_service('new'), held.epoch)
        dead = self.service('dead', 3)
        self.pin().release()
        dead.disabled = True
        dead.forced_down = True
        dead.save()
        dead.leave()
        self.deployment.age(dead.id, 10**6)
        self.service('new', 5)
        self.assertEqual(3, self.pin().version)

    def test_deleted_services_do_not_count(self) -> None:
        old = self.service('old', 3)
        self.service('new', 4)
        old.destroy()
        pin = self.pin()
        self.assertEqual(4, pin.version)
        self.assertEqual('delete of old', pin.cause)

    def test_a_binary_without_services_keeps_its_pin(self) -> None:
        self.service('a', 3).destroy()
        pin = self.pin()
        self.assertEqual((3, {}), (pin.version, pin.services))
        # Callers might not learn of a lower pin in time.
        self.refuse('b', 2)
        self.service('b', 4)
        self.assertEqual(4, self.pin().version)

    def test_an_unknown_binary_is_an_error(self) -> None:
        error = self.assertRaises(exception.UnknownBinary, self.pin, 'worker')
        self.assertIn(f'Known: {base.CONDUCTOR}.', str(error))
        self.service('a', 3)
        error = self.assertRaises(exception.UnknownBinary, self.pin, 'worker')
        self.assertIn(f'Known: acme-worker, {base.CONDUCTOR}.', str(error))

    def test_the_minimums_of_several_binaries_are_one_statement(self) -> None:
        for i in range(3):
            self.service('a', i, binary=f'b{i}')
        statements: list[str] = []

        def listen(conn: Any, cursor: Any, statement: str, *more: Any) -> None:
            statements.append(statement)

        sa.event.listen(
            self.deployment.db.engine, 'before_cursor_execute', listen
        )
        names = ['b0', 'b1', 'b2', 'nothing']
        with self.deployment.db.reader() as conn:
            lowest = pins.minimum(conn, names)
        self.assertEqual({'b0': 0, 'b1': 1, 'b2': 2, 'nothing': None}, lowest)
        statements = [s for s in statements if not s.startswith('BEGIN')]
        self.assertEqual(1, len(statements), str(statements))


class TestEmptyTables(base.DeploymentTest):
    """Pins before the first conductor has joined."""

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
    """The minimum takes a few entries of the index, however many rows."""

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
            row = dict(found.mappings().one())
            del row['id']
            conn.execute(
                table.insert(),
                [
                    {
                        **row,
                        'uuid': uuidutils.generate_uuid(),
                        'host': f'node{i}',
                        'binary': f'acme-{i % 5}',
                        'version': 71 + i % 4,
                    }
                    for i in range(self.rows)
                ],
            )

    def entries_read(self, conn: sa.Connection) -> int:
        """How many entries the session has read so far."""
        text = {
            'mysql': "SHOW SESSION STATUS LIKE 'Handler_read%%'",
            'postgresql': (
                "SELECT 'read', seq_tup_read + idx_tup_fetch "
                "FROM pg_stat_xact_user_tables WHERE relname = 'services'"
            ),
        }[conn.dialect.name]
        return sum(int(row[1]) for row in conn.exec_driver_sql(text))

    def test_all_minimums_at_once_read_few_entries(self) -> None:
        self.conductor.backend.roster.settle()
        with self.deployment.db.writer() as conn:
            first, before = self.entries_read(conn), self.entries_read(conn)
            state = pins.lock_roster(conn)
            # The query for the count reads entries itself.
            steps = self.entries_read(conn) - before - (before - first)
        lowest = {name: row['lowest'] for name, row in state.rows.items()}
        self.assertEqual(
            [71] * 5, [lowest[f'acme-{i}'] for i in range(5)], str(lowest)
        )
        self.assertLess(steps, self.rows / 10)

    def explain(self) -> list[str]:
        """The lines of the database's plan for the minimums."""
        names = [f'acme-{i}' for i in range(5)]
        plan: list[str] = []

        def listen(
            conn: Any, cursor: Any, statement: str, parameters: Any, *more: Any
        ) -> None:
            if not plan:
                plan.append('')
                rows = conn.exec_driver_sql(f'EXPLAIN {statement}', parameters)
                plan[:] = [' '.join(map(str, row)) for row in rows]

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
        """The rows of all tables that a join changes."""
        members, events = models.services, models.events
        with self.deployment.db.reader() as conn:
            return [
                conn.execute(statement).all()
                for statement in (
                    # The conductor's own row changes with each beat.
                    sa.select(members)
                    .where(members.c.binary != base.CONDUCTOR)
                    .order_by(members.c.id),
                    sa.select(models.pins).order_by(models.pins.c.binary),
                    sa.select(models.roster),
                    # Not all columns: events may be sent meanwhile.
                    sa.select(events.c.uuid, events.c.type).order_by(
                        events.c.id
                    ),
                )
            ]

    def test_a_refused_older_service_changes_nothing(self) -> None:
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

    def test_a_service_that_joins_again_with_an_older_version_is_refused(
        self,
    ) -> None:
        self.service('a', 3)
        before = self.snapshot()
        self.refuse('a', 2)
        self.assertEqual(before, self.snapshot())
        self.assertTrue(self.get_service('a').is_up)

    def test_a_service_not_older_than_the_pin_may_join(self) -> None:
        self.service('a', 3)
        self.service('b', 5)
        self.service('c', 4)
        self.service('b', 3)
        self.assertEqual(3, self.pin().version)

    def test_a_member_that_is_too_old_does_not_try_again(self) -> None:
        self.service('a', 3)
        self.assertRaises(exception.ServiceTooOld, self.member, 'b', version=2)

    def test_edits_of_a_quarantined_service_move_no_pin(self) -> None:
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

    def test_a_change_and_the_pin_that_it_moves_are_one_transaction(
        self,
    ) -> None:
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

    def test_a_hold_caps_the_pin_until_it_is_released(self) -> None:
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

    def test_a_hold_above_the_pin_caps_it_later(self) -> None:
        self.service('a', 3)
        before = self.pin().epoch
        self.assertEqual((3, before), (self.hold(4).version, self.pin().epoch))
        self.service('a', 5)
        self.assertEqual(4, self.pin().version)

    def test_an_invalid_version_cannot_be_held(self) -> None:
        self.service('a', 3)
        for bad in (-1, '2', True, None, 2**40):
            self.assertRaises(exception.InvalidInput, self.hold, bad)
        self.assertIsNone(self.pin().held_version)

    def test_an_older_service_may_join_when_all_live_members_follow(
        self,
    ) -> None:
        live = [self.service(host, 3) for host in 'ab']
        live.append(self.service('c', 1, binary='acme-api'))
        stopped = self.service('stopped', 3)
        stopped.leave()
        dead = self.service('dead', 3)
        self.deployment.age(dead.id, 90)
        pin = self.hold(2)
        # The conductor is live too, and follows already.
        self.assertEqual((1, 4), (pin.following, pin.live))
        for i, service in enumerate(live):
            error = self.refuse('old', 2)
            self.assertIn(f'only {1 + i} of 4 members', str(error))
            self.assertIn('pins wait acme-worker 2', str(error))
            self.confirm(service, pin.epoch)
        self.refuse('older', 1)
        self.service('old', 2)
        self.assertEqual((2, 2), (self.pin().version, self.pin().min_version))

    def test_a_service_need_not_follow_for_its_own_older_process(self) -> None:
        self.service('a', 3)
        self.hold(2)
        self.assertEqual(2, self.service('a', 2).version)

    def test_an_older_epoch_does_not_confirm_a_new_hold(self) -> None:
        service = self.service('a', 3)
        pin = self.hold(2)
        self.confirm(service, pin.epoch)
        pin.release()
        again = self.hold(2)
        self.assertGreater(again.epoch, pin.epoch)
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        self.confirm(service, again.epoch)
        # A beat that arrives after a newer one does not change the epoch.
        self.deployment.beat(self.remote, service, epoch=1)
        self.wait_for(
            'the third beat', lambda: self.get_service('a').report_count == 3
        )
        self.service('old', 2)

    def test_a_process_that_joins_again_has_to_confirm_again(self) -> None:
        self.confirm(self.service('a', 3), 100)
        self.service('a', 3)
        self.hold(2)
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))


class TestOutage(PinTest):
    """A member whose beats could not be received counts as live."""

    scenarios = base.EMBEDDED_AND_MARIADB

    def followers(self, context: sg_context.RequestContext) -> tuple[int, int]:
        """How many members follow the pin, and how many are live."""
        pin = objects.Pin.get_by_binary(context, 'acme-worker')
        return pin.following, pin.live

    def outages(self) -> int:
        """How many outages of reception are recorded."""
        return len(reception.read_windows(self.deployment.db)) - 1

    def test_members_are_live_after_a_time_without_conductors(self) -> None:
        member = self.service('a', 3)
        self.hold(2)
        self.conductor.stop()
        # No conductor runs for 600 s: the beats wait with the broker.
        self.deployment.age(member.id, 600)
        self.deployment.stop_reception(600)
        self.conductor = conductor_app.Conductor(self.deployment.conf())
        self.addCleanup(self.conductor.stop)
        # Before any beat is received again:
        local = self.deployment.local(self.conductor)
        self.assertEqual((0, 1), self.followers(local))
        # After it:
        self.conductor.start()
        self.wait_for('the outage to be recorded', self.outages)
        self.wait_for_conductor(self.pin().epoch)
        self.assertEqual((1, 2), self.followers(self.context))
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        self.confirm(member, self.pin().epoch)
        self.service('old', 2)

    def test_members_that_were_down_before_an_outage_stay_down(self) -> None:
        member = self.service('new', 3)
        dead = self.service('dead', 3)
        self.hold(2)
        self.conductor.stop()
        self.deployment.age(member.id, 600)
        # It had been silent for 90 s when the outage began.
        self.deployment.age(dead.id, 600 + 90)
        self.deployment.stop_reception(600)
        self.conductor = conductor_app.Conductor(self.deployment.conf())
        self.addCleanup(self.conductor.stop)
        local = self.deployment.local(self.conductor)
        self.assertEqual((0, 1), self.followers(local))
        self.conductor.start()
        self.wait_for('the outage to be recorded', self.outages)
        self.wait_for_conductor(self.pin().epoch)
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        self.confirm(member, self.pin().epoch)
        self.service('old', 2)

    def test_members_are_live_after_the_database_was_away(self) -> None:
        member = self.service('a', 3)
        epoch = self.hold(2).epoch
        base.stop_beats_of(self.conductor)
        self.deployment.age(member.id, 600)
        self.deployment.stop_reception(600)
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        # A late beat does not prove that the beats of others came.
        self.deployment.beat(
            self.remote,
            member,
            stamp=clock.to_micros(member.last_seen_up) - 500 * 10**6,
        )
        self.wait_for(
            'the late beat', lambda: self.get_service('a').report_count
        )
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        own = self.get_service('conductor1', base.CONDUCTOR)

        def outage_recorded() -> bool:
            now = own.sync()['now']
            self.deployment.beat(self.remote, own, epoch=epoch, stamp=now)
            return self.outages() > 0

        self.wait_for('the outage to be recorded', outage_recorded)
        self.assertIn('only 1 of 2', str(self.refuse('old', 2)))
        self.confirm(member, epoch)
        self.service('old', 2)


class TestQuarantine(PinTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def test_a_quarantined_service_does_not_count_for_the_pin(self) -> None:
        dead = self.service('dead', 3)
        self.service('new', 4)
        self.deployment.age(dead.id, 90)
        dead.quarantine()
        self.assertTrue(dead.quarantined)
        self.assertFalse(dead.is_up)
        pin = self.pin()
        self.assertEqual((4, {'4': 1}), (pin.version, pin.services))
        self.assertEqual('quarantine of dead', pin.cause)

    def test_a_service_that_is_up_cannot_be_quarantined(self) -> None:
        service = self.service('a', 3)
        error = self.assertRaises(exception.ServiceIsUp, service.quarantine)
        self.assertIn('force it down', str(error))
        self.assertFalse(self.get_service('a').quarantined)

    def test_quarantine_ends_only_for_a_service_that_may_join(self) -> None:
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

    def test_a_join_ends_quarantine(self) -> None:
        old = self.service('old', 3)
        self.service('new', 4)
        old.leave()
        old.quarantine()
        self.assertFalse(self.service('old', 4).quarantined)
        self.assertEqual({'4': 2}, self.pin().services)

    def test_a_quarantined_member_that_is_too_old_loses_membership(
        self,
    ) -> None:
        lost: list[exception.MembershipLost] = []
        self.member('old', version=3, on_lost=lost.append)
        self.member('new', version=4)
        old = self.get_service('old')
        old.forced_down = True
        old.save()
        old.quarantine()
        self.wait_for('the loss of membership', lambda: lost)
        self.assertEqual('too old', lost[0].word)
        self.assertTrue(self.get_service('old').quarantined)
        self.assertEqual(4, self.pin().version)

    def test_a_quarantined_member_that_is_not_too_old_joins_again(
        self,
    ) -> None:
        self.member('a', version=3)
        service = self.get_service('a')
        service.forced_down = True
        service.save()
        service.quarantine()
        self.wait_for(
            'the member to join again',
            lambda: not self.get_service('a').quarantined,
        )


class TestWhatIf(PinTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def test_what_if_gives_the_pins_without_some_hosts(self) -> None:
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


class TestOldestAndLagging(PinTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def test_the_oldest_and_the_lagging_services_are_listed(self) -> None:
        for host, version in (('a', 3), ('b', 4), ('c', 3)):
            self.service(host, version)
        oldest = objects.ServiceList.get_oldest(self.context, 'acme-worker')
        self.assertEqual(['a', 'c'], [service.host for service in oldest])
        first = objects.ServiceList.get_oldest(self.context, 'acme-worker', 1)
        self.assertEqual(['a'], [service.host for service in first])
        self.assertTrue(first[0].is_up)
        epoch = self.pin().epoch
        self.confirm(self.get_service('b'), epoch)
        self.wait_for_conductor(epoch)
        lagging = objects.ServiceList.get_lagging(self.context, epoch)
        self.assertEqual(['a', 'c'], [service.host for service in lagging])


class TestFollow(PinTest):
    """How members learn of changes to pins."""

    scenarios = base.EMBEDDED_AND_MARIADB

    def member_without_syncs(self, **more: Any) -> Membership:
        """A member that does not ask a conductor during a test."""
        return self.member('a', version=3, sync_interval=3600, **more)

    def ignore_announcements(self) -> None:
        """Have processes ignore the announcements of new pins."""
        self.useFixture(
            fixtures.MonkeyPatch(
                'sgconductor.rpcapi.pin_listener.PinEndpoint.pins_changed',
                lambda *args, **kwargs: None,
            )
        )

    def version(self) -> int | None:
        return self.remote.pins.version('acme-worker')

    def test_a_member_follows_an_announced_change(self) -> None:
        self.member_without_syncs()
        self.assertEqual(3, self.version())
        other = self.deployment.remote()
        objects.Pin.get_by_binary(other.context(), 'acme-worker').hold(2)
        self.wait_for('the held pin', lambda: self.version() == 2)
        self.wait_for_followers(1)

    def test_a_member_learns_a_missed_change_at_a_sync(self) -> None:
        self.ignore_announcements()
        self.member('a', version=3)
        self.assertEqual(3, self.version())
        self.hold(2)
        self.wait_for('the held pin', lambda: self.version() == 2)
        self.wait_for_followers(1)

    def test_the_last_upgraded_service_raises_the_pin_of_others(self) -> None:
        api = self.deployment.remote()
        member = api.membership('api1', 'acme-api', 'api', 1)
        member.join()
        self.addCleanup(member.stop)
        for host in 'abc':
            self.service(host, 3)
        known = api.pins
        for host in 'abc':
            self.assertEqual(3, known.version('acme-worker'))
            self.service(host, 4)
        self.wait_for(
            'the raised pin', lambda: known.version('acme-worker') == 4
        )

    def test_a_caller_that_is_not_a_member_gets_the_pin(self) -> None:
        self.service('a', 3)
        self.assertEqual(3, self.version())
        # The service and the conductor, but not the caller.
        self.assertEqual(2, self.pin().live)

    def test_members_follow_the_older_epochs_of_a_restored_database(
        self,
    ) -> None:
        self.member('a', version=3)
        for version in (1, 2):
            self.hold(version)
        self.wait_for_followers(1)
        with self.deployment.db.writer() as conn:
            conn.execute(models.roster.update().values(epoch=1))
            conn.execute(
                models.pins.update().values(epoch=1, held_version=None)
            )
        # The member still confirms an epoch that the database lost.
        pin = self.pin()
        self.assertEqual((0, 2), (pin.following, pin.live))
        self.wait_for('the restored pin', lambda: self.version() == 3)
        self.hold(2)
        self.wait_for('the held pin', lambda: self.version() == 2)
        self.wait_for_followers(1)

    def test_a_beat_with_an_impossible_epoch_is_counted(self) -> None:
        member = self.member_without_syncs()
        impossible = (2**53, 2**70, -1)
        for epoch in impossible:
            self.deployment.beat(self.remote, member.service, epoch=epoch)
        self.wait_for(
            'the beats',
            lambda: self.get_service('a').report_count >= len(impossible),
        )
        self.get_service('a').sync()
        before = self.pin().epoch
        self.assertEqual(before + 1, self.hold(2).epoch)
        self.assertEqual(0, self.conductor.beats.malformed)

    def test_a_member_that_left_asks_for_the_pin(self) -> None:
        self.ignore_announcements()
        self.member_without_syncs(
            report_interval=1000, down_after=2000
        ).leave()
        self.hold(1)
        self.assertEqual(1, self.version())


class TestSettle(PinTest):
    def join_without_settling(self, host: str, version: int) -> None:
        """Add a service to the table, and move no pin."""
        with self.deployment.db.writer() as conn:
            base.join(conn, host, version=version)

    def test_a_service_that_joined_without_settling_counts(self) -> None:
        self.join_without_settling('a', 3)
        self.assertIn('the pin is 3', str(self.refuse('b', 2)))

    def test_a_conductor_settles_the_pins_when_it_starts(self) -> None:
        self.conductor.stop()
        self.join_without_settling('a', 3)
        self.deployment.conductor(conductor__host='conductor2')
        self.wait_for(
            'the settled pin',
            lambda: objects.PinList.in_force(self.context)['pins'],
        )
        self.assertEqual('found so by a conductor', self.pin().cause)

    def test_settling_pins_that_are_right_writes_nothing(self) -> None:
        self.service('a', 3)

        def changes() -> Any:
            with self.deployment.db.reader() as conn:
                return conn.execute(
                    sa.select(models.roster.c.changes)
                ).scalar_one()

        before = changes()
        self.conductor.backend.roster.settle()
        self.assertEqual(before, changes())


class Announcements:
    """Records what conductors announce: an epoch and the pins in it."""

    def __init__(self) -> None:
        self.recorded: list[tuple[int, dict[str, int]]] = []

    def __call__(self, epoch: int, versions: Mapping[str, int]) -> None:
        self.recorded.append((epoch, dict(versions)))


class TestConcurrency(PinTest):
    """Many joins at once, through several conductors."""

    def conductors(
        self, count: int, announcements: Announcements
    ) -> list[conductor_app.Conductor]:
        made = [
            conductor_app.Conductor(
                self.deployment.conf(conductor__host=f'c{i}')
            )
            for i in range(count)
        ]
        for conductor in made:
            self.addCleanup(conductor.close)
            conductor.backend.roster._announce = announcements
        return made

    def test_no_epoch_is_lost_and_pins_rise_with_epochs(self) -> None:
        announcements = Announcements()
        conductors = self.conductors(2, announcements)
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
                # The pin of its binary was raised before its first join.
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
        announced = [
            (before.epoch, before.versions),
            *sorted(announcements.recorded),
        ]
        self.assertEqual((state.epoch, state.versions), announced[-1])
        for (known, older), (epoch, newer) in itertools.pairwise(announced):
            changed = [n for n in newer if newer[n] != older.get(n)]
            # Joins of several binaries may have been one transaction.
            self.assertGreater(epoch, known)
            self.assertEqual(epoch - known, len(changed), f'{older} {newer}')
            for name in changed:
                self.assertGreater(newer[name], older.get(name, -1))
