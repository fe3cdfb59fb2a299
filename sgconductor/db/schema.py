"""The schema's version: bringing it up to date, and checking that it is."""

import pathlib

import alembic.command
import alembic.config
import alembic.migration
import alembic.script
import alembic.util

from sgconductor import exception
from sgconductor.db import database

_MIGRATIONS = pathlib.Path(__file__).parent / 'migrations'


def sync(db: database.Database, revision: str = 'head') -> None:
    """Run the migrations up to a revision; those already run are left alone.

    :raises SchemaTooNew: if a newer release has been here; nothing is changed
    """
    _known(db)
    with db.writer() as conn:
        config = _config()
        config.attributes['connection'] = conn
        alembic.command.upgrade(config, revision)


def version(db: database.Database) -> str | None:
    """The database's revision, or None for an empty database."""
    with db.reader() as conn:
        context = alembic.migration.MigrationContext.configure(conn)
        return context.get_current_revision()


def wanted() -> str:
    """The revision that this release needs."""
    head = alembic.script.ScriptDirectory.from_config(
        _config()
    ).get_current_head()
    assert head is not None
    return head


def revisions() -> list[str]:
    """All revisions that this release knows, oldest first."""
    scripts = alembic.script.ScriptDirectory.from_config(_config())
    return [script.revision for script in scripts.walk_revisions()][::-1]


def check(db: database.Database) -> None:
    """Refuse tables that are not this release's.

    :raises SchemaTooOld: naming the command to run
    :raises SchemaTooNew: naming both revisions
    """
    found = _known(db)
    if found != wanted():
        raise exception.SchemaTooOld(found, wanted())


def _known(db: database.Database) -> str | None:
    found = version(db)
    if found is not None:
        try:
            alembic.script.ScriptDirectory.from_config(_config()).get_revision(
                found
            )
        except alembic.util.CommandError:
            raise exception.SchemaTooNew(found, wanted()) from None
    return found


def _config() -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option('script_location', str(_MIGRATIONS))
    return config
