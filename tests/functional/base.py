"""The base of functional tests."""

from typing import Any

import testresources

from sgconductor import app
from sgconductor import context as sg_context
from sgconductor import objects
from sgconductor.member import Membership
from tests import base
from tests import deployment
from tests import resources

Scenario = tuple[str, dict[str, Any]]

PATIENCE = base.PATIENCE

EMBEDDED: Scenario = ('embedded', {'resources': []})
ON_MARIADB: Scenario = (
    'mariadb',
    {
        'resources': [
            ('broker', resources.RABBITMQ),
            ('server', resources.MARIADB),
        ]
    },
)
ON_POSTGRESQL: Scenario = (
    'postgresql',
    {
        'resources': [
            ('broker', resources.RABBITMQ),
            ('server', resources.POSTGRESQL),
        ]
    },
)


class DeploymentTest(testresources.ResourcedTestCase, base.TestCase):
    """A deployment, of which nothing runs yet; by default on all servers.

    :ivar deployment: see :mod:`tests.deployment`
    :cvar tables: whether it has this release's tables from the start
    """

    scenarios = [EMBEDDED, ON_MARIADB, ON_POSTGRESQL]
    broker: Any = None
    server: Any = None
    tables = True

    def setUp(self) -> None:
        super().setUp()
        self.deployment = self.useFixture(
            deployment.Deployment(self.broker, self.server, self.tables)
        )


class ConductorTest(DeploymentTest):
    """A deployment with a conductor in this process and a way to it."""

    conductor: app.Conductor
    remote: app.Remote

    def setUp(self) -> None:
        super().setUp()
        self.conductor = self.deployment.conductor()
        self.remote = self.deployment.remote()

    @property
    def context(self) -> sg_context.RequestContext:
        """A new remote caller's context."""
        return self.remote.context()

    def member(
        self,
        host: str = 'node1',
        binary: str = 'acme-worker',
        topic: str = 'worker',
        version: int = 1,
        **more: Any,
    ) -> Membership:
        """A member that has joined."""
        membership = self.remote.membership(
            host, binary, topic, version, **more
        )
        membership.join()
        self.addCleanup(membership.stop)
        return membership

    def look(self, host: str = 'node1') -> objects.Service:
        """A worker, as a remote caller sees it now."""
        return objects.Service.get_by_host_and_binary(
            self.context, host, 'acme-worker'
        )
