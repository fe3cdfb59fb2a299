"""The peer: one worker of nova-conductor, in an environment of its own."""

import pathlib
import subprocess
from typing import Any

from benchmarks import process
from benchmarks import sides
from benchmarks import tables
from tests.servers import mariadb
from tests.servers import rabbitmq

# What an operator has to set, and what nova-conductor needs to start without
# the rest of a cloud. No service is down within a run, as on our side.
_CONFIGURATION = """\
[DEFAULT]
transport_url = {transport_url}
host = conductor1
my_ip = 127.0.0.1
state_path = {directory}
rpc_response_timeout = 120
service_down_time = 86400
[database]
connection = {connection}
[api_database]
connection = {api_connection}
[conductor]
workers = 1
[oslo_concurrency]
lock_path = {directory}
[placement]
auth_type = none
endpoint_override = http://127.0.0.1:9
"""


class Peer(sides.Side):
    """Nova's side.

    :cvar QUEUE: the queue of its calls, which its beats are too
    :cvar EXCHANGE: the exchange of that queue
    :param bin_: the bin of the environment that has Nova
    """

    NAME = 'peer'
    DRIVER = 'benchmarks.drive_peer'
    QUEUE = 'conductor'
    QUEUES = (QUEUE,)
    EXCHANGE = 'nova'

    def __init__(
        self,
        broker: rabbitmq.RabbitMQ,
        directory: pathlib.Path,
        server: mariadb.MariaDB,
        bin_: pathlib.Path,
    ) -> None:
        super().__init__(broker, directory)
        self.python = str(bin_ / 'python')
        self._bin = bin_
        self._server = server
        self.database = ''
        self._api_database = ''
        self._version = 0

    def version(self) -> str:
        """The version of Nova."""
        return self._evaluate(_RELEASE).strip()

    def _prepare(
        self, url: str, rows: int, **more: Any
    ) -> tuple[list[str], str]:
        new = not self.database
        if new:
            self.database = self._server.create_database('nova')
            self._api_database = self._server.create_database('nova_api')
        config = self._directory / 'nova.conf'
        config.write_text(
            _CONFIGURATION.format(
                transport_url=url,
                connection=self.database,
                api_connection=self._api_database,
                directory=self._directory,
            )
        )
        options = ['--config-file', str(config)]
        if new:
            self._manage(*options, 'api_db', 'sync')
            self._manage(*options, 'db', 'sync', '--local_cell')
            self._version = int(self._evaluate(_SERVICE_VERSION))
        tables.fill_nova(self.database, rows, self._version)
        return [str(self._bin / 'nova-conductor'), *options], str(config)

    def _manage(self, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / 'nova-manage', *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise process.BenchmarkError(
                f'nova-manage failed:\n{done.stdout}{done.stderr}'
            )

    def _evaluate(self, code: str) -> str:
        """Run Python code in the environment of Nova; return its output."""
        return subprocess.run(
            [self.python, '-c', code],
            capture_output=True,
            text=True,
            check=True,
        ).stdout


_SERVICE_VERSION = (
    'from nova import monkey_patch; '
    'monkey_patch.patch(backend="threading"); '
    'from nova.objects import service; print(service.SERVICE_VERSION)'
)
_RELEASE = 'from importlib import metadata; print(metadata.version("nova"))'
