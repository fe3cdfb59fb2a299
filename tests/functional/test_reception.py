"""Reception: the windows in which conductors could receive beats."""

import datetime
import threading
from typing import Any
from unittest import mock

import sqlalchemy as sa

from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import conductor_beats
from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import receivers
from sgconductor.db import reception
from tests.functional import base

SECOND = 1_000_000
GAP = 15 * SECOND


class ReceptionTest(base.DeploymentTest):
    def record(self, ago: float = 0, flow: float = 0) -> None:
        """Record a beat.

        :param ago: how many seconds ago it was sent
        :param flow: for how many seconds beats have been written before it
            without a gap
        """

        def note(conn: sa.Connection) -> None:
            now = conn.execute(sa.select(clock.utcnow())).scalar_one()
            stamp = clock.to_micros(now) - int(ago * SECOND)
            reception.record_beats(conn, stamp, GAP, GAP, int(flow * SECOND))

        self.deployment.db.write(note)

    def windows(self) -> list[tuple[int, int]]:
        """The windows, in seconds ago, rounded to ten: a test takes some."""
        return [
            (
                int(round(window.began / SECOND, -1)),
                int(round(window.ended / SECOND, -1)),
            )
            for window in reception.read_windows(self.deployment.db)
        ]


class TestWindows(ReceptionTest):
    ever = reception.EVER // SECOND

    def test_at_first_there_is_one_window(self) -> None:
        ((began, ended),) = self.windows()
        self.assertEqual(self.ever, began)
        self.assertLess(ended, GAP // SECOND)

    def test_a_short_silence_is_no_outage(self) -> None:
        self.deployment.stop_reception(10)
        self.record()
        self.assertEqual([(self.ever, 0)], self.windows())

    def test_a_long_silence_is_an_outage(self) -> None:
        self.deployment.stop_reception(100)
        self.assertEqual([(self.ever, 100)], self.windows())
        self.record()
        self.assertEqual([(0, 0), (self.ever, 100)], self.windows())

    def test_a_late_beat_does_not_end_an_outage(self) -> None:
        self.deployment.stop_reception(100)
        self.record(ago=50)
        self.assertEqual([(self.ever, 100)], self.windows())

    def test_an_outage_ends_when_the_first_late_beat_is_written(self) -> None:
        self.deployment.stop_reception(100)
        self.record(flow=40)
        self.assertEqual([(40, 0), (self.ever, 100)], self.windows())

    def test_beats_that_are_always_late_are_no_outage(self) -> None:
        self.deployment.stop_reception(100)
        self.record(flow=90)
        self.assertEqual([(self.ever, 0)], self.windows())
        self.deployment.stop_reception(100)
        self.record(flow=1000)
        self.assertEqual([(self.ever, 0)], self.windows())

    def test_a_beat_from_the_future_counts_as_now(self) -> None:
        self.record(ago=-1000)
        self.deployment.stop_reception(100)
        self.record(ago=-1000)
        self.assertEqual([(0, 0), (self.ever, 100)], self.windows())

    def test_an_older_beat_does_not_move_the_window_back(self) -> None:
        self.record()
        self.record(ago=5)
        self.assertEqual([(self.ever, 0)], self.windows())

    def test_concurrent_writers_record_one_outage(self) -> None:
        self.deployment.stop_reception(100)
        start = threading.Barrier(4)

        def write() -> None:
            start.wait()
            self.record()

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(2, len(self.windows()))

    def test_the_newest_window_ends_with_a_silent_conductor(self) -> None:
        self.join(models.CONDUCTOR)
        self.deployment.age(1, 30)
        self.assertEqual([(self.ever, 30)], self.windows())
        # After that time the broker has given its messages to others.
        self.deployment.age(1, 100)
        self.assertEqual([(self.ever, 0)], self.windows())

    def test_it_ends_with_the_last_beat_of_each_conductor(self) -> None:
        self.join(models.CONDUCTOR)
        self.deployment.age(1, 1)
        self.record()
        (window,) = reception.read_windows(self.deployment.db)
        # Otherwise a service that is down would be up again as soon as the
        # conductor counts as silent.
        self.assertGreaterEqual(window.ended, SECOND)

    def test_a_conductor_that_has_left_is_ignored(self) -> None:
        self.join(models.CONDUCTOR)
        self.deployment.age(1, 30)
        with self.deployment.db.writer() as conn:
            conn.execute(
                models.services.update().values(left_at=clock.utcnow())
            )
        self.assertEqual([(self.ever, 0)], self.windows())

    def test_one_that_the_broker_has_given_up_is_ignored(self) -> None:
        self.join(models.CONDUCTOR)
        self.deployment.age(1, 30)
        self.assertEqual([(self.ever, 30)], self.windows())
        self.register(noticed=20)
        self.assertEqual([(self.ever, 0)], self.windows())

    def test_one_to_which_the_broker_deals_nothing_is_ignored(self) -> None:
        self.join(models.CONDUCTOR)
        self.deployment.age(1, 30)
        self.register(noticed=40)
        self.assertEqual([(self.ever, 30)], self.windows())
        self.now, self.received = 0.0, 0
        beats = conductor_beats.ConductorBeats(
            self.deployment.remote().transport,
            self.deployment.db,
            15,
            40,
            lambda: self.received,
            lambda: self.now,
        )
        self.addCleanup(beats.close)
        sent = mock.Mock(
            side_effect=exception.BrokerUnreachable('here', 'gone')
        )
        beats._sender = mock.Mock(send=sent)
        for seconds, received, ends in (
            (30, 0, 30),
            (41, 0, 0),
            # Beats still arrive.
            (42, 1, 30),
            (81, 1, 30),
            (83, 1, 0),
        ):
            self.now, self.received = seconds, received
            beats._tried_at = seconds
            self.assertRaises(
                exception.BrokerUnreachable, beats.beat, 1, 1, 0, 0
            )
            self.assertEqual([(self.ever, ends)], self.windows())
        sent.side_effect = None
        beats.beat(1, 1, 0, 0)
        self.assertEqual([(self.ever, 30)], self.windows())

    def register(self, noticed: int) -> None:
        self.deployment.db.write(
            lambda conn: receivers.register(conn, 1, 1, noticed)
        )

    def test_a_stall_of_a_conductor_is_an_outage(self) -> None:
        self.deployment.db.write(
            lambda conn: reception.record_stall(conn, 30, GAP)
        )
        self.record()
        self.assertEqual([(0, 0), (self.ever, 30)], self.windows())

    def test_a_conductor_records_its_stall_before_it_beats(self) -> None:
        remote = self.deployment.remote()
        clock = iter((1000, 1000, 1000.5, 1000.5, 1030.5, 1031, 1031.5, 1032))
        beats = conductor_beats.ConductorBeats(
            remote.transport, self.deployment.db, 15, 45, int, clock.__next__
        )
        self.addCleanup(beats.close)
        beats.beat(1, 1, 0, 0)
        beats.beat(1, 1, 0, 0)
        self.record()
        self.assertEqual([(self.ever, 0)], self.windows())
        beats.beat(1, 1, 0, 0)
        beats.beat(1, 1, 0, 0)
        self.assertEqual([(0, 0), (self.ever, 30)], self.windows())

    def test_a_conductor_that_cannot_record_its_stall_does_not_beat(
        self,
    ) -> None:
        sent: list[Any] = []
        db = mock.Mock()
        remote = self.deployment.remote()
        clock = iter((1000.0, 1000.0, 1030.0, 1030.5))
        beats = conductor_beats.ConductorBeats(
            remote.transport, db, 15, 45, int, clock.__next__
        )
        self.addCleanup(beats.close)
        beats._sender = mock.Mock(send=lambda *args: sent.append(args))
        beats.beat(1, 1, 0, 0)
        db.write.side_effect = exception.DatabaseUnreachable('db', 'gone')
        for _ in range(2):
            self.assertRaises(
                exception.DatabaseUnreachable, beats.beat, 1, 1, 0, 0
            )
        self.assertEqual(1, len(sent))

    def test_a_recorded_outage_is_not_recorded_as_a_stall(self) -> None:
        self.deployment.stop_reception(100)
        self.record()
        # The conductor's last beat came a little before the last of all.
        self.deployment.db.write(
            lambda conn: reception.record_stall(conn, 110, GAP)
        )
        self.assertEqual([(0, 0), (self.ever, 100)], self.windows())

    def test_the_time_since_the_newest_beat_is_no_stall(self) -> None:
        self.deployment.stop_reception(100)
        # A late beat does not end the outage.
        self.record(ago=50)
        self.deployment.db.write(
            lambda conn: reception.record_stall(conn, 110, GAP)
        )
        self.assertEqual([(self.ever, 100)], self.windows())

    def test_a_stall_while_the_beats_of_others_were_late(self) -> None:
        # Until 70 s ago, the others wrote beats, and this one did not.
        self.deployment.stop_reception(70)
        self.deployment.db.write(
            lambda conn: reception.record_stall(conn, 100, GAP)
        )
        self.record(flow=1000)
        self.assertEqual([(70, 0), (self.ever, 100)], self.windows())

    def test_overlapping_outages_are_merged(self) -> None:
        with self.deployment.db.writer() as conn:
            now = conn.execute(sa.select(clock.utcnow())).scalar_one()
            for began, ended in (
                (900, 800),
                (500, 100),
                (400, 200),
                (850, 600),
            ):
                conn.execute(
                    models.gaps.insert().values(
                        began=now - datetime.timedelta(seconds=began),
                        ended=now - datetime.timedelta(seconds=ended),
                    )
                )
        self.record()
        self.assertEqual(
            [(100, 0), (600, 500), (self.ever, 900)], self.windows()
        )

    def join(self, binary: str = 'acme-worker') -> None:
        with self.deployment.db.writer() as conn:
            base.join(conn, 'node1', binary)

    def test_a_newest_beat_from_the_future_proves_no_reception(self) -> None:
        self.deployment.stop_reception(-3600)
        self.assertEqual([(self.ever, self.ever)], self.windows())
        self.record()
        self.assertEqual([(self.ever, 0)], self.windows())

    def test_a_stall_ends_now_though_a_beat_is_from_the_future(self) -> None:
        self.deployment.stop_reception(-3600)
        self.deployment.db.write(
            lambda conn: reception.record_stall(conn, 30, GAP)
        )
        with self.deployment.db.reader() as conn:
            ended, now = conn.execute(
                sa.select(models.gaps.c.ended, clock.utcnow())
            ).one()
        self.assertLessEqual(ended, now)

    def test_a_clock_that_was_set_back_is_no_outage(self) -> None:
        self.deployment.stop_reception(-3600)
        self.record()
        self.deployment.stop_reception(100)
        self.assertEqual([(self.ever, 100)], self.windows())
        self.deployment.stop_reception(-3600)
        self.record()
        with self.deployment.db.reader() as conn:
            at, now = conn.execute(
                sa.select(models.hearing.c.heard_at, clock.utcnow())
            ).one()
        self.assertLessEqual(at, now)

    def test_only_the_newest_outages_are_read(self) -> None:
        with self.deployment.db.writer() as conn:
            now = conn.execute(sa.select(clock.utcnow())).scalar_one()
            for i in range(60, 0, -1):
                began = now - datetime.timedelta(hours=i)
                ended = began + datetime.timedelta(minutes=1)
                conn.execute(
                    models.gaps.insert().values(began=began, ended=ended)
                )
        windows = self.windows()
        self.assertEqual(51, len(windows))
        self.assertEqual((3540, 0), windows[0])
        self.assertEqual((self.ever, 50 * 3600), windows[-1])
        self.deployment.stop_reception(100)
        self.record()
        with self.deployment.db.reader() as conn:
            kept = conn.execute(
                sa.select(sa.func.count()).select_from(models.gaps)
            ).scalar_one()
        # The outages of two days, and the new one.
        self.assertEqual(48 + 1, kept)


class TestVerdicts(base.ConductorTest):
    """The liveness of services after an outage of reception."""

    scenarios = [base.EMBEDDED, base.ON_MARIADB]

    def test_only_silence_within_windows_makes_a_service_down(self) -> None:
        # Neither of them sends another beat.
        for host in ('dead', 'silent'):
            member = self.member(host, report_interval=50, down_after=60)
            base.stop_beating(member)
        self.deployment.age(self.get_service('dead').id, 200)
        self.deployment.age(self.get_service('silent').id, 101)
        self.deployment.stop_reception(100)
        self.wait_for('the outage to be recorded', self.outages)
        dead, silent = self.get_service('dead'), self.get_service('silent')
        self.assertEqual(('down', False), (dead.liveness, dead.is_up))
        self.assertEqual(('unknown', True), (silent.liveness, silent.is_up))
        self.assertIn(
            'no beats could be received until', silent.liveness_reason
        )
        # Its down_after has passed since the end of the outage.
        with self.deployment.db.writer() as conn:
            ended = conn.execute(sa.select(models.gaps.c.ended)).scalar_one()
            minute = datetime.timedelta(seconds=61)
            conn.execute(models.gaps.update().values(ended=ended - minute))
        self.wait_for(
            'the silent service to be down',
            lambda: not self.get_service('silent').is_up,
        )
        self.assertIn(
            'allowed 60 s', self.get_service('silent').liveness_reason
        )

    def test_a_conductor_is_up_while_it_runs_and_down_after_it(self) -> None:
        conductor = objects.Service.get_by_host_and_binary(
            self.context, 'conductor1', 'sgconductor-conductor'
        )
        self.assertEqual('up', conductor.liveness)
        self.wait_for(
            'a beat of the conductor',
            lambda: conductor.refresh() or conductor.report_count,
        )
        self.conductor.stop()
        other = self.deployment.conductor(conductor__host='conductor2')
        service = objects.Service.get_by_host_and_binary(
            self.deployment.local(other), 'conductor1', 'sgconductor-conductor'
        )
        self.assertEqual('down', service.liveness)
        self.assertIn('left at', service.liveness_reason)

    def outages(self) -> int:
        return len(reception.read_windows(self.deployment.db)) - 1
