"""sgconductor-manage db …: the only commands that open the database."""

import argparse
from typing import Any

from cliff import command
from cliff import show

from sgconductor.cmd import manage
from sgconductor.db import database
from sgconductor.db import schema


class Sync(command.Command):
    """Upgrade the database's tables to the schema of this release."""

    app: manage.Manage

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        db = database.Database.from_conf(self.app.conf)
        db.ping()
        before = schema.version(db)
        schema.sync(db)
        self.app.stdout.write(
            f'{db.name}: schema {before or "(none)"} -> {schema.version(db)}\n'
        )


class Version(show.ShowOne):
    """Show the schema of the database, and the one this release needs."""

    app: manage.Manage

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        db = database.Database.from_conf(self.app.conf)
        db.ping()
        return (
            ('database', 'schema', 'needed'),
            (db.name, schema.version(db), schema.wanted()),
        )
