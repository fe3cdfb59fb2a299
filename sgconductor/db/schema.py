"""The version of the schema: upgrading it, and checking it.

A revision is named ``SERIES_NUMBER``. Within a series, a migration adds only
what an older release can ignore, so that conductors of that release keep
working, and can be restarted, during an upgrade.
"""

import contextlib
import logging
import pathlib
from collections.abc import Iterator

import alembic.command
import alembic.config
import alembic.migration
import alembic.script
import sqlalchemy as sa
from oslo_db import exception as db_exc

from sgconductor import exception
from sgconductor.db import database
from sgconductor.db import error_kinds

LOG = logging.getLogger(__name__)

# In seconds.
_LOCK_TIMEOUT = 600
_MYSQL_LOCK = f"SELECT GET_LOCK('sgconductor', {_LOCK_TIMEOUT})"
# The number is arbitrary.
_POSTGRESQL_LOCK = 'SELECT pg_advisory_lock(7339511)'
# For servers and proxies without GET_LOCK.
_LOCK_TABLE = (
    'CREATE TABLE IF NOT EXISTS schema_lock '
    '(id INT PRIMARY KEY) ENGINE = InnoDB',
    'INSERT IGNORE INTO schema_lock VALUES (1)',
    f'SET SESSION innodb_lock_wait_timeout = {_LOCK_TIMEOUT}',
    'COMMIT',
    'SELECT id FROM schema_lock FOR UPDATE',
)

_MIGRATIONS = pathlib.Path(__file__).parent / 'migrations'


def sync(db: database.Database, revision: str = 'head') -> None:
    """Run the migrations up to a revision that have not been run yet.

    :raises SchemaTooNew: if the database has a revision that this release
        does not know; nothing is changed then
    """
    db = db.without_timeouts()
    try:
        _sync(db, revision)
    finally:
        db.close()


def _sync(db: database.Database, revision: str) -> None:
    with _exclusive(db), db.writer() as conn:
        found = _version(conn)
        if found is not None and found not in revisions():
            raise exception.SchemaTooNew(found, wanted())
        config = _config()
        config.attributes['connection'] = conn
        alembic.command.upgrade(config, revision)


def version(db: database.Database) -> str | None:
    """The database's revision, or None for an empty database."""
    return db.query(_version)


def wanted() -> str:
    """The revision that this release needs."""
    return revisions()[-1]


def revisions() -> list[str]:
    """All revisions that this release knows, oldest first."""
    scripts = alembic.script.ScriptDirectory.from_config(_config())
    return [script.revision for script in scripts.walk_revisions()][::-1]


def check(db: database.Database) -> None:
    """Check that this release can work with the tables.

    :raises SchemaTooOld: with the command to run
    :raises SchemaTooNew: for a newer series, with both revisions
    """
    found = version(db)
    if found == wanted():
        return
    if found is None or found in revisions():
        raise exception.SchemaTooOld(found, wanted())
    if _series(found) != _series(wanted()):
        raise exception.SchemaTooNew(found, wanted())
    LOG.warning(
        'The database is at schema %s, newer than the %s of this release, '
        'which can work with it: upgrade this conductor when you can.',
        found,
        wanted(),
    )


def _version(conn: sa.Connection) -> str | None:
    context = alembic.migration.MigrationContext.configure(conn)
    return context.get_current_revision()


def _series(revision: str) -> str:
    return revision.partition('_')[0]


@contextlib.contextmanager
def _exclusive(db: database.Database) -> Iterator[None]:
    """Serialize syncs that run at the same time.

    The lock is that of another connection: a sync must not release it before
    its own transaction, with the new revision, is committed.
    """
    if db.engine.dialect.name == 'sqlite':
        # The transaction itself is exclusive.
        yield
        return
    with db.reader() as conn:
        if db.engine.dialect.name == 'postgresql':
            conn.execute(sa.text(_POSTGRESQL_LOCK))
        else:
            _lock_mysql(conn, db.name)
        try:
            yield
        finally:
            # The end of the session gives up any lock.
            conn.invalidate()


def _lock_mysql(conn: sa.Connection, name: str) -> None:
    """Take the lock of a sync on MariaDB or MySQL.

    :param name: of the database, for people
    :raises DatabaseBusy: if another sync has it for too long
    """
    try:
        got = conn.execute(sa.text(_MYSQL_LOCK)).scalar_one()
    except (sa.exc.DBAPIError, db_exc.DBError) as error:
        if error_kinds.kind(error) is error_kinds.Kind.LOST:
            raise
        LOG.info('There is no GET_LOCK (%s); locking a row instead.', error)
        got = None
    if got is None:
        conn.rollback()
        for statement in _LOCK_TABLE:
            conn.execute(sa.text(statement))
    elif not got:
        raise exception.DatabaseBusy(
            name, 1, _LOCK_TIMEOUT, 'another db sync is running'
        )


def _config() -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option('script_location', str(_MIGRATIONS))
    return config
