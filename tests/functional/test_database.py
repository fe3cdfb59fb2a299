"""Transactions, round trips and packed rows, on every database."""

import datetime
import functools
import threading
from typing import Any

import fixtures
import sqlalchemy as sa
from oslo_utils import uuidutils
from pymysql import connections

from sgconductor.db import database
from sgconductor.db import events
from sgconductor.db import models
from sgconductor.db import services
from tests.functional import base


class TestTwoProcesses(base.DeploymentTest):
    """Several Database objects, which share nothing, as in two processes."""

    def test_concurrent_joins_do_not_fail(self) -> None:
        errors: list[Exception] = []

        def join_many(db: database.Database, prefix: str) -> None:
            try:
                for i in range(40):
                    host = f'{prefix}{i}'
                    db.write(functools.partial(base.join, host=host))
            except Exception as error:
                errors.append(error)

        threads = []
        for prefix in ('a', 'b', 'c'):
            db = database.Database.from_conf(self.deployment.conf())
            self.addCleanup(db.close)
            threads.append(
                threading.Thread(target=join_many, args=(db, prefix))
            )
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)
        with self.deployment.db.reader() as conn:
            self.assertEqual(120, len(services.page(conn, {}, 1000)))


class QueryTest(base.DeploymentTest):
    """Tests of :meth:`sgconductor.db.database.Database.query`."""

    def setUp(self) -> None:
        super().setUp()
        self.db = self.deployment.db

    def session(self, conn: sa.Connection) -> int:
        text = {
            'postgresql': 'SELECT pg_backend_pid()',
            'mysql': 'SELECT connection_id()',
        }[conn.dialect.name]
        return int(conn.exec_driver_sql(text).scalar_one())


class TestRoundTrips(QueryTest):
    # The driver of PostgreSQL is written in C, and cannot be monitored.
    scenarios = [base.ON_MARIADB]

    def sent(self) -> list[Any]:
        """A list that collects the commands sent to the database from now."""
        sent: list[Any] = []
        send = connections.Connection._execute_command

        def count(connection: Any, *command: Any) -> None:
            sent.append(command)
            send(connection, *command)

        self.useFixture(
            fixtures.MonkeyPatch(
                'pymysql.connections.Connection._execute_command', count
            )
        )
        return sent

    def test_a_query_is_one_command(self) -> None:
        self.db.query(self.session)
        sent = self.sent()
        self.db.query(self.session)
        self.assertEqual(1, len(sent), str(sent))

    def test_many_events_are_few_statements(self) -> None:
        """For example when all hosts of a rack go down."""
        with self.db.writer() as conn:
            sent = self.sent()
            event = events.New('service.down', '{}', None, None)
            events.add(conn, [event] * 50)
        self.assertLess(len(sent), 5, str(sent))


class TestQuery(QueryTest):
    scenarios = [base.ON_MARIADB, base.ON_POSTGRESQL]

    def test_a_query_survives_a_broken_connection(self) -> None:
        before = self.db.query(self.session)
        with self.db.writer() as conn:
            kill = {
                'postgresql': f'SELECT pg_terminate_backend({before})',
                'mysql': f'KILL {before}',
            }[conn.dialect.name]
            conn.exec_driver_sql(kill)
        self.assertNotEqual(before, self.db.query(self.session))


class TestPacked(base.DeploymentTest):
    """Packed rows are equal to rows that are read by column."""

    def test_odd_values_are_the_same(self) -> None:
        now = datetime.datetime.now(datetime.UTC)
        odd = ('', 'a "b" \\ c\t\n', "it's", 'ünï \U0001f600 \u2028', None)
        table = models.services
        for i, text in enumerate(odd):
            with self.deployment.db.writer() as conn:
                conn.execute(
                    table.insert().values(
                        uuid=uuidutils.generate_uuid(),
                        host=f'node{i}',
                        binary='acme-worker',
                        topic='worker',
                        availability_zone=text,
                        version=2**31 - 1,
                        incarnation=1,
                        join_token='',
                        report_interval=10,
                        down_after=60,
                        report_count=2**63 - 1,
                        last_seen_up=now.replace(microsecond=i * 100),
                        left_at=now if i % 2 else None,
                        disabled=bool(i % 2),
                        disabled_reason=text,
                        forced_down=not i % 2,
                        quarantined=bool(i % 2),
                        created_at=now.replace(microsecond=0),
                        deleted=0,
                    )
                )
        with self.deployment.db.reader() as conn:
            if conn.dialect.name == 'postgresql':
                conn.execute(sa.text("SET TIME ZONE 'America/New_York'"))
            packed = services.page(conn, {}, 1000)
            plain = conn.execute(sa.select(table).order_by(table.c.id)).all()
        self.assertEqual(len(odd), len(packed))
        for one, other in zip(packed, plain, strict=True):
            for name, found in one.items():
                if name == 'age':
                    continue
                wanted = getattr(other, name)
                if isinstance(wanted, datetime.datetime):
                    wanted = wanted.astimezone(datetime.UTC)
                    wanted = wanted.strftime('%Y-%m-%dT%H:%M:%S.%fZ')
                self.assertEqual(wanted, found, name)
                self.assertIs(type(wanted), type(found))

    def test_many_rows_of_the_greatest_length_are_complete(self) -> None:
        longest = '\U0001f600"' * 127
        now = datetime.datetime.now(datetime.UTC)
        with self.deployment.db.writer() as conn:
            conn.execute(
                models.services.insert(),
                [
                    {
                        'id': 3 * i + 1,
                        'uuid': uuidutils.generate_uuid(),
                        'host': f'{i:0190}',
                        'binary': 'b' * 64,
                        'topic': 't' * 64,
                        'availability_zone': longest,
                        'version': 2**31 - 1,
                        'incarnation': 2**31 - 1,
                        'join_token': '',
                        'report_interval': 2**31 - 1,
                        'down_after': 2**31 - 1,
                        'report_count': 2**63 - 1,
                        'last_seen_up': now,
                        'left_at': now,
                        'joined_at': now,
                        'state': 'down',
                        'state_since': now,
                        'disabled': True,
                        'disabled_reason': longest,
                        'forced_down': True,
                        'quarantined': False,
                        'pin_epoch': 2**63 - 1,
                        'created_at': now,
                        'updated_at': now,
                        'deleted': 0,
                    }
                    for i in range(700)
                ],
            )
        found = self.deployment.db.query(
            lambda conn: services.page(conn, {}, 600, marker=3)
        )
        self.assertEqual(
            [3 * i + 1 for i in range(1, 601)], [row['id'] for row in found]
        )
        self.assertEqual({longest}, {row['disabled_reason'] for row in found})


class TestForgetting(base.DeploymentTest):
    def test_any_number_of_old_events_is_deleted_bit_by_bit(self) -> None:
        """One statement for all of them could take too long."""
        table = models.events
        old = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=2)
        with self.deployment.db.writer() as conn:
            conn.execute(
                table.insert(),
                [
                    {
                        'uuid': uuidutils.generate_uuid(),
                        'type': 'service.up',
                        'at': old,
                        'payload': '{}',
                        'sent_at': old if i else None,
                    }
                    for i in range(2501)
                ],
            )
        more = [self.deployment.db.write(events.forget) for _ in range(3)]
        self.assertEqual([True, True, False], more)
        with self.deployment.db.reader() as conn:
            (left,) = events.page(conn, 0, 10)
        self.assertIsNone(left['sent_at'])
