"""When beats could be heard, as all conductors know it."""

import datetime
import threading
from typing import Any
from unittest import mock

import sqlalchemy as sa

from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import beat_writer
from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import reception
from tests.functional import base

SECOND = 1_000_000
GAP = 15 * SECOND


class HearingTest(base.DeploymentTest):
    def heard(self, ago: float = 0, flow: float = 0) -> None:
        """Write a beat that was sent so many seconds ago.

        :param flow: seconds for which others came before it, one by one
        """

        def note(conn: sa.Connection) -> None:
            now = conn.execute(sa.select(clock.utcnow())).scalar_one()
            stamp = clock.to_micros(now) - int(ago * SECOND)
            reception.record_beats(conn, stamp, GAP, GAP, int(flow * SECOND))

        self.deployment.db.write(note)

    def spans(self) -> list[tuple[int, int]]:
        """In seconds ago, to the nearest ten: a test may take some."""
        return [
            (
                int(round(span.began / SECOND, -1)),
                int(round(span.ended / SECOND, -1)),
            )
            for span in reception.read_windows(self.deployment.db)
        ]


class TestTable(HearingTest):
    ever = reception.EVER // SECOND

    def test_at_first_all_was_heard(self) -> None:
        ((began, ended),) = self.spans()
        self.assertEqual(self.ever, began)
        self.assertLess(ended, GAP // SECOND)

    def test_a_short_silence_is_no_gap(self) -> None:
        self.deployment.deafen(10)
        self.heard()
        self.assertEqual([(self.ever, 0)], self.spans())

    def test_a_long_one_is(self) -> None:
        self.deployment.deafen(100)
        self.assertEqual([(self.ever, 100)], self.spans())
        self.heard()
        self.assertEqual([(0, 0), (self.ever, 100)], self.spans())

    def test_old_news_is_no_proof(self) -> None:
        self.deployment.deafen(100)
        self.heard(ago=50)
        self.assertEqual([(self.ever, 100)], self.spans())

    def test_beats_that_waited_were_heard_from_the_first_on(self) -> None:
        self.deployment.deafen(100)
        self.heard(flow=40)
        self.assertEqual([(40, 0), (self.ever, 100)], self.spans())

    def test_beats_that_came_late_all_the_time_leave_no_gap(self) -> None:
        self.deployment.deafen(100)
        self.heard(flow=90)
        self.assertEqual([(self.ever, 0)], self.spans())
        self.deployment.deafen(100)
        self.heard(flow=1000)
        self.assertEqual([(self.ever, 0)], self.spans())

    def test_nobody_is_heard_from_the_future(self) -> None:
        self.heard(ago=-1000)
        self.deployment.deafen(100)
        self.heard(ago=-1000)
        self.assertEqual([(0, 0), (self.ever, 100)], self.spans())

    def test_an_overtaken_beat_takes_nothing_back(self) -> None:
        self.heard()
        self.heard(ago=5)
        self.assertEqual([(self.ever, 0)], self.spans())

    def test_all_writers_see_one_gap(self) -> None:
        self.deployment.deafen(100)
        start = threading.Barrier(4)

        def write() -> None:
            start.wait()
            self.heard()

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(2, len(self.spans()))

    def test_what_others_have_heard_and_not_noted_counts(self) -> None:
        self.deployment.deafen(100)
        self.join()
        # A join is no beat.
        self.deployment.db.write(reception.catch_up)
        self.assertEqual([(self.ever, 100)], self.spans())
        # As a conductor of the release before writes beats, and joins.
        for joined_at in (models.services.c.created_at, None):
            self.deployment.deafen(100)
            with self.deployment.db.writer() as conn:
                conn.execute(
                    models.services.update().values(
                        joined_at=joined_at, last_seen_up=clock.utcnow()
                    )
                )
            self.deployment.db.write(reception.catch_up)
            self.assertEqual([(self.ever, 0)], self.spans())
        self.heard()
        self.assertEqual([(self.ever, 0)], self.spans())

    def test_a_silent_conductor_may_hold_what_it_has_taken(self) -> None:
        self.join(models.CONDUCTOR)
        self.deployment.age(1, 30)
        self.assertEqual([(self.ever, 30)], self.spans())
        # By then the broker has given it to others.
        self.deployment.age(1, 100)
        self.assertEqual([(self.ever, 0)], self.spans())

    def test_that_is_so_from_its_last_beat_on(self) -> None:
        self.join(models.CONDUCTOR)
        self.deployment.age(1, 1)
        self.heard()
        (span,) = reception.read_windows(self.deployment.db)
        # Else who is down by now would be up again when it stays silent.
        self.assertGreaterEqual(span.ended, SECOND)

    def test_one_that_has_left_holds_nothing(self) -> None:
        self.join(models.CONDUCTOR)
        self.deployment.age(1, 30)
        with self.deployment.db.writer() as conn:
            conn.execute(
                models.services.update().values(left_at=clock.utcnow())
            )
        self.assertEqual([(self.ever, 0)], self.spans())

    def test_one_that_stalled_makes_a_gap(self) -> None:
        self.deployment.db.write(
            lambda conn: reception.record_stall(conn, 30, GAP)
        )
        self.heard()
        self.assertEqual([(0, 0), (self.ever, 30)], self.spans())

    def test_one_that_stood_still_says_so_before_it_beats(self) -> None:
        remote = self.deployment.remote()
        clock = iter((1000.0, 1000.5, 1030.5, 1031.0)).__next__
        own = beat_writer.OwnBeats(
            remote.transport, self.deployment.db, 15, clock
        )
        own.beat(1, 1, 0, 0)
        own.beat(1, 1, 0, 0)
        self.heard()
        self.assertEqual([(self.ever, 0)], self.spans())
        own.beat(1, 1, 0, 0)
        own.beat(1, 1, 0, 0)
        self.assertEqual([(0, 0), (self.ever, 30)], self.spans())

    def test_nor_does_it_beat_if_it_cannot_say_so(self) -> None:
        sent: list[Any] = []
        db = mock.Mock()
        db.write.side_effect = exception.DatabaseUnreachable('db', 'gone')
        transport = mock.Mock(
            _send_notification=lambda *a, **k: sent.append(a)
        )
        clock = iter((1000.0, 1030.0, 1030.5)).__next__
        own = beat_writer.OwnBeats(transport, db, 15, clock)
        own.beat(1, 1, 0, 0)
        for _ in range(2):
            self.assertRaises(
                exception.DatabaseUnreachable, own.beat, 1, 1, 0, 0
            )
        self.assertEqual(1, len(sent))

    def test_what_nobody_heard_was_no_stall(self) -> None:
        self.deployment.deafen(100)
        self.heard()
        # Its own last beat came a little before the last of all.
        self.deployment.db.write(
            lambda conn: reception.record_stall(conn, 110, GAP)
        )
        self.assertEqual([(0, 0), (self.ever, 100)], self.spans())

    def test_who_writes_first_after_an_outage_has_not_stalled(self) -> None:
        self.deployment.deafen(100)
        # What has waited is no proof of hearing.
        self.heard(ago=50)
        self.deployment.db.write(
            lambda conn: reception.record_stall(conn, 110, GAP)
        )
        self.assertEqual([(self.ever, 100)], self.spans())

    def test_one_that_stalled_while_others_were_late(self) -> None:
        # Until 70 s ago they were heard, and it was not.
        self.deployment.deafen(70)
        self.deployment.db.write(
            lambda conn: reception.record_stall(conn, 100, GAP)
        )
        self.heard(flow=1000)
        self.assertEqual([(70, 0), (self.ever, 100)], self.spans())

    def test_gaps_may_overlap(self) -> None:
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
        self.heard()
        self.assertEqual(
            [(100, 0), (600, 500), (self.ever, 900)], self.spans()
        )

    def join(self, binary: str = 'acme-worker') -> None:
        with self.deployment.db.writer() as conn:
            base.join(conn, 'node1', binary)

    def test_a_clock_that_was_set_back_deafens_nobody(self) -> None:
        self.deployment.deafen(-3600)
        self.assertEqual([(self.ever, 0)], self.spans())
        self.heard()
        self.deployment.deafen(100)
        self.assertEqual([(self.ever, 100)], self.spans())
        self.deployment.deafen(-3600)
        self.heard()
        with self.deployment.db.reader() as conn:
            at, now = conn.execute(
                sa.select(models.hearing.c.heard_at, clock.utcnow())
            ).one()
        self.assertLessEqual(at, now)

    def test_only_the_newest_gaps_are_told(self) -> None:
        with self.deployment.db.writer() as conn:
            now = conn.execute(sa.select(clock.utcnow())).scalar_one()
            for i in range(60, 0, -1):
                began = now - datetime.timedelta(hours=i)
                ended = began + datetime.timedelta(minutes=1)
                conn.execute(
                    models.gaps.insert().values(began=began, ended=ended)
                )
        spans = self.spans()
        self.assertEqual(51, len(spans))
        self.assertEqual((3540, 0), spans[0])
        self.assertEqual((self.ever, 50 * 3600), spans[-1])
        self.deployment.deafen(100)
        self.heard()
        with self.deployment.db.reader() as conn:
            left = conn.execute(
                sa.select(sa.func.count()).select_from(models.gaps)
            ).scalar_one()
        # Two days, and the new one.
        self.assertEqual(48 + 1, left)


class TestVerdicts(base.ConductorTest):
    """What a lookup says after a time in which nobody was heard."""

    scenarios = [base.EMBEDDED, base.ON_MARIADB]

    def test_who_was_up_is_not_called_down_and_the_dead_are(self) -> None:
        # None of them beats again.
        for host in ('dead', 'unlucky'):
            member = self.member(host, report_interval=50, down_after=60)
            base.stop_beating(member)
        self.deployment.age(self.look('dead').id, 200)
        self.deployment.age(self.look('unlucky').id, 101)
        self.deployment.deafen(100)
        self.wait_for('a gap', self.gaps)
        dead, unlucky = self.look('dead'), self.look('unlucky')
        self.assertEqual(('down', False), (dead.liveness, dead.is_up))
        self.assertEqual(('unknown', True), (unlucky.liveness, unlucky.is_up))
        self.assertIn(
            'no beats could be received until', unlucky.liveness_reason
        )
        # It had its time to be heard again.
        with self.deployment.db.writer() as conn:
            ended = conn.execute(sa.select(models.gaps.c.ended)).scalar_one()
            minute = datetime.timedelta(seconds=61)
            conn.execute(models.gaps.update().values(ended=ended - minute))
        self.wait_for('the dead', lambda: not self.look('unlucky').is_up)
        self.assertIn('allowed 60 s', self.look('unlucky').liveness_reason)

    def test_conductors_are_members(self) -> None:
        here = objects.Service.get_by_host_and_binary(
            self.context, 'conductor1', 'sgconductor-conductor'
        )
        self.assertEqual('up', here.liveness)
        self.wait_for(
            'its beats',
            lambda: here.refresh() or here.report_count,
        )
        self.conductor.stop()
        other = self.deployment.conductor(conductor__host='conductor2')
        service = objects.Service.get_by_host_and_binary(
            self.deployment.local(other), 'conductor1', 'sgconductor-conductor'
        )
        self.assertEqual('down', service.liveness)
        self.assertIn('left at', service.liveness_reason)

    def gaps(self) -> int:
        return len(reception.read_windows(self.deployment.db)) - 1
