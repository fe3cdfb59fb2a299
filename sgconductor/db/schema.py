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

from sgconductor import exception
from sgconductor.db import database

LOG = logging.getLogger(__name__)

_MYSQL_LOCK = (
    "SELECT GET_LOCK('sgconductor', 600)",
    "SELECT RELEASE_LOCK('sgconductor')",
)
# By dialect: how a sync locks out others, and lets them in again. The number
# is arbitrary.
_LOCKS = {
    'mariadb': _MYSQL_LOCK,
    'mysql': _MYSQL_LOCK,
    'postgresql': (
        'SELECT pg_advisory_lock(7339511)',
        'SELECT pg_advisory_unlock(7339511)',
    ),
}

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
    with db.reader() as conn:
        return _version(conn)


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
    statements = _LOCKS.get(db.engine.dialect.name)
    if statements is None:
        # SQLite: the transaction itself is exclusive.
        yield
        return
    lock, unlock = statements
    with db.reader() as conn:
        conn.execute(sa.text(lock))
        try:
            yield
        finally:
            conn.execute(sa.text(unlock))


def _config() -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option('script_location', str(_MIGRATIONS))
    return config
