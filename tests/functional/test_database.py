"""What the databases do alike: transactions in each other's way, and rows."""

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
    """Two of them, as far as the database can tell: nothing is shared."""

    def test_neither_fails_for_the_other(self) -> None:
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


class LookTest(base.DeploymentTest):
    """One SELECT is one way to the database and back."""

    def setUp(self) -> None:
        super().setUp()
        self.db = self.deployment.db

    def session(self, conn: sa.Connection) -> int:
        text = {
            'postgresql': 'SELECT pg_backend_pid()',
            'mysql': 'SELECT connection_id()',
        }[conn.dialect.name]
        return int(conn.exec_driver_sql(text).scalar_one())


class TestWay(LookTest):
    # The driver of PostgreSQL is written in C, and cannot be listened to.
    scenarios = [base.ON_MARIADB]

    def sent(self) -> list[Any]:
        """A list that gets what is sent to a database from now on."""
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

    def test_nothing_goes_before_or_after_it(self) -> None:
        self.db.query(self.session)
        sent = self.sent()
        self.db.query(self.session)
        self.assertEqual(1, len(sent), str(sent))

    def test_many_events_are_few_statements(self) -> None:
        """As when all hosts of a rack go down."""
        with self.db.writer() as conn:
            sent = self.sent()
            event = events.New('service.down', '{}', None, None)
            events.add(conn, [event] * 50)
        self.assertLess(len(sent), 5, str(sent))


class TestLook(LookTest):
    scenarios = [base.ON_MARIADB, base.ON_POSTGRESQL]

    def test_it_outlives_its_connection(self) -> None:
        before = self.db.query(self.session)
        with self.db.writer() as conn:
            kill = {
                'postgresql': f'SELECT pg_terminate_backend({before})',
                'mysql': f'KILL {before}',
            }[conn.dialect.name]
            conn.exec_driver_sql(kill)
        self.assertNotEqual(before, self.db.query(self.session))


class TestPacked(base.DeploymentTest):
    """Rows that the database packs are those that it would give by column."""

    def test_they_are_the_same(self) -> None:
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
            for name in one.keys() - {'age'}:
                wanted = getattr(other, name)
                if isinstance(wanted, datetime.datetime):
                    wanted = wanted.astimezone(datetime.UTC)
                    wanted = wanted.strftime('%Y-%m-%dT%H:%M:%S.%fZ')
                self.assertEqual(wanted, one[name], name)
                self.assertIs(type(wanted), type(one[name]))

    def test_rows_of_any_number_and_length_are_all_there(self) -> None:
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
