"""Our side: one worker of sgconductor-conductor."""

import pathlib
import sys
from typing import Any

from benchmarks import sides
from benchmarks import tables
from sgconductor.db import database
from sgconductor.db import schema
from sgconductor.messaging import topics
from tests.servers import mariadb
from tests.servers import postgresql
from tests.servers import rabbitmq

_BIN = pathlib.Path(sys.executable).parent
# Seconds: so long that no service of the filled table is down within a run.
FOR_EVER = 86400

# Only what an operator has to set.
_CONFIGURATION = """\
[DEFAULT]
transport_url = {transport_url}
[database]
connection = {connection}
[conductor]
host = conductor1
workers = 1
"""


class Ours(sides.Side):
    NAME = 'ours'
    DRIVER = 'benchmarks.drive_ours'
    QUEUES = (topics.RPC_TOPIC, f'{topics.BEATS_TOPIC}.info')

    def __init__(
        self,
        broker: rabbitmq.RabbitMQ,
        directory: pathlib.Path,
        server: mariadb.MariaDB | postgresql.PostgreSQL,
    ) -> None:
        super().__init__(broker, directory)
        self._server = server
        self.database = ''

    def _prepare(
        self, url: str, rows: int, **more: Any
    ) -> tuple[list[str], str]:
        if self.database:
            self._server.drop_database(f'ours{self._made - 1}')
        self.database = self._server.create_database(f'ours{self._made}')
        config = self._directory / 'conductor.conf'
        config.write_text(
            _CONFIGURATION.format(
                transport_url=url, connection=self.database
            ).replace('$', '$$')
        )
        db = database.Database(self.database)
        schema.sync(db)
        db.close()
        tables.fill(self.database, rows, more.get('down_after', FOR_EVER))
        command = [str(_BIN / 'sgconductor-conductor')]
        return [*command, '--config-file', str(config)], url
