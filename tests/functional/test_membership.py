"""Membership: a process joins, beats, leaves, or loses its membership."""

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
        service = self.get_service()
        self.assertTrue(service.is_up)
        self.assertEqual(7, service.version)
        self.assertEqual(1, service.incarnation)
        self.assertEqual(0, service.report_count)
        self.assertIsNone(service.updated_at)

    def test_a_second_join_takes_over_the_row(self) -> None:
        first = self.member(version=7).service
        second = self.member(version=8).service
        self.assertEqual(first.uuid, second.uuid)
        self.assertEqual(2, second.incarnation)
        self.assertEqual(8, self.get_service().version)

    def test_the_settings_of_an_operator_survive_a_restart(self) -> None:
        member = self.member()
        service = self.get_service()
        service.disabled = True
        service.disabled_reason = 'broken fan'
        service.forced_down = True
        service.save()
        member.leave()
        self.member()
        service = self.get_service()
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
        self.assertEqual('NODE1', self.get_service('NODE1').host)

    def test_many_joins_at_once_get_one_row_and_all_incarnations(self) -> None:
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

    def test_leave_ends_a_join_that_waits(self) -> None:
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

    def test_a_join_ends_at_its_timeout(self) -> None:
        self.conductor.stop()
        hasty = self.deployment.remote(timeout=0.5)
        membership = hasty.membership('node1', 'acme-worker', 'worker', 1)
        error = self.assertRaises(
            exception.ConductorUnreachable, membership.join, timeout=0
        )
        self.assertIn("topic 'sgconductor' within 0.5 s", str(error))


class TestBeat(base.ConductorTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def test_beats_change_nothing_but_the_heartbeat(self) -> None:
        self.member()
        before = self.get_service()
        self.wait_for('beats', lambda: self.get_service().report_count >= 2)
        after = self.get_service()
        self.assertGreater(after.last_seen_up, before.last_seen_up)
        self.assertIsNone(after.updated_at)

    def test_a_member_that_stops_beating_goes_down_after_down_after(
        self,
    ) -> None:
        self.member(down_after=2).stop()
        self.wait_for('down', lambda: not self.get_service().is_up)
        service = self.get_service()
        self.assertIsNone(service.left_at)
        self.assertFalse(service.forced_down)

    def test_a_host_clock_an_hour_off_makes_no_difference(self) -> None:
        hour = 3600.0
        clock = datetime.datetime.now(datetime.UTC).timestamp
        ahead = self.member('ahead', monotonic=lambda: clock() + hour)
        behind = self.member('behind', monotonic=lambda: clock() - hour)
        for host in ('ahead', 'behind'):
            joined = self.get_service(host)
            self._wait_for_beats(host, joined.report_count + 2)
            moved = self.get_service(host).last_seen_up - joined.last_seen_up
            self.assertLess(moved, datetime.timedelta(seconds=60))
            self.assertGreater(moved, datetime.timedelta(0))
            self.assertTrue(self.get_service(host).is_up)
        ahead.stop()
        behind.stop()
        # A beat under way may still arrive after the first ageing.
        self.wait_for('ahead down', lambda: self._is_down_aged('ahead'))
        self.wait_for('behind down', lambda: self._is_down_aged('behind'))

    def _is_down_aged(self, host: str) -> bool:
        self.deployment.age(self.get_service(host).id, 31)
        return not self.get_service(host).is_up

    def _wait_for_beats(self, host: str, count: int) -> None:
        self.wait_for(
            'beats', lambda: self.get_service(host).report_count >= count
        )


class TestLeave(base.ConductorTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def test_a_member_that_leaves_is_down_at_once(self) -> None:
        self.member().leave()
        service = self.get_service()
        self.assertFalse(service.is_up)
        self.assertIsNotNone(service.left_at)

    def test_a_late_beat_does_not_undo_a_leave(self) -> None:
        member = self.member()
        service = member.service
        member.leave()
        self.deployment.beat(self.remote, service)
        self.wait_for('the beat', lambda: self.get_service().report_count >= 1)
        self.assertFalse(self.get_service().is_up)

    def test_the_leave_of_an_older_process_does_not_end_a_newer_one(
        self,
    ) -> None:
        older = self.member()
        self.member()
        older.leave()
        self.assertTrue(self.get_service().is_up)

    def test_a_member_that_joins_after_a_leave_is_up(self) -> None:
        member = self.member()
        member.leave()
        member.join()
        service = self.get_service()
        self.assertTrue(service.is_up)
        self.assertIsNone(service.left_at)

    def test_a_leave_without_a_conductor_ends_soon_with_a_warning(
        self,
    ) -> None:
        hasty = self.deployment.remote(timeout=0.5)
        member = hasty.membership('node1', 'acme-worker', 'worker', 1)
        member.join()
        self.conductor.stop()
        member.leave()
        self.assertEqual(
            1,
            self.logged(
                'No conductor could be told that acme-worker on node1'
            ),
        )


class TestJoinSentTwice(base.ConductorTest):
    def test_it_counts_as_one_join(self) -> None:
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
        self.assertFalse(self.get_service().is_up)
        self.assertEqual(1, self.get_service().incarnation)

    def test_a_member_joins_again_if_another_caller_made_it_leave(
        self,
    ) -> None:
        member = self.member()
        self.get_service().leave()
        self.wait_for('another join', lambda: member.service.incarnation == 2)
        self.assertTrue(self.get_service().is_up)

    def test_arguments_that_cannot_work_are_refused(self) -> None:
        for more in ({'sync_interval': 0}, {'on_deleted': 'explode'}):
            error = self.assertRaises(
                exception.InvalidInput, self.member, **more
            )
            (name,) = more
            self.assertIn(name, str(error))


class Slow:
    """Holds a method of Service back until the test lets it return."""

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

    def test_a_member_that_leaves_while_it_joins_has_left(self) -> None:
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
        self.assertIsNotNone(self.get_service().left_at)

    def test_a_late_answer_to_a_sync_does_not_end_the_next_session(
        self,
    ) -> None:
        slow = Slow(self, 'sync')
        lost: list[exception.MembershipLost] = []
        membership = self.member(on_lost=lost.append)
        self.assertTrue(slow.asked.wait(base.PATIENCE))
        self.get_service().destroy()
        membership.leave()
        membership.join()
        slow.go_on.set()
        count = self.get_service().report_count
        self.wait_for(
            'beats', lambda: self.get_service().report_count >= count + 2
        )
        self.assertEqual([], lost)

    def test_a_member_that_leaves_while_it_joins_again_has_left(self) -> None:
        membership = self.member(on_deleted='rejoin')
        slow = Slow(self, 'join')
        self.get_service().destroy()
        self.assertTrue(slow.asked.wait(base.PATIENCE))
        membership.leave()
        slow.go_on.set()
        self.wait_for('it to leave', lambda: self.get_service().left_at)


class Broken(db_driver.DbDriver):
    """A driver whose server is away."""

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
        driver: Any = self.conductor.backend.judges.primary.driver
        driver._driver = Broken()

    def test_its_members_are_up_by_the_table(self) -> None:
        self.member()
        self.wait_for('beats', lambda: self.get_service().report_count >= 2)
        self.assertTrue(self.get_service().is_up)
        self.assertEqual(1, self.logged('ERROR heartbeat of acme-worker'))

    def test_its_members_still_learn_that_they_are_superseded(self) -> None:
        lost: list[exception.MembershipLost] = []
        self.member(on_lost=lost.append)
        self.member()
        self.wait_for('the loss', lambda: lost)


class TestLost(base.ConductorTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def test_the_older_of_two_processes_is_superseded_and_stops(self) -> None:
        lost: list[exception.MembershipLost] = []
        older = self.member(on_lost=lost.append)
        self.member()
        self.wait_for('the loss', lambda: lost)
        self.assertEqual('superseded', lost[0].word)
        self.assertEqual(1, self.logged('ERROR acme-worker on node1 is no'))
        self.assertRaises(RuntimeError, lambda: older.service)
        self.assertTrue(self.get_service().is_up)

    def test_the_older_process_cannot_keep_the_service_up(self) -> None:
        older = self.member().service
        # The newer process does not beat during the test.
        self.member(report_interval=60, down_after=120)
        before = self.get_service()
        self.deployment.beat(self.remote, older)
        self.wait_for('the beat', lambda: self.conductor.beats.stale)
        after = self.get_service()
        self.assertEqual(before.last_seen_up, after.last_seen_up)
        self.assertEqual(before.report_count, after.report_count)

    def test_a_member_that_is_deleted_stops_and_stays_deleted(self) -> None:
        lost: list[exception.MembershipLost] = []
        member = self.member(on_lost=lost.append)
        service = member.service
        self.get_service().destroy()
        self.wait_for('the loss', lambda: lost)
        self.assertEqual('deleted', lost[0].word)
        self.assertEqual(1, self.logged('ERROR acme-worker on node1 is no'))
        self.deployment.beat(self.remote, service)
        self.wait_for('the beat', lambda: self.conductor.beats.stale)
        self.assertRaises(exception.ServiceNotFound, self.get_service)

    def test_a_member_that_is_deleted_joins_again_if_told_to_rejoin(
        self,
    ) -> None:
        member = self.member(on_deleted='rejoin')
        first = member.service.uuid
        self.get_service().destroy()
        self.wait_for('another row', lambda: member.service.uuid != first)
        self.assertTrue(self.get_service().is_up)
        self.wait_for('beats', lambda: self.get_service().report_count)

    def test_a_member_joins_again_after_an_older_backup_was_restored(
        self,
    ) -> None:
        self.member().stop()
        member = self.member()
        with self.deployment.db.writer() as conn:
            conn.exec_driver_sql('UPDATE services SET incarnation = 0')
        self.wait_for('another join', lambda: member.service.incarnation == 1)
        self.wait_for('beats', lambda: self.get_service().report_count)

    def test_a_member_that_is_forced_down_logs_it_and_goes_on_beating(
        self,
    ) -> None:
        self.member()
        service = self.get_service()
        service.forced_down = True
        service.save()
        self.assertFalse(service.is_up)
        self.wait_for('the news', lambda: self.logged('is forced down'))
        count = self.get_service().report_count
        self.wait_for('beats', lambda: self.get_service().report_count > count)
        self.assertFalse(self.get_service().is_up)
        service.forced_down = False
        service.save()
        self.assertTrue(service.is_up)
        self.wait_for('the news', lambda: self.logged('no longer forced'))
