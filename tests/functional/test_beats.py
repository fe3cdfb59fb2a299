"""Beats from the broker to the table: batches, garbage and outages."""

import datetime
import threading
from typing import Any
from unittest import mock

import fixtures
import oslo_messaging as messaging
import sqlalchemy as sa

from sgconductor import exception
from sgconductor import objects
from sgconductor.conductor import beat_writer
from sgconductor.conductor import write_state
from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.db import services
from sgconductor.messaging import topics
from sgconductor.messaging import transports
from tests.functional import base


def seen(row: services.Row) -> int:
    """``last_seen_up`` of a row, in microseconds since 1970."""
    moment = datetime.datetime.fromisoformat(row['last_seen_up'])
    return clock.to_micros(moment)


class TableTest(base.DeploymentTest):
    """Tests that write batches without a broker."""

    def setUp(self) -> None:
        super().setUp()
        self.db = self.deployment.db
        self.state = write_state.WriteState(self.db.name)

    def beat_writer(
        self, gap: float = 3, **options: Any
    ) -> beat_writer.BeatWriter:
        return beat_writer.BeatWriter(
            self.db, gap=gap, late=15, state=self.state, **options
        )

    def join(self, host: str) -> services.Row:
        with self.db.writer() as conn:
            return base.join(conn, host)

    def read(self, id_: int) -> services.Row:
        with self.db.reader() as conn:
            row = services.get(conn, id=id_)
        assert row is not None
        return row

    def now(self) -> int:
        with self.db.reader() as conn:
            _, now = services.get_membership(conn, 'nobody')
        return clock.to_micros(now)

    def write(self, *batch: services.Beat) -> int:
        return self.db.write(lambda conn: services.beat_many(conn, batch))


class TestBatch(TableTest):
    def test_a_batch_of_beats_is_one_update(self) -> None:
        rows = [self.join(f'node{i}') for i in range(30)]
        seen: list[str] = []

        def listen(conn: Any, cursor: Any, statement: str, *more: Any) -> None:
            seen.append(statement)

        sa.event.listen(self.db.engine, 'before_cursor_execute', listen)
        now = self.now()
        seen.clear()
        batch = [services.Beat(row['id'], 1, now) for row in rows]
        self.assertEqual(30, self.write(*batch))
        updates = [s for s in seen if not s.startswith('BEGIN')]
        self.assertEqual(1, len(updates), str(updates))
        self.assertIn('UPDATE', updates[0])
        for row in rows:
            self.assertEqual(1, self.read(row['id'])['report_count'])

    def test_only_beats_of_the_current_incarnation_count(self) -> None:
        self.join('node1')
        row = self.join('node1')
        now = self.now()
        self.assertEqual(0, self.write(services.Beat(row['id'], 1, now)))
        self.assertEqual(0, self.write(services.Beat(row['id'], 3, now)))
        self.assertEqual(0, self.write(services.Beat(row['id'] + 1, 2, now)))
        self.assertEqual(
            row['last_seen_up'], self.read(row['id'])['last_seen_up']
        )
        self.assertEqual(1, self.write(services.Beat(row['id'], 2, now)))
        self.assertEqual(1, self.read(row['id'])['report_count'])

    def test_last_seen_up_moves_neither_back_nor_beyond_now(self) -> None:
        row = self.join('node1')
        hour = 3600 * 10**6
        joined = seen(row)
        self.write(services.Beat(row['id'], 1, joined - hour))
        after = self.read(row['id'])
        self.assertEqual(row['last_seen_up'], after['last_seen_up'])
        self.write(services.Beat(row['id'], 1, joined + hour))
        after = self.read(row['id'])
        self.assertLessEqual(seen(after), self.now())
        self.assertEqual(2, after['report_count'])

    def test_a_late_beat_counts_from_when_it_was_sent(self) -> None:
        row = self.join('node1')
        self.deployment.age(row['id'], 600)
        sent = seen(self.read(row['id'])) + 300 * 10**6 + 123
        self.write(services.Beat(row['id'], 1, sent))
        after = self.read(row['id'])
        self.assertEqual(sent, seen(after))
        self.assertGreater(after['age'], 290 * 10**6)

    def test_beats_change_no_other_column(self) -> None:
        before = self.join('node1')
        self.write(services.Beat(before['id'], 1, self.now()))
        after = self.read(before['id'])
        beaten = ('last_seen_up', 'report_count', 'age')
        self.assertEqual(
            {k: v for k, v in before.items() if k not in (*beaten, 'now')},
            {k: v for k, v in after.items() if k not in beaten},
        )

    def test_concurrent_writers_lose_no_beat_and_do_not_deadlock(self) -> None:
        rows = [self.join(f'node{i}') for i in range(20)]
        now = self.now()
        # A deadlock would be retried, so look for errors.
        errors: list[Any] = []
        sa.event.listen(self.db.engine, 'handle_error', errors.append)
        rounds, writers = 10, 4

        def write(offset: int) -> None:
            turned = rows[offset:] + rows[:offset]
            for _ in range(rounds):
                self.write(
                    *(services.Beat(row['id'], 1, now) for row in turned)
                )

        threads = [
            threading.Thread(target=write, args=(5 * i,))
            for i in range(writers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts = {self.read(row['id'])['report_count'] for row in rows}
        self.assertEqual({rounds * writers}, counts)
        self.assertEqual([], errors)


class Message:
    def __init__(self, message: Any) -> None:
        self.message = message


class TestGarbage(TableTest):
    def test_one_bad_beat_does_not_spoil_a_batch(self) -> None:
        row = self.join('node1')
        good = {'id': row['id'], 'incarnation': 1, 'stamp': self.now()}
        values: list[Any]
        values = [None, 'x', '1', 1.5, True, -1, 10**30, [1], {}]
        bad: list[Any] = [
            None,
            'text',
            7,
            {},
            {'payload': None},
            {'payload': []},
            {'payload': 'x'},
            {'payload': {}},
            *(
                {'payload': {**good, name: value}}
                for name in good
                for value in values
            ),
        ]
        writer = self.beat_writer()
        messages = [Message(m) for m in [*bad, {'payload': good}, *bad]]
        self.assertEqual(0, len(writer.dispatch(messages)))
        self.assertEqual(1, self.read(row['id'])['report_count'])
        self.assertEqual(1, writer.written)
        self.assertEqual(2 * len(bad), writer.malformed)
        self.assertEqual(1, self.logged('WARNING Not a beat'))

    def test_beats_of_a_later_release_are_read(self) -> None:
        row = self.join('node1')
        payload = {
            'id': row['id'],
            'incarnation': 1,
            'stamp': self.now(),
            'mood': 'good',
        }
        self.beat_writer().dispatch([Message({'payload': payload})])
        self.assertEqual(1, self.read(row['id'])['report_count'])

    def test_several_beats_of_one_member_are_all_counted(self) -> None:
        row = self.join('node1')
        self.deployment.age(row['id'], 600)
        sent = seen(self.read(row['id']))
        writer = self.beat_writer()
        payload = {'id': row['id'], 'incarnation': 1}
        writer.dispatch(
            [
                Message(
                    {'payload': {**payload, 'stamp': sent + seconds * 10**6}}
                )
                for seconds in (2, 3, 1)
            ]
        )
        after = self.read(row['id'])
        self.assertEqual(3, after['report_count'])
        self.assertEqual(sent + 3 * 10**6, seen(after))


class TestRefused(TableTest):
    def test_a_batch_that_cannot_be_written_is_returned(self) -> None:
        row = self.join('node1')
        payload = {'id': row['id'], 'incarnation': 1, 'stamp': self.now()}
        messages = [Message({'payload': payload})] * 3
        with self.db.writer() as conn:
            conn.exec_driver_sql('ALTER TABLE services RENAME TO elsewhere')
        writer = self.beat_writer(retry_after=0)
        for _ in range(2):
            self.assertEqual(messages, list(writer.dispatch(messages)))
        self.assertRaises(exception.DatabaseUnreachable, self.state.check)
        with self.db.writer() as conn:
            conn.exec_driver_sql('ALTER TABLE elsewhere RENAME TO services')
        self.state.recovered()
        self.assertEqual(0, len(writer.dispatch(messages)))
        self.assertEqual(3, self.read(row['id'])['report_count'])

    def test_conflicts_with_others_give_a_batch_back_for_a_moment(
        self,
    ) -> None:
        row = self.join('node1')
        payload = {'id': row['id'], 'incarnation': 1, 'stamp': self.now()}
        messages = [Message({'payload': payload})]
        writer = self.beat_writer(retry_after=0)
        busy = exception.DatabaseBusy('db', 9, 5.0, 'deadlock')
        with fixtures.MockPatchObject(
            self.db, 'write', mock.Mock(side_effect=busy)
        ):
            self.assertEqual(messages, list(writer.dispatch(messages)))
        self.assertFalse(self.state.is_failed)
        self.assertGreater(writer.unwritten_seconds(), 0)
        self.assertEqual(0, len(writer.dispatch(messages)))


class TestReception(TableTest):
    """The end of an outage, if late beats are written after it."""

    def setUp(self) -> None:
        super().setUp()
        self.row = self.join('node1')
        self.deployment.stop_reception(100)
        self.seconds = 0.0
        self.writer = self.beat_writer(gap=15, monotonic=lambda: self.seconds)

    def beat(self, *ago: int) -> None:
        """Write beats that were sent so many seconds ago, each in a batch."""
        now = self.now()
        for seconds in ago:
            stamp = now - seconds * 10**6
            payload = {'id': self.row['id'], 'incarnation': 1, 'stamp': stamp}
            self.writer.dispatch([Message({'payload': payload})])
            # The next batch is a second later, for the writer.
            self.seconds += 1

    def outage_end(self) -> int:
        """In microseconds since 1970."""
        with self.db.reader() as conn:
            ended = conn.execute(sa.select(models.gaps.c.ended)).scalar_one()
        return clock.to_micros(ended)

    def test_the_outage_ends_when_the_first_late_beat_is_written(self) -> None:
        self.beat(96)
        first_was_written = self.now()
        self.beat(*range(84, -1, -12))
        self.assertLessEqual(self.outage_end(), first_was_written)

    def test_the_outage_ends_later_if_beats_are_missing(self) -> None:
        self.beat(96)
        first_was_written = self.now()
        self.beat(84, 0)
        self.assertGreater(self.outage_end(), first_was_written)


class TestBroker(base.ConductorTest):
    def test_garbage_on_the_queue_is_ignored(self) -> None:
        bus = transports.beat_transport(self.deployment.conf())
        self.addCleanup(bus.cleanup)
        notifier = messaging.Notifier(
            bus,
            publisher_id='stranger',
            driver='messaging',
            topics=[topics.BEATS_TOPIC],
        )
        target = messaging.Target(
            exchange=topics.EXCHANGE,
            topic=f'{topics.BEATS_TOPIC}.info',
        )
        member = self.member()
        notifier.info({}, 'noise', {'a': 1})
        for message in ({'priority': 5}, {}, {'payload': 'x'}):
            bus._send_notification(target, {}, message, version=1.0)
            bus._send_notification(target, {}, message, version=2.0)
        service = member.service
        self.deployment.beat(self.remote, service)
        self.wait_for('a beat', lambda: self.get_service().report_count)
        self.wait_for('garbage', lambda: self.conductor.beats.malformed >= 6)
        self.assertTrue(self.get_service().is_up)


class TestOutage(base.DeploymentTest):
    scenarios = [base.ON_MARIADB]

    def test_no_beat_is_acknowledged_before_it_is_written(self) -> None:
        conductor = self.deployment.conductor()
        remote = self.deployment.remote()
        member = remote.membership('node1', 'acme-worker', 'worker', 1)
        service = member.join()
        # After this, there is only the beat below.
        base.stop_beating(member)
        base.stop_beats_of(conductor)
        self.wait_for(
            'the beats before it',
            lambda: not self.deployment.queue_depth('sgconductor-beats.info'),
        )
        # It may have beaten once before it was stopped.
        service.refresh()
        count, before = service.report_count, conductor.beats.written
        self.server.stop()
        try:
            self.deployment.beat(remote, service)
            self.wait_for(
                'the failure', lambda: self.logged('This conductor takes no')
            )
            self.assertEqual(before, conductor.beats.written)
            self.assertEqual(
                1, self.deployment.queue_depth('sgconductor-beats.info')
            )
        finally:
            self.server.start()
        self.wait_for('the beat', lambda: conductor.beats.written > before)
        self.assertEqual(1, self.logged('This conductor takes no calls'))
        self.assertEqual(1, self.logged('This conductor can write'))
        service.refresh()
        self.assertEqual(count + 1, service.report_count)

    def test_callers_get_an_error_and_members_wait_for_the_database(
        self,
    ) -> None:
        self.deployment.conductor()
        remote = self.deployment.remote()
        waiting = remote.membership('node1', 'acme-worker', 'worker', 1)
        self.addCleanup(waiting.leave)
        self.server.stop()
        try:
            error = self.assertRaises(
                exception.DatabaseUnreachable,
                objects.ServiceList.get_page,
                remote.context(),
            )
            self.assertIn('The database at ', str(error))
            joining = threading.Thread(target=waiting.join)
            joining.start()
            self.wait_for('a warning', lambda: self.logged('Cannot join yet'))
        finally:
            self.server.start()
        joining.join(base.PATIENCE)
        self.assertTrue(waiting.service.is_up)
        self.assertNotIn('Unexpected failure', self.log.output)

    def test_beats_that_cannot_be_written_stay_with_the_broker(self) -> None:
        self.deployment.conductor(conductor__beat_batch_size=2)
        remote = self.deployment.remote()
        member = remote.membership('node1', 'acme-worker', 'worker', 1)
        service = member.join()
        member.stop()
        self.server.stop()
        try:
            for _ in range(30):
                self.deployment.beat(remote, service)
            self.wait_for(
                'the failure', lambda: self.logged('This conductor takes no')
            )
            self.assertLessEqual(
                self.deployment.unacknowledged('sgconductor-beats.info'),
                8,
            )
        finally:
            self.server.start()

    def test_members_and_conductor_survive_a_broker_restart(self) -> None:
        self.deployment.conductor()
        remote = self.deployment.remote()
        member = remote.membership('node1', 'acme-worker', 'worker', 1)
        uuid = member.join().uuid
        self.addCleanup(member.stop)
        self.broker.kill()
        self.broker.start()

        def count() -> int:
            try:
                found = objects.Service.get_by_uuid(remote.context(), uuid)
            except exception.Unreachable:
                return 0
            return int(found.report_count)

        before = self.wait_for('a beat', count)
        self.wait_for('more beats', lambda: count() > before)
