"""The migrations, and the check of the schema's version, on every database."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

import fixtures
import sqlalchemy as sa
from oslo_db.sqlalchemy import test_migrations

from sgconductor import exception
from sgconductor.db import database
from sgconductor.db import models
from sgconductor.db import schema
from tests.functional import base


class TestModelsMatchMigrations(
    base.DeploymentTest, test_migrations.ModelsMigrationsSync
):
    def get_engine(self) -> sa.Engine:
        return self.deployment.db.engine

    def get_metadata(self) -> sa.MetaData:
        return models.metadata

    def db_sync(self, engine: sa.Engine) -> None:
        schema.sync(self.deployment.db)

    def include_object(
        self, object_: Any, name: str, type_: str, reflected: bool, to: Any
    ) -> bool:
        return name != 'alembic_version'


class TestWalk(base.DeploymentTest):
    def drop(self) -> None:
        with self.deployment.db.writer() as conn:
            models.metadata.drop_all(conn)
            conn.exec_driver_sql('DROP TABLE alembic_version')

    def test_each_migration_can_be_run_by_itself(self) -> None:
        self.drop()
        self.assertIsNone(schema.version(self.deployment.db))
        for revision in schema.revisions():
            schema.sync(self.deployment.db, revision)
            self.assertEqual(revision, schema.version(self.deployment.db))
        self.assertEqual(schema.wanted(), revision)
        schema.check(self.deployment.db)

    def test_an_empty_database_is_refused_as_too_old(self) -> None:
        self.drop()
        error = self.assertRaises(
            exception.SchemaTooOld, schema.check, self.deployment.db
        )
        self.assertIn('(none)', str(error))
        self.assertIn('sgconductor-manage db sync', str(error))

    def test_a_newer_series_is_refused_and_not_changed(self) -> None:
        with self.deployment.db.writer() as conn:
            conn.exec_driver_sql(
                "UPDATE alembic_version SET version_num = '2_0001'"
            )
        for attempt in (schema.check, schema.sync):
            error = self.assertRaises(
                exception.SchemaTooNew, attempt, self.deployment.db
            )
            self.assertIn('2_0001', str(error))
        self.assertEqual('2_0001', schema.version(self.deployment.db))

    def test_a_newer_revision_of_the_same_series_is_accepted(self) -> None:
        with self.deployment.db.writer() as conn:
            conn.exec_driver_sql(
                "UPDATE alembic_version SET version_num = '1_9999'"
            )
        schema.check(self.deployment.db)
        self.assertEqual(1, self.logged('WARNING The database is at schema'))
        self.assertRaises(
            exception.SchemaTooNew, schema.sync, self.deployment.db
        )

    def test_a_sync_lets_no_other_begin_before_its_commit(self) -> None:
        self.drop()
        first = self.deployment.db.without_timeouts()
        writer = first.writer
        order: list[str] = []

        @contextlib.contextmanager
        def slow() -> Iterator[Any]:
            with writer() as conn:
                order.append('begin')
                yield conn
                # The work is done, and another sync waits.
                other.start()
                other.join(0.2)
            order.append('commit')

        other = threading.Thread(target=self.sync_and_note, args=(order,))
        with (
            mock.patch.object(first, 'writer', slow),
            mock.patch.object(
                self.deployment.db, 'without_timeouts', lambda: first
            ),
        ):
            schema.sync(self.deployment.db)
        other.join()
        self.assertEqual(['begin', 'commit', 'other'], order)

    def sync_and_note(self, order: list[str]) -> None:
        db = database.Database.from_conf(self.deployment.conf())
        try:
            schema.sync(db)
            order.append('other')
        finally:
            db.close()

    def test_concurrent_syncs_succeed(self) -> None:
        self.drop()
        errors: list[Exception] = []

        def sync() -> None:
            db = database.Database.from_conf(self.deployment.conf())
            try:
                schema.sync(db)
            except Exception as error:
                errors.append(error)
            finally:
                db.close()

        threads = [threading.Thread(target=sync) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)
        schema.check(self.deployment.db)


class TestLocks(base.DeploymentTest):
    scenarios = [base.ON_MARIADB]

    def test_syncs_exclude_each_other_without_get_lock(self) -> None:
        """Some servers and proxies do not have it."""
        self.useFixture(
            fixtures.MonkeyPatch(
                'sgconductor.db.schema._MYSQL_LOCK', 'SELECT no_such_lock()'
            )
        )
        db = self.deployment.db.without_timeouts()
        self.addCleanup(db.close)
        done = threading.Event()

        def sync() -> None:
            schema.sync(self.deployment.db)
            done.set()

        other = threading.Thread(target=sync)
        with schema._exclusive(db):
            other.start()
            self.assertFalse(done.wait(0.5))
        other.join()
        self.assertTrue(done.is_set())
