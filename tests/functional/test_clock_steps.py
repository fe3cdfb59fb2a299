"""The database's clock is set: forward, back, and by a part of its servers."""

import datetime
import threading
from typing import Any

import sqlalchemy as sa

from sgconductor import host_clock
from sgconductor.conductor import clock_steps
from sgconductor.conductor import liveness
from sgconductor.db import announced_state
from sgconductor.db import clock
from sgconductor.db import clock_set_back
from sgconductor.db import clock_steps as db_clock_steps
from sgconductor.db import events
from sgconductor.db import leader_lease
from sgconductor.db import models
from sgconductor.db import reception
from sgconductor.db import services
from tests.functional import base

S = 1_000_000
HOUR = 3600.0


class ClockTest(base.DeploymentTest):
    """A step of the database's clock is one of all others, the other way.

    :ivar seconds: the host's monotonic clock
    """

    def setUp(self) -> None:
        super().setUp()
        self.db = self.deployment.db
        self.skipped = 0.0

    def monotonic(self) -> float:
        return host_clock.uptime() - self.skipped

    def conductor_clock(self) -> clock_steps.ClockSteps:
        """What a conductor knows of the clock, after its first check."""
        steps = clock_steps.ClockSteps(self.db, 3, 60, self.monotonic)
        steps.check_clock()
        return steps

    def set_clock(self, seconds: float) -> None:
        """Set the database's clock, by moving all that is in its tables."""
        self.skipped += seconds
        self.let_pass(seconds)

    def let_pass(self, seconds: float) -> None:
        """Let time pass, by all clocks."""
        delta = datetime.timedelta(seconds=seconds)
        with self.db.writer() as conn:
            for table in models.metadata.sorted_tables:
                moments = [
                    column
                    for column in table.c
                    if isinstance(column.type, clock.UtcDateTime)
                ]
                for row in conn.execute(sa.select(table)).mappings().all():
                    values = {
                        column.name: row[column.name] - delta
                        for column in moments
                        if row[column.name] is not None
                    }
                    if values:
                        key = next(iter(table.primary_key))
                        conn.execute(
                            table.update()
                            .where(key == row[key.name])
                            .values(values)
                        )

    def now(self) -> int:
        with self.db.reader() as conn:
            return db_clock_steps.read_clock(conn).now

    def row(self, host: str) -> services.Row:
        with self.db.reader() as conn:
            row = services.get(conn, host=host, binary='acme-worker')
        assert row is not None
        return row

    def join(self, *hosts: str) -> None:
        with self.db.writer() as conn:
            for host in hosts:
                base.join(conn, host)

    def verdict(self, host: str) -> liveness.Verdict:
        return liveness.by_table(
            self.row(host), reception.read_windows(self.db)
        )

    def beat(self, host: str, ago: float = 0) -> None:
        """Write a beat, and note that beats are received.

        :param ago: how many seconds ago it was sent
        """
        row = self.row(host)
        stamp = self.now() - int(ago * S)
        one = services.Beat(row['id'], row['incarnation'], stamp)
        with self.db.writer() as conn:
            services.beat_many(conn, [one])
            reception.record_beats(conn, stamp, 6 * S, 15 * S, 0)

    def mark(self, host: str, state: str) -> None:
        row = self.row(host)
        with self.db.writer() as conn:
            announced_state.mark(
                conn,
                {row['id']: announced_state.Judged(row['incarnation'])},
                state,
            )

    def stale(self) -> list[str]:
        """The hosts of services that a sweep looks at."""
        with self.db.reader() as conn:
            return [r['host'] for r in services.with_stale_state(conn, 100)]

    def kill(self, host: str, ago: float = 100) -> None:
        """Let a member be silent, and be announced to be down for that."""
        self.join(host)
        self.deployment.age(self.row(host)['id'], ago)
        self.mark(host, 'down')

    def acquire(self, holder: str) -> Any:
        return self.db.write(lambda conn: leader_lease.acquire(conn, holder))


class TestForward(ClockTest):
    def test_nobody_is_down_before_and_after_it_is_noticed(self) -> None:
        self.join('a')
        self.beat('a')
        steps = self.conductor_clock()
        self.set_clock(HOUR)
        self.assertTrue(self.verdict('a').up)
        steps.check_clock()
        self.assertTrue(self.verdict('a').up)
        # A beat of a member that knows the new time.
        self.join('b')
        self.beat('b')
        self.assertTrue(self.verdict('a').up)

    def test_stamps_of_the_old_clock_are_moved(self) -> None:
        steps = self.conductor_clock()
        self.set_clock(HOUR)
        steps.check_clock()
        now = self.now()
        for ago, moved in ((3600, 0), (3610, 10), (5, 5), (-5, -5)):
            (beat,) = steps.translate(
                [services.Beat(1, 1, now - ago * S, 2, 3)]
            )
            self.assertAlmostEqual(moved, (now - beat.stamp) / S, delta=0.9)
            self.assertEqual((1, 1, 2, 3), (*beat[:2], *beat[3:]))

    def test_conductors_record_one_step_and_new_ones_know_it(self) -> None:
        both = self.conductor_clock(), self.conductor_clock()
        self.set_clock(10)
        for steps in both:
            steps.check_clock()
        with self.db.reader() as conn:
            (step,) = db_clock_steps.read_clock(conn).steps
        self.assertAlmostEqual(10, step.size / S, delta=0.9)
        for steps in (*both, self.conductor_clock()):
            (beat,) = steps.translate(
                [services.Beat(1, 1, self.now() - 10 * S)]
            )
            self.assertAlmostEqual(0, (self.now() - beat.stamp) / S, delta=1.9)

    def test_two_steps_in_a_row_are_two(self) -> None:
        steps = self.conductor_clock()
        for _ in range(2):
            self.set_clock(HOUR)
            steps.check_clock()
        with self.db.reader() as conn:
            self.assertEqual(2, len(db_clock_steps.read_clock(conn).steps))
        (beat,) = steps.translate([services.Beat(1, 1, self.now() - 7200 * S)])
        self.assertAlmostEqual(0, (self.now() - beat.stamp) / S, delta=1.9)

    def test_a_step_that_is_taken_back_moves_no_stamp(self) -> None:
        steps = self.conductor_clock()
        self.set_clock(HOUR)
        steps.check_clock()
        self.set_clock(-HOUR)
        steps.check_clock()
        beats = [services.Beat(1, 1, self.now())]
        self.assertEqual(beats, list(steps.translate(beats)))
        # And once more, as a fail-over and its end.
        self.set_clock(HOUR)
        steps.check_clock()
        (beat,) = steps.translate([services.Beat(1, 1, self.now() - 3600 * S)])
        self.assertAlmostEqual(0, (self.now() - beat.stamp) / S, delta=1.9)

    def test_a_slow_answer_is_no_step(self) -> None:
        steps = self.conductor_clock()
        times = iter((0.0, 30.0))
        steps._monotonic = lambda: self.monotonic() + next(times)
        steps.check_clock()
        steps._monotonic = self.monotonic
        steps.check_clock()
        with self.db.reader() as conn:
            self.assertEqual([], db_clock_steps.read_clock(conn).steps)
        self.assertNotIn('The clock of the database', self.log.output)

    def test_a_pause_of_a_conductor_is_a_stall_and_no_step(self) -> None:
        self.join('a')
        steps = self.conductor_clock()
        # Its clock stood still, and another conductor heard beats meanwhile.
        self.skipped += 600
        self.beat('a')
        steps.check_clock()
        with self.db.reader() as conn:
            self.assertEqual([], db_clock_steps.read_clock(conn).steps)
        began, ended = reception.read_windows(self.db)[-1]
        self.assertEqual(600, round(ended / S, -1))
        self.assertTrue(self.logged('WARNING This host was paused for 600'))

    def test_events_of_the_hour_are_kept(self) -> None:
        with self.db.writer() as conn:
            events.add(conn, [events.New('service.up', '{}', None, None)])
            events.sent(conn, [1])
        self.set_clock(HOUR)
        self.db.write(events.forget)
        with self.db.reader() as conn:
            self.assertEqual(1, len(events.newest(conn, 5)))


class TestBack(ClockTest):
    def test_the_living_keep_their_state_until_their_next_beat(self) -> None:
        self.join('a')
        self.beat('a')
        self.set_clock(-HOUR)
        self.assertEqual('unknown', self.verdict('a').liveness)
        self.beat('a')
        self.assertEqual(liveness.Verdict('up'), self.verdict('a'))
        self.assertLess(self.row('a')['age'], 5 * S)

    def test_one_that_dies_is_found_though_its_row_is_from_the_future(
        self,
    ) -> None:
        self.join('a', 'b')
        self.set_clock(-HOUR)
        self.assertEqual(['a', 'b'], self.stale())
        with self.db.reader() as conn:
            self.assertTrue(
                clock_set_back.has_future_moments(services.page(conn, {}, 9))
            )
        self.db.write(clock_set_back.clamp)
        self.assertEqual([], self.stale())
        with self.db.reader() as conn:
            self.assertFalse(
                clock_set_back.has_future_moments(services.page(conn, {}, 9))
            )
        self.assertTrue(self.verdict('a').up)
        self.deployment.age(self.row('a')['id'], 61)
        self.beat('b')
        self.assertFalse(self.verdict('a').up)

    def test_the_dead_stay_down_until_a_beat(self) -> None:
        # Small steps make their last beats fresh, great ones move them into
        # the future.
        for step in (-10, -50, -95, -HOUR):
            host = f'dead{-step:g}'
            self.kill(host)
            self.set_clock(step)
            self.assertFalse(self.verdict(host).up)
            self.db.write(clock_set_back.clamp)
            self.assertFalse(self.verdict(host).up)
            self.assertNotIn(host, self.stale())
            self.beat(host)
            self.assertEqual(liveness.Verdict('up'), self.verdict(host))
            self.assertIn(host, self.stale())
            self.mark(host, 'up')

    def test_a_conductor_that_notices_it_lets_silence_count(self) -> None:
        self.join('a')
        steps = self.conductor_clock()
        self.set_clock(-10)
        steps.check_clock()
        age = self.row('a')['age']
        self.assertTrue(0 <= age < 9 * S, age)
        self.assertTrue(self.logged('clock of the database was set back'))

    def test_outages_that_are_yet_to_come_are_forgotten(self) -> None:
        with self.db.writer() as conn:
            now = conn.execute(sa.select(clock.utcnow())).scalar_one()
            for began, ended in ((40, 30), (20, 2), (1800, 1200)):
                conn.execute(
                    models.gaps.insert().values(
                        began=now - datetime.timedelta(seconds=began),
                        ended=now - datetime.timedelta(seconds=ended),
                    )
                )
        self.set_clock(-25)
        self.db.write(clock_set_back.clamp)
        with self.db.reader() as conn:
            self.assertEqual(
                2,
                conn.execute(
                    sa.select(sa.func.count()).select_from(models.gaps)
                ).scalar_one(),
            )

    def test_a_leader_that_died_is_followed_at_once(self) -> None:
        self.assertTrue(self.acquire('one'))
        self.set_clock(-HOUR)
        self.assertTrue(self.acquire('two'))
        self.assertFalse(self.acquire('one'))

    def test_a_leader_stays_though_clocks_of_servers_differ_a_little(
        self,
    ) -> None:
        self.assertTrue(self.acquire('one'))
        self.set_clock(-3)
        self.assertFalse(self.acquire('two'))
        self.assertTrue(self.acquire('one'))

    def test_sent_events_are_forgotten_in_time(self) -> None:
        with self.db.writer() as conn:
            events.add(conn, [events.New('service.up', '{}', None, None)])
            events.sent(conn, [1])
        self.set_clock(-365 * 24 * HOUR)
        self.db.write(events.forget)
        self.set_clock(25 * HOUR)
        self.db.write(events.forget)
        with self.db.reader() as conn:
            self.assertEqual([], events.newest(conn, 5))


class TestSpread(ClockTest):
    def test_a_part_of_a_step_is_taken_back(self) -> None:
        both = self.conductor_clock(), self.conductor_clock()
        for seconds, total in ((100.0, 100), (-40.0, 60), (-60.0, 0)):
            self.set_clock(seconds)
            for steps in both:
                steps.check_clock()
            for steps in (*both, self.conductor_clock()):
                stamp = self.now() - total * S
                (beat,) = steps.translate([services.Beat(1, 1, stamp)])
                ago = (self.now() - beat.stamp) / S
                self.assertAlmostEqual(0, ago, delta=0.9)

    def test_each_conductor_may_be_connected_to_one_server_only(self) -> None:
        self.join('alive')
        behind = self.conductor_clock()
        with self.db.reader() as conn:
            self.assertEqual(0, db_clock_steps.read_clock(conn).spread)
        for _ in range(4):
            # Another conductor writes by way of the server that is ahead.
            self.set_clock(20)
            self.beat('alive')
            self.set_clock(-20)
            behind.check_clock()
            self.beat('alive')
        with self.db.reader() as conn:
            spread = db_clock_steps.read_clock(conn).spread
        self.assertTrue(20 * S <= spread < 22 * S, spread)
        self.assertTrue(self.logged('show different clocks in turn'))

    def test_a_clock_that_is_set_twice_is_no_server_that_differs(self) -> None:
        steps = self.conductor_clock()
        for seconds in (-HOUR, HOUR, -HOUR):
            self.set_clock(seconds)
            steps.check_clock()
        with self.db.reader() as conn:
            self.assertEqual(0, db_clock_steps.read_clock(conn).spread)


class TestServersThatDiffer(ClockTest):
    """Servers of a cluster show different clocks in turn, for minutes."""

    scenarios = [base.EMBEDDED]

    def alternate(
        self, *checks: clock_steps.ClockSteps, apart: float, times: int
    ) -> None:
        """Let conductors be connected to one server and to the other.

        A member beats meanwhile; the last server is the one that is behind.
        """
        for i in range(2 * times):
            self.let_pass(4)
            self.set_clock(-apart if i % 2 else apart)
            for each in checks:
                each.check_clock()
            self.assertNotEqual('down', self.verdict('alive').liveness)
            self.beat('alive')

    def count(self, table: sa.Table) -> int:
        with self.db.reader() as conn:
            return conn.execute(
                sa.select(sa.func.count()).select_from(table)
            ).scalar_one()

    def test_the_living_are_up_and_the_dead_are_found(self) -> None:
        apart = 20
        self.join('alive', 'dead')
        # For as long as the member is allowed to be silent, and twice that.
        self.alternate(self.conductor_clock(), apart=apart, times=14)
        self.assertEqual('down', self.verdict('dead').liveness)
        # It beats by way of one server and is judged by the other.
        self.let_pass(50)
        self.set_clock(apart)
        self.join('other')
        self.beat('other')
        self.assertEqual('unknown', self.verdict('alive').liveness)
        self.assertEqual('down', self.verdict('dead').liveness)

    def test_tables_and_the_log_stay_small(self) -> None:
        self.join('alive')
        self.alternate(
            self.conductor_clock(), self.conductor_clock(), apart=20, times=10
        )
        self.assertLess(self.count(models.clock_steps), 12)
        self.assertLess(self.count(models.gaps), 12)
        lines = self.log.output.splitlines()
        told = [line for line in lines if 'different clocks in turn' in line]
        self.assertTrue(1 <= len(told) <= 2, told)
        self.assertLess(len([line for line in lines if 'clock' in line]), 20)

    def test_a_late_beat_is_not_made_fresh(self) -> None:
        self.join('alive')
        steps = self.conductor_clock()
        self.alternate(steps, apart=1.5, times=8)
        late = services.Beat(1, 1, self.now() - 120 * S)
        (beat,) = steps.translate([late])
        self.assertLess(beat.stamp, late.stamp + 2 * S)

    def test_one_leads(self) -> None:
        self.join('alive')
        self.alternate(self.conductor_clock(), apart=12, times=4)
        self.assertTrue(self.acquire('one'))
        for _ in range(3):
            self.set_clock(12)
            self.assertFalse(self.acquire('two'))
            self.set_clock(-12)
            self.assertTrue(self.acquire('one'))

    def test_one_leads_from_the_server_that_is_ahead(self) -> None:
        self.join('alive')
        self.alternate(self.conductor_clock(), apart=12, times=4)
        self.set_clock(12)
        self.assertTrue(self.acquire('one'))
        self.set_clock(-12)
        self.assertFalse(self.acquire('two'))


class TestLocks(ClockTest):
    scenarios = [base.ON_MARIADB, base.ON_POSTGRESQL]

    def test_beats_are_written_while_moments_are_clamped(self) -> None:
        """A batch of beats locks services, and then the row of reception."""
        self.join('a')
        self.set_clock(-HOUR)
        row = self.row('a')
        one = services.Beat(row['id'], row['incarnation'], self.now())
        with self.db.writer() as conn:
            services.beat_many(conn, [one])
            clamping = threading.Thread(
                target=self.db.write, args=[clock_set_back.clamp]
            )
            clamping.start()
            clamping.join(0.3)
            # It waits for the service, and holds nothing meanwhile.
            with self.db.writer() as other:
                other.execute(
                    sa.select(models.hearing).with_for_update(nowait=True)
                )
            reception.record_beats(conn, one.stamp, 3 * S, 15 * S, 0)
        clamping.join()


class TestExplanation(base.ConductorTest):
    scenarios = [base.EMBEDDED]

    def test_a_last_beat_from_the_future_has_no_age(self) -> None:
        base.stop_beating(self.member())
        self.conductor._leader.stop()
        base.stop_beats_of(self.conductor)
        service = self.get_service()
        self.deployment.age(service.id, -HOUR)
        pieces = service.explain()
        self.assertFalse([p for p in pieces if (p['age'] or 0) < 0])
        (old,) = [p for p in pieces if 'was set back' in p['says']][:1]
        self.assertEqual('unknown', old['speaks_for'])


class TestEvents(base.ConductorTest):
    scenarios = [base.EMBEDDED]

    def test_only_a_service_that_was_down_has_a_second_event_up(self) -> None:
        base.stop_beating(self.member())
        self.deployment.age(self.get_service().id, -HOUR)
        self.conductor.backend.db.write(clock_set_back.clamp)
        # A process that follows another one of its name.
        base.stop_beating(self.member())
        self.conductor.backend.db.write(clock_set_back.clamp)
        self.deployment.age(self.get_service().id, 100)
        self.wait_for('down', lambda: self.turns() == ['up', 'down'])
        self.member()
        self.wait_for('up', lambda: self.turns() == ['up', 'down', 'up'])

    def turns(self) -> list[str]:
        """The events of the service that say up or down, in order."""
        with self.conductor.backend.db.reader() as conn:
            return [
                event['type'].partition('.')[2]
                for event in events.newest(conn, 100)
                if event['type'] in ('service.up', 'service.down')
                and 'acme-worker' in event['payload']
            ]


class TestPause(base.ConductorTest):
    """The host of a member is paused: its monotonic clock stands still."""

    scenarios = [base.EMBEDDED]

    def test_the_member_is_up_with_its_first_beat(self) -> None:
        self.skipped = 0.0
        member = self.member(
            sync_interval=3600,
            monotonic=lambda: host_clock.uptime() - self.skipped,
        )
        service = self.get_service()
        self.skipped = 600.0
        self.deployment.age(service.id, 600)
        count = self.get_service().report_count
        self.wait_for(
            'a beat', lambda: self.get_service().report_count > count
        )
        self.assertEqual('up', self.get_service().liveness)
        # It has also synced.
        self.wait_for('a sync', lambda: not member._clock.uncertain)
