"""Joining, beating, leaving, and losing one's place."""

import datetime
import threading
from typing import Any

import fixtures
from oslo_utils import uuidutils

from sgconductor import exception
from sgconductor import objects
from sgconductor.servicegroup.drivers import db as db_driver
from tests.functional import base


class TestJoin(base.ConductorTest):
    def test_a_service_is_up_as_soon_as_it_has_joined(self) -> None:
        self.member(version=7, report_interval=60, down_after=120)
        service = self.look()
        self.assertTrue(service.is_up)
        self.assertEqual(7, service.version)
        self.assertEqual(1, service.incarnation)
        self.assertEqual(0, service.report_count)
        self.assertIsNone(service.updated_at)

    def test_joining_again_takes_over_the_row(self) -> None:
        first = self.member(version=7).service
        second = self.member(version=8).service
        self.assertEqual(first.uuid, second.uuid)
        self.assertEqual(2, second.incarnation)
        self.assertEqual(8, self.look().version)

    def test_what_an_admin_set_survives_a_restart(self) -> None:
        member = self.member()
        service = self.look()
        service.disabled = True
        service.disabled_reason = 'broken fan'
        service.forced_down = True
        service.save()
        member.leave()
        self.member()
        service = self.look()
        self.assertTrue(service.disabled)
        self.assertEqual('broken fan', service.disabled_reason)
        self.assertTrue(service.forced_down)
        self.assertFalse(service.is_up)

    def test_one_host_may_have_several_binaries(self) -> None:
        self.member(binary='acme-api', topic='api')
        self.member()
        found = objects.ServiceList.get_page(self.context, host='node1')
        self.assertEqual(
            ['acme-api', 'acme-worker'], [s.binary for s in found]
        )

    def test_names_that_differ_in_case_are_different(self) -> None:
        self.member('node1')
        self.member('NODE1')
        hosts = [service.host for service in self.services()]
        self.assertEqual(['node1', 'NODE1'], hosts)
        self.assertEqual('NODE1', self.look('NODE1').host)

    def test_many_at_once_get_one_row_and_all_incarnations(self) -> None:
        incarnations = []
        gate = threading.Barrier(8)

        def join() -> None:
            service = objects.Service(
                self.remote.context(),
                host='node1',
                binary='acme-worker',
                topic='w',
                version=1,
                report_interval=1,
                down_after=30,
            )
            gate.wait(30)
            service.join(uuidutils.generate_uuid())
            incarnations.append(service.incarnation)

        threads = [threading.Thread(target=join) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(list(range(1, 9)), sorted(incarnations))
        self.assertEqual(1, len(self.services()))

    def test_a_member_waits_for_its_conductor(self) -> None:
        self.conductor.stop()
        late = self.deployment.remote(timeout=1)
        membership = late.membership('node1', 'acme-worker', 'worker', 1)
        joined = threading.Thread(target=membership.join)
        joined.start()
        self.wait_for('a warning', lambda: self.logged('Cannot join yet'))
        self.deployment.conductor()
        joined.join(30)
        self.addCleanup(membership.stop)
        self.assertTrue(membership.service.is_up)

    def test_a_member_that_waits_can_be_stopped(self) -> None:
        self.conductor.stop()
        late = self.deployment.remote(timeout=0.5)
        membership = late.membership('node1', 'acme-worker', 'worker', 1)
        ended: list[exception.MembershipLost] = []

        def join() -> None:
            try:
                membership.join()
            except exception.MembershipLost as error:
                ended.append(error)

        joining = threading.Thread(target=join)
        joining.start()
        self.wait_for('a warning', lambda: self.logged('Cannot join yet'))
        membership.leave()
        joining.join(30)
        self.assertEqual(['left'], [error.word for error in ended])

    def test_a_member_can_be_told_to_give_up(self) -> None:
        self.conductor.stop()
        hasty = self.deployment.remote(timeout=0.5)
        membership = hasty.membership('node1', 'acme-worker', 'worker', 1)
        error = self.assertRaises(
            exception.ConductorUnreachable, membership.join, timeout=0
        )
        self.assertIn("topic 'sgconductor' within 0.5 s", str(error))


class TestBeat(base.ConductorTest):
    scenarios = base.NOT_ALL

    def test_beats_arrive_and_touch_nothing_else(self) -> None:
        self.member()
        before = self.look()
        self.wait_for('beats', lambda: self.look().report_count >= 2)
        after = self.look()
        self.assertGreater(after.last_seen_up, before.last_seen_up)
        self.assertIsNone(after.updated_at)

    def test_who_stops_beating_goes_down_in_time(self) -> None:
        self.member(down_after=2).stop()
        self.wait_for('down', lambda: not self.look().is_up)
        service = self.look()
        self.assertIsNone(service.left_at)
        self.assertFalse(service.forced_down)

    def test_a_host_clock_an_hour_off_makes_no_difference(self) -> None:
        hour = 3600.0
        clock = datetime.datetime.now(datetime.UTC).timestamp
        ahead = self.member('ahead', monotonic=lambda: clock() + hour)
        behind = self.member('behind', monotonic=lambda: clock() - hour)
        for host in ('ahead', 'behind'):
            joined = self.look(host)
            self._wait_for_beats(host, joined.report_count + 2)
            moved = self.look(host).last_seen_up - joined.last_seen_up
            self.assertLess(moved, datetime.timedelta(seconds=60))
            self.assertGreater(moved, datetime.timedelta(0))
            self.assertTrue(self.look(host).is_up)
        ahead.stop()
        behind.stop()
        # A beat may be under way still, and comes after the first ageing.
        self.wait_for('ahead down', lambda: self._is_down_aged('ahead'))
        self.wait_for('behind down', lambda: self._is_down_aged('behind'))

    def _is_down_aged(self, host: str) -> bool:
        self.deployment.age(self.look(host).id, 31)
        return not self.look(host).is_up

    def _wait_for_beats(self, host: str, count: int) -> None:
        self.wait_for('beats', lambda: self.look(host).report_count >= count)


class TestLeave(base.ConductorTest):
    scenarios = base.NOT_ALL

    def test_who_leaves_is_down_at_once(self) -> None:
        self.member().leave()
        service = self.look()
        self.assertFalse(service.is_up)
        self.assertIsNotNone(service.left_at)

    def test_a_beat_under_way_does_not_undo_it(self) -> None:
        member = self.member()
        service = member.service
        member.leave()
        self.deployment.beat(self.remote, service)
        self.wait_for('the beat', lambda: self.look().report_count >= 1)
        self.assertFalse(self.look().is_up)

    def test_an_older_process_does_not_take_a_newer_one_along(self) -> None:
        older = self.member()
        self.member()
        older.leave()
        self.assertTrue(self.look().is_up)

    def test_who_comes_back_is_up(self) -> None:
        member = self.member()
        member.leave()
        member.join()
        service = self.look()
        self.assertTrue(service.is_up)
        self.assertIsNone(service.left_at)

    def test_a_conductor_that_is_gone_delays_nobody(self) -> None:
        hasty = self.deployment.remote(timeout=0.5)
        member = hasty.membership('node1', 'acme-worker', 'worker', 1)
        member.join()
        self.conductor.stop()
        member.leave()
        self.assertEqual(1, self.logged('Left without telling anybody'))


class TestJoinSentTwice(base.ConductorTest):
    def test_it_is_one_join(self) -> None:
        token = uuidutils.generate_uuid()
        twins = [
            objects.Service(
                self.context,
                host='node1',
                binary='acme-worker',
                topic='worker',
                version=1,
                report_interval=1,
                down_after=30,
            )
            for _ in range(2)
        ]
        for twin in twins:
            twin.join(token)
            self.assertEqual(1, twin.incarnation)
            self.assertTrue(twin.is_up)
        twins[0].leave()
        twins[1].join(token)
        self.assertFalse(self.look().is_up)
        self.assertEqual(1, self.look().incarnation)

    def test_a_member_that_somebody_else_made_leave_joins_again(self) -> None:
        member = self.member()
        self.look().leave()
        self.wait_for('another join', lambda: member.service.incarnation == 2)
        self.assertTrue(self.look().is_up)

    def test_arguments_that_cannot_work(self) -> None:
        for more in ({'sync_interval': 0}, {'on_deleted': 'explode'}):
            error = self.assertRaises(
                exception.InvalidInput, self.member, **more
            )
            (name,) = more
            self.assertIn(name, str(error))


class Slow:
    """A method of a service that waits for the test before it returns."""

    def __init__(self, test: base.ConductorTest, name: str) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()
        original = getattr(objects.Service, name)
        slow = self

        def held(service: objects.Service, *args: Any) -> Any:
            answer = original(service, *args)
            if service.obj_context.conductor is not None:
                slow.asked.set()
                slow.go_on.wait(base.PATIENCE)
            return answer

        test.useFixture(
            fixtures.MonkeyPatch(
                f'sgconductor.objects.service.Service.{name}', held
            )
        )


class TestRaces(base.ConductorTest):
    scenarios = [base.EMBEDDED]

    def test_who_leaves_while_joining_has_left(self) -> None:
        slow = Slow(self, 'join')
        membership = self.remote.membership('node1', 'acme-worker', 'w', 1)
        ended: list[exception.MembershipLost] = []

        def join() -> None:
            try:
                membership.join()
            except exception.MembershipLost as error:
                ended.append(error)

        joining = threading.Thread(target=join)
        joining.start()
        self.assertTrue(slow.asked.wait(base.PATIENCE))
        membership.leave()
        slow.go_on.set()
        joining.join(base.PATIENCE)
        self.assertEqual(['left'], [error.word for error in ended])
        self.assertIsNotNone(self.look().left_at)

    def test_an_answer_to_an_earlier_life_ends_no_later_one(self) -> None:
        slow = Slow(self, 'sync')
        lost: list[exception.MembershipLost] = []
        membership = self.member(on_lost=lost.append)
        self.assertTrue(slow.asked.wait(base.PATIENCE))
        self.look().destroy()
        membership.leave()
        membership.join()
        slow.go_on.set()
        count = self.look().report_count
        self.wait_for('beats', lambda: self.look().report_count >= count + 2)
        self.assertEqual([], lost)

    def test_who_leaves_while_joining_again_has_left(self) -> None:
        membership = self.member(on_deleted='rejoin')
        slow = Slow(self, 'join')
        self.look().destroy()
        self.assertTrue(slow.asked.wait(base.PATIENCE))
        membership.leave()
        slow.go_on.set()
        self.wait_for('it to leave', lambda: self.look().left_at)


class Broken(db_driver.DbDriver):
    """A driver whose server is gone."""

    detects = True

    def fail(self, member: Any) -> None:
        raise ConnectionError('the driver is broken')

    join = beat = leave = fail

    def alive(self, members: Any) -> Any:
        raise exception.DatabaseUnreachable('zk', 'gone')


class TestBrokenDriver(base.ConductorTest):
    scenarios = [base.EMBEDDED]

    def setUp(self) -> None:
        super().setUp()
        remote: Any = self.remote
        remote._drivers = [Broken()]
        voice: Any = self.conductor.backend.judges.primary.driver
        voice._driver = Broken()

    def test_its_members_live_by_the_table(self) -> None:
        self.member()
        self.wait_for('beats', lambda: self.look().report_count >= 2)
        self.assertTrue(self.look().is_up)
        self.assertEqual(1, self.logged('ERROR db of acme-worker'))

    def test_its_members_are_told_of_their_loss(self) -> None:
        lost: list[exception.MembershipLost] = []
        self.member(on_lost=lost.append)
        self.member()
        self.wait_for('the loss', lambda: lost)


class TestLost(base.ConductorTest):
    scenarios = base.NOT_ALL

    def test_the_older_process_learns_it_and_stops(self) -> None:
        lost: list[exception.MembershipLost] = []
        older = self.member(on_lost=lost.append)
        self.member()
        self.wait_for('the loss', lambda: lost)
        self.assertEqual('superseded', lost[0].word)
        self.assertEqual(1, self.logged('ERROR acme-worker on node1 is no'))
        self.assertRaises(RuntimeError, lambda: older.service)
        self.assertTrue(self.look().is_up)

    def test_the_older_process_cannot_keep_the_service_up(self) -> None:
        older = self.member().service
        # It does not beat meanwhile.
        self.member(report_interval=60, down_after=120)
        before = self.look()
        self.deployment.beat(self.remote, older)
        self.wait_for('the beat', lambda: self.conductor.beats.ignored)
        after = self.look()
        self.assertEqual(before.last_seen_up, after.last_seen_up)
        self.assertEqual(before.report_count, after.report_count)

    def test_a_deleted_service_stops_and_stays_deleted(self) -> None:
        lost: list[exception.MembershipLost] = []
        member = self.member(on_lost=lost.append)
        service = member.service
        self.look().destroy()
        self.wait_for('the loss', lambda: lost)
        self.assertEqual('deleted', lost[0].word)
        self.assertEqual(1, self.logged('ERROR acme-worker on node1 is no'))
        self.deployment.beat(self.remote, service)
        self.wait_for('the beat', lambda: self.conductor.beats.ignored)
        self.assertRaises(exception.ServiceNotFound, self.look)

    def test_a_deleted_service_may_be_made_to_join_again(self) -> None:
        member = self.member(on_deleted='rejoin')
        first = member.service.uuid
        self.look().destroy()
        self.wait_for('another row', lambda: member.service.uuid != first)
        self.assertTrue(self.look().is_up)
        self.wait_for('beats', lambda: self.look().report_count)

    def test_a_table_from_an_older_backup_is_joined_again(self) -> None:
        self.member().stop()
        member = self.member()
        with self.deployment.db.writer() as conn:
            conn.exec_driver_sql('UPDATE services SET incarnation = 0')
        self.wait_for('another join', lambda: member.service.incarnation == 1)
        self.wait_for('beats', lambda: self.look().report_count)

    def test_one_forced_down_hears_of_it_and_beats_on(self) -> None:
        self.member()
        service = self.look()
        service.forced_down = True
        service.save()
        self.assertFalse(service.is_up)
        self.wait_for('the news', lambda: self.logged('is forced down'))
        count = self.look().report_count
        self.wait_for('beats', lambda: self.look().report_count > count)
        self.assertFalse(self.look().is_up)
        service.forced_down = False
        service.save()
        self.assertTrue(service.is_up)
        self.wait_for('the news', lambda: self.logged('no longer forced'))
