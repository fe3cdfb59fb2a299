"""The base of functional tests."""

import traceback
from typing import Any

import sqlalchemy as sa
import testresources
from oslo_utils import uuidutils

from sgconductor import app
from sgconductor import context as sg_context
from sgconductor import objects
from sgconductor.app import conductor as conductor_app
from sgconductor.conductor import manager
from sgconductor.db import clock
from sgconductor.db import joins as db_joins
from sgconductor.db import services as db_services
from sgconductor.member import Membership
from tests import base
from tests import deployment
from tests import resources

Scenario = tuple[str, dict[str, Any]]

PATIENCE = base.PATIENCE

# Conductors are members too, of this binary.
CONDUCTOR = 'sgconductor-conductor'

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


def services(
    context: sg_context.RequestContext, **filters: Any
) -> list[objects.Service]:
    """All services except conductors, by id.

    :param filters: those of ServiceList.get_page
    """
    found = objects.ServiceList.walk(context, **filters)
    return [service for service in found if service.binary != CONDUCTOR]


def join(
    conn: sa.Connection,
    host: str,
    binary: str = 'acme-worker',
    topic: str = 'worker',
    version: int = 1,
) -> db_services.Row:
    """Add a service to the table, without events, and move no pin."""
    request = db_joins.Join(
        host, binary, uuidutils.generate_uuid(), topic, version, 10, 60
    )
    now = conn.execute(sa.select(clock.utcnow())).scalar_one()
    ((row, *_),) = db_joins.join(conn, [request], now)
    return row


def in_an_rpc_call() -> bool:
    """Whether this thread runs an RPC call.

    Other threads of a conductor send beats, write beats and run sweeps all
    the time.
    """
    return any(
        frame.f_globals['__name__'] == manager.__name__
        for frame, _ in traceback.walk_stack(None)
    )


def stop_beats_of(conductor: conductor_app.Conductor) -> None:
    """Stop the beats of a conductor, which goes on to answer calls."""
    stop_beating(conductor._membership)


def stop_beating(membership: Membership) -> None:
    """Stop a membership, and wait until a beat that has begun is sent."""
    session = membership._session
    membership.stop()
    for task in session.tasks if session else ():
        task.wait(PATIENCE)


# For tests whose statements other tests run on PostgreSQL.
EMBEDDED_AND_MARIADB = [EMBEDDED, ON_MARIADB]


class DeploymentTest(testresources.ResourcedTestCase, base.TestCase):
    """A deployment in which no conductor runs yet; by default on all servers.

    :ivar deployment: see :mod:`tests.deployment`
    :cvar tables: whether setUp makes this release's tables
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
    """A deployment with a conductor in this process, and a remote caller."""

    conductor: conductor_app.Conductor
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

    def get_service(
        self, host: str = 'node1', binary: str = 'acme-worker'
    ) -> objects.Service:
        """A service, as a remote caller gets it now."""
        return objects.Service.get_by_host_and_binary(
            self.context, host, binary
        )

    def services(self, **filters: Any) -> list[objects.Service]:
        """See :func:`services`; called by a remote caller."""
        return services(self.context, **filters)

    def record_statements(self) -> list[str]:
        """Record the SQL that the conductor executes in RPC calls.

        :returns: a list that grows with each statement
        """
        recorded: list[str] = []
        database = self.conductor.backend.db

        def listen(conn: Any, cursor: Any, statement: str, *more: Any) -> None:
            if not statement.startswith('BEGIN') and in_an_rpc_call():
                recorded.append(statement)

        for engine in {database.engine, database.autocommit_engine}:
            sa.event.listen(engine, 'before_cursor_execute', listen)
            self.addCleanup(
                sa.event.remove, engine, 'before_cursor_execute', listen
            )
        return recorded
