"""Resources: the servers that functional tests share, one set per worker.

A test names the servers that it needs in its ``resources`` and calls
``testresources.setUpResources``.  It must leave a server running: each test
gets a vhost or a database of its own, but not a server.
"""

import atexit
import os
import unittest
from typing import Any
from typing import Final
from typing import NoReturn

import fixtures
import testresources

from tests.servers import galera
from tests.servers import mariadb
from tests.servers import memcached
from tests.servers import postgresql
from tests.servers import process
from tests.servers import rabbitmq
from tests.servers import zookeeper

__all__ = [
    'GALERA',
    'MARIADB',
    'MEMCACHED',
    'MEMCACHED_MORE',
    'MEMCACHED_TLS',
    'POSTGRESQL',
    'RABBITMQ',
    'ZOOKEEPER',
]

# NOTE: tools/tally.py looks for this text.
MISSING = 'server missing'


Server = process.Server | galera.Galera


class UnavailableServer:
    """The stand-in for a server that could not be started.

    A test that uses any attribute of it is skipped or fails.  An exception
    of the resource itself would end the whole worker: the suite makes
    resources between tests, where nothing catches it.
    """

    def __init__(self, kind: type[Exception], reason: str) -> None:
        self._kind = kind
        self._reason = reason

    def __getattr__(self, name: str) -> NoReturn:
        raise self._kind(self._reason)


class ServerResource(testresources.FixtureResource):
    """A server that starts when a test first needs it and then runs on.

    By default, testresources ends a resource as soon as the next test does
    not need it.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._made: Server | UnavailableServer | None = None

    def make(
        self, dependency_resources: dict[str, Any]
    ) -> Server | UnavailableServer:
        if self._made is None:
            self._made = self._start(self.fixture)
        return self._made

    def clean(self, resource: Any) -> None:
        """Do nothing: the server ends with the worker."""

    def isDirty(self) -> bool:
        return False

    def _reset(self, resource: Any, dependency_resources: Any) -> Any:
        return resource

    def _start(self, server: Server) -> Server | UnavailableServer:
        missing = server.missing()
        if missing is not None:
            # NOTE: a CI whose image lost a server must not look green.
            strict = os.environ.get('CI') == 'true'
            return UnavailableServer(
                AssertionError if strict else unittest.SkipTest,
                f'{MISSING}: {server.NAME} ({missing})',
            )
        try:
            server.setUp()
        except fixtures.MultipleExceptions as error:
            (_, cause, _), *_ = error.args
            return UnavailableServer(RuntimeError, str(cause))
        atexit.register(_clean_up, server, os.getpid())
        return server


class ClusterResource(ServerResource):
    """A cluster, which ends with the last test in a row that needs it."""

    def clean(self, resource: Any) -> None:
        if self._made is not None and resource is self.fixture:
            self._made = None
            resource.cleanUp()


def _clean_up(server: Server, owner: int) -> None:
    # NOTE: a forked child runs this too when it exits.
    if os.getpid() == owner:
        server.cleanUp()


RABBITMQ: Final = ServerResource(rabbitmq.RabbitMQ())
MARIADB: Final = ServerResource(mariadb.MariaDB())
POSTGRESQL: Final = ServerResource(postgresql.PostgreSQL())
MEMCACHED: Final = ServerResource(memcached.Memcached())
MEMCACHED_MORE: Final = tuple(
    ServerResource(memcached.Memcached()) for _ in range(2)
)
MEMCACHED_TLS: Final = ServerResource(memcached.SecureMemcached())
ZOOKEEPER: Final = ServerResource(zookeeper.ZooKeeper())
GALERA: Final = ClusterResource(galera.Galera(suspect=2.0))
