"""Servers that are away, half-dead or in a state that was not expected."""

import contextlib
import secrets
import subprocess
import threading
import time
import unittest
from collections.abc import Callable
from concurrent import futures
from typing import Any

import fixtures
import sqlalchemy as sa
from oslo_db import exception as db_exc
from pymysql import connections

from sgconductor import exception
from sgconductor import objects
from sgconductor.app import local as local_app
from sgconductor.db import database
from sgconductor.db import events
from sgconductor.db import models
from sgconductor.db import services
from tests import resources
from tests.functional import base
from tests.servers import postgresql
from tests.servers import process
from tests.servers import proxy

TIMEOUT = 1.0
# What a busy machine may take longer.
SLACK = 2.0

# Without a broker.
MARIADB: base.Scenario = (
    'mariadb',
    {'resources': [('server', resources.MARIADB)]},
)
POSTGRESQL: base.Scenario = (
    'postgresql',
    {'resources': [('server', resources.POSTGRESQL)]},
)


def select(conn: sa.Connection) -> int:
    return int(conn.execute(sa.select(1)).scalar_one())


def change(conn: sa.Connection) -> int:
    """Write the one row of the roster."""
    table = models.roster
    return conn.execute(table.update().values(changes=0)).rowcount


class FaultTest(base.DeploymentTest):
    """A database behind a proxy.

    :ivar db: reaches it through the proxy
    """

    scenarios = [MARIADB, POSTGRESQL]

    def setUp(self) -> None:
        super().setUp()
        self.proxy = self.useFixture(
            proxy.Proxy(process.LOOPBACK, self.server.port)
        )
        self.db = self.open(TIMEOUT)

    def open(
        self, timeout: float | None, user: str | None = None
    ) -> database.Database:
        url = sa.make_url(self.deployment.url).set(port=self.proxy.port)
        if user is not None:
            url = url.set(username=user)
        db = database.Database(
            url.render_as_string(hide_password=False), timeout
        )
        self.addCleanup(db.close)
        return db

    @property
    def on_mariadb(self) -> bool:
        return self.db.engine.dialect.name == 'mysql'

    def administer(self, *statements: str) -> None:
        """Run statements as the server's administrator."""
        with self.deployment.db.autocommit_engine.connect() as conn:
            for statement in statements:
                conn.exec_driver_sql(statement)

    def user(self, limit: str = '') -> str:
        """A new user that is no administrator.

        :param limit: SQL that limits its connections
        """
        name = f'u{self.server.port}{time.monotonic_ns() % 10**6}'
        database_name = sa.make_url(self.deployment.url).database
        if self.on_mariadb:
            self.administer(
                f'CREATE USER {name} {limit}',
                f'GRANT ALL ON {database_name}.* TO {name}',
            )
            self.addCleanup(self.administer, f'DROP USER {name}')
        else:
            self.administer(
                f'CREATE ROLE {name} LOGIN {limit}',
                f'GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}',
            )
            self.addCleanup(
                self.administer, f'DROP OWNED BY {name}', f'DROP ROLE {name}'
            )
        return name

    def session(self, conn: sa.Connection) -> int:
        text = 'connection_id()' if self.on_mariadb else 'pg_backend_pid()'
        return int(conn.exec_driver_sql(f'SELECT {text}').scalar_one())

    def sleep(self, conn: sa.Connection, seconds: float) -> None:
        name = 'sleep' if self.on_mariadb else 'pg_sleep'
        conn.exec_driver_sql(f'SELECT {name}({seconds})')


class TestTimeouts(FaultTest):
    """Every operation ends in time, and the next one after it is well."""

    def operations(self) -> list[Callable[[], Any]]:
        return [
            lambda: self.db.write(change),
            lambda: self.db.query(select),
            self.read,
        ]

    def read(self) -> int:
        with self.db.reader() as conn:
            return select(conn)

    def outcome(self, operation: Callable[[], Any]) -> tuple[Any, float]:
        """The result of an operation or its error, and how long it took."""
        began = time.monotonic()
        try:
            result = operation()
        except exception.DatabaseUnreachable as error:
            result = error
        return result, time.monotonic() - began

    def run_all(self) -> list[tuple[Any, float]]:
        with futures.ThreadPoolExecutor() as pool:
            return list(pool.map(self.outcome, self.operations()))

    def check_away(
        self, begin: Callable[[], None], end: Callable[[], None]
    ) -> None:
        self.assertEqual([1] * 3, [result for result, _ in self.run_all()])
        begin()
        try:
            for _ in range(2):
                for result, took in self.run_all():
                    self.assertIsInstance(
                        result, exception.DatabaseUnreachable
                    )
                    self.assertLess(took, 2 * TIMEOUT + SLACK)
        finally:
            end()
        self.assertEqual([1] * 3, [result for result, _ in self.run_all()])

    def test_a_server_that_is_stopped(self) -> None:
        self.check_away(self.server.freeze, self.server.thaw)

    def test_a_network_that_drops_packets(self) -> None:
        self.check_away(self.proxy.freeze, self.proxy.heal)

    def test_a_server_that_is_refused(self) -> None:
        self.check_away(self.proxy.refuse, self.proxy.heal)

    def test_a_server_whose_each_answer_is_slow(self) -> None:
        """No single answer takes too long, but all together do."""
        self.assertEqual(1, self.db.write(change))
        self.proxy.delay(0.4 * TIMEOUT)
        for _ in range(2):
            result, took = self.outcome(lambda: self.db.write(change))
            self.assertIsInstance(result, exception.DatabaseUnreachable)
            self.assertLess(took, 2 * TIMEOUT + SLACK)
        self.proxy.heal()
        self.assertEqual(1, self.db.write(change))

    def test_connections_that_are_dead_without_a_word(self) -> None:
        self.run_all()
        self.proxy.freeze(new=False)
        for result, took in self.run_all():
            self.assertIsInstance(result, exception.DatabaseUnreachable)
            self.assertLess(took, 2 * TIMEOUT + SLACK)
        self.assertEqual([1] * 3, [result for result, _ in self.run_all()])

    def test_migrations_may_take_longer(self) -> None:
        db = self.db.without_timeouts()
        self.addCleanup(db.close)
        db.write(lambda conn: self.sleep(conn, 1.2 * TIMEOUT))

    def test_the_server_gives_up_what_nobody_waits_for(self) -> None:
        """A process that is stopped in a transaction keeps no locks."""
        other = self.open(10 * TIMEOUT)
        with self.db.engine.connect() as stopped:
            change(stopped)
            self.assertEqual(1, other.write(change))
            stopped.invalidate()


class TestWrongServer(FaultTest):
    """A live connection leads to a server that does not write."""

    def test_another_connection_is_taken(self) -> None:
        before = self.db.write(self.session)
        text = (
            'SET SESSION TRANSACTION READ ONLY'
            if self.on_mariadb
            else 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY'
        )
        self.db.write(lambda conn: conn.exec_driver_sql(text))
        self.assertEqual(1, self.db.write(change))
        self.assertNotEqual(before, self.db.write(self.session))


class TestReadOnlyServer(FaultTest):
    # PostgreSQL has no such switch for a server that runs.
    scenarios = [MARIADB]

    def test_a_write_waits_for_a_switch_over(self) -> None:
        db = self.open(TIMEOUT, self.user())
        db.write(change)
        self.addCleanup(self.administer, 'SET GLOBAL read_only = 0')
        self.administer('SET GLOBAL read_only = 1')
        tries: list[int] = []

        def work(conn: sa.Connection) -> int:
            tries.append(self.session(conn))
            if len(tries) == 3:
                self.administer('SET GLOBAL read_only = 0')
            return change(conn)

        db.write(work)
        self.assertEqual(3, len(set(tries)))

    def test_a_server_that_stays_read_only_is_unreachable(self) -> None:
        db = self.open(5 * TIMEOUT, self.user())
        self.addCleanup(self.administer, 'SET GLOBAL read_only = 0')
        self.administer('SET GLOBAL read_only = 1')
        began = time.monotonic()
        error = self.assertRaises(
            exception.DatabaseUnreachable, db.write, change
        )
        self.assertIn('read-only', str(error))
        self.assertLess(time.monotonic() - began, 1 + SLACK)


class TestLostConnections(FaultTest):
    def test_work_is_done_again_if_nothing_was_committed(self) -> None:
        tries: list[int] = []

        def work(conn: sa.Connection) -> int:
            tries.append(change(conn))
            if len(tries) == 1:
                self.proxy.cut()
            return change(conn)

        self.assertEqual(1, self.db.write(work))
        self.assertEqual([1, 1], tries)

    def test_a_read_is_done_again(self) -> None:
        tries: list[int] = []

        def read(conn: sa.Connection) -> int:
            tries.append(select(conn))
            if len(tries) == 1:
                self.proxy.cut()
            return select(conn)

        self.assertEqual(1, self.db.query(read))
        self.assertEqual([1, 1], tries)

    def lose_answers(self) -> None:
        self.proxy.cut()
        self.proxy.heal()

    def test_work_is_not_done_again_after_a_commit_without_answer(
        self,
    ) -> None:
        cut = threading.Timer(0.2, self.lose_answers)
        self.addCleanup(cut.join)
        tries: list[int] = []

        def work(conn: sa.Connection) -> None:
            tries.append(change(conn))
            self.proxy.freeze(to_server=False)
            # So early that there is time for another attempt.
            if len(tries) == 1:
                cut.start()

        self.assertRaises(exception.DatabaseUnreachable, self.db.write, work)
        self.assertEqual(1, len(tries))


class TestConductorReads(FaultTest):
    """What a conductor reads while connections that seemed well are lost."""

    def setUp(self) -> None:
        super().setUp()
        url = sa.make_url(self.deployment.url).set(port=self.proxy.port)
        conf = self.deployment.conf(
            database__connection=url.render_as_string(hide_password=False)
        )
        self.conductor = local_app.Local(conf)
        self.addCleanup(self.conductor.close)

    def lose_next(self) -> None:
        """Have the next statement, which follows any ping, find no server."""
        db = self.conductor._db
        cut: list[str] = []

        def listen(_conn: Any, _cursor: Any, text: str, *_more: Any) -> None:
            if not cut:
                cut.append(text)
                self.proxy.cut()

        for engine in (db.engine, db.autocommit_engine):
            sa.event.listen(engine, 'before_cursor_execute', listen)
            self.addCleanup(
                sa.event.remove, engine, 'before_cursor_execute', listen
            )

    def test_each_goes_on_over_another_connection(self) -> None:
        context = self.conductor.context()
        reads: list[Callable[[], Any]] = [
            self.conductor.now,
            lambda: objects.PinList.get_all(context),
            lambda: objects.PinList.what_if(context, []),
            lambda: objects.EventList.get_page(context),
            lambda: objects.ServiceList.get_page(context),
            lambda: objects.ServiceList.get_oldest(context, 'acme-worker'),
            lambda: objects.ServiceList.get_lagging(context, 1),
            lambda: objects.ServiceList.compare(context),
        ]
        for read in reads:
            read()
            self.lose_next()
            read()


class TestLimits(FaultTest):
    def test_connections_that_are_used_up_are_waited_for_by_no_call(
        self,
    ) -> None:
        limit = (
            'WITH MAX_USER_CONNECTIONS 1'
            if self.on_mariadb
            else 'CONNECTION LIMIT 1'
        )
        user = self.user(limit)
        first, second = self.open(TIMEOUT, user), self.open(TIMEOUT, user)
        first.write(change)
        self.assertRaises(exception.DatabaseUnreachable, second.write, change)
        first.close()
        self.wait_for('a connection', lambda: self.try_write(second))

    def try_write(self, db: database.Database) -> bool:
        try:
            return db.write(change) == 1
        except exception.DatabaseUnreachable:
            return False

    def test_a_pool_that_is_used_up_is_not_waited_for_long(self) -> None:
        conf = self.deployment.conf(
            conductor__database_timeout=TIMEOUT,
            database__max_pool_size=1,
            database__max_overflow=0,
        )
        db = database.Database.from_conf(conf)
        self.addCleanup(db.close)
        began = time.monotonic()
        with db.reader():
            self.assertRaises(exception.DatabaseUnreachable, db.write, change)
        self.assertLess(time.monotonic() - began, 2 * TIMEOUT + SLACK)


class TestConflicts(FaultTest):
    def test_conflicts_that_do_not_end_are_an_error_of_their_own(
        self,
    ) -> None:
        db = self.open(2.5)
        holder = self.open(10)
        with holder.engine.connect() as other:
            change(other)
            error = self.assertRaises(exception.DatabaseBusy, db.write, change)
            other.rollback()
        self.assertIn('nothing was changed', str(error))
        self.assertGreater(error.args[1], 1)
        self.assertEqual(1, db.write(change))

    def test_an_error_in_a_statement_is_no_outage(self) -> None:
        self.assertRaises(
            (sa.exc.OperationalError, db_exc.DBError),
            self.db.write,
            lambda conn: conn.exec_driver_sql('SELECT x FROM roster'),
        )


class TestIsolation(FaultTest):
    """The server's default is another isolation than READ COMMITTED."""

    def setUp(self) -> None:
        super().setUp()
        if self.on_mariadb:
            self.addCleanup(
                self.administer, "SET GLOBAL tx_isolation = 'REPEATABLE-READ'"
            )
            self.administer("SET GLOBAL tx_isolation = 'SERIALIZABLE'")
        else:
            name = sa.make_url(self.deployment.url).database
            self.administer(
                f'ALTER DATABASE {name} SET default_transaction_isolation '
                f"= 'serializable'"
            )

    def test_concurrent_edits_do_not_fail(self) -> None:
        db = self.open(5.0)
        row = db.write(lambda conn: base.join(conn, 'node1'))

        def edit(i: int) -> None:
            def work(conn: sa.Connection) -> None:
                locked = services.lock(conn, row['uuid'])
                assert locked is not None
                text = str(int(locked['disabled_reason'] or 0) + 1)
                services.save(conn, row['uuid'], {'disabled_reason': text})

            db.write(work)

        with futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(edit, range(40)))
        after = db.query(lambda conn: services.get(conn, uuid=row['uuid']))
        assert after is not None
        self.assertEqual('40', after['disabled_reason'])

    def test_a_transaction_sees_what_others_commit(self) -> None:
        with self.db.reader() as conn:
            seen = services.page(conn, {}, 10)
            self.deployment.db.write(lambda other: base.join(other, 'node1'))
            self.assertEqual(len(seen) + 1, len(services.page(conn, {}, 10)))


class SmallPostgreSQL(postgresql.PostgreSQL):
    """A server whose disk can be filled: it is a small one in memory."""

    def _initialise(self) -> None:
        done = subprocess.run(
            [
                *('mount', '-t', 'tmpfs', '-o', 'size=90m,mode=777'),
                *('sgconductor', str(self.directory)),
            ],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise unittest.SkipTest(f'cannot mount: {done.stderr.strip()}')
        self.addCleanup(
            subprocess.run, ['umount', '-l', str(self.directory)], check=True
        )
        super()._initialise()


class TestFullDisk(base.DeploymentTest):
    scenarios = [('postgresql', {'resources': []})]

    def setUp(self) -> None:
        missing = postgresql.PostgreSQL.missing()
        if missing is not None:
            self.skipTest(f'{resources.MISSING}: {missing}')
        self.server = SmallPostgreSQL()
        try:
            self.server.setUp()
        except fixtures.MultipleExceptions as error:
            (_, cause, _), *_ = error.args
            raise cause from None
        self.addCleanup(self.server.cleanUp)
        super().setUp()

    def test_writes_fail_while_the_disk_is_full_and_only_then(self) -> None:
        db = self.deployment.db
        filler = self.server.directory / 'filler'
        with contextlib.suppress(OSError), filler.open('wb') as file:
            while True:
                file.write(bytes(65536))
                file.flush()
        error = self.assertRaises(
            exception.DatabaseUnreachable, db.write, self.fill
        )
        self.assertIn('No space left', str(error))
        filler.unlink()
        db.write(self.fill)

    def fill(self, conn: sa.Connection) -> None:
        """Write a few megabytes."""
        noise = [secrets.token_hex(10_000) for _ in range(200)]
        events.add(
            conn,
            [events.New('service.up', each, None, None) for each in noise],
        )


class TestHotPath(FaultTest):
    # The driver of PostgreSQL is written in C, and cannot be monitored.
    scenarios = [MARIADB]

    def test_timeouts_cost_a_batch_of_beats_no_command(self) -> None:
        row = self.db.write(lambda conn: base.join(conn, 'node1'))
        beat = services.Beat(row['id'], 1, 1)
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
        self.db.write(lambda conn: services.beat_many(conn, [beat]))
        # A ping, the UPDATE, COMMIT, and the pool's ROLLBACK.
        self.assertEqual(4, len(sent), str(sent))

    def test_a_watch_needs_no_thread_once_all_is_quiet(self) -> None:
        self.db.write(change)
        self.wait_for(
            'the end of the thread',
            lambda: (
                not any(
                    thread.name == 'database watchdog'
                    for thread in threading.enumerate()
                )
            ),
        )
