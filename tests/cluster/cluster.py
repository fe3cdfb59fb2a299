"""The interface of a cluster, which the cluster drill puts under load.

To plug in a cluster:

#. Write a subclass of :class:`Cluster`, in ``tests/servers``. It is a fixture:
   ``_setUp`` starts all nodes, and cleanups end them. Servers are started by
   the main thread only, and the drill calls all methods there.
#. Implement the methods that are abstract. Each takes the index of a node. A
   method may block as long as its action takes; the load goes on meanwhile.
#. Say what the cluster is in a deployment: override ``broker`` or
   ``database``, or, for a servicegroup driver, ``options``. What is not
   overridden is a single server that the drill starts.
#. Where the cluster has faults of its own, such as a lost quorum, override
   ``faults`` and add them to those of ``super().faults()``.
#. Name the class in ``tests/cluster/drill.py: CLUSTERS``.
"""

import abc
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import ClassVar
from typing import NamedTuple

import fixtures

from tests.servers import process


class Fault(NamedTuple):
    """A fault of a cluster.

    :ivar name: what happens and to which node, such as 'kill node1'
    :ivar begin: makes the fault; it may block
    :ivar end: takes it back; the drill waits until the cluster is whole then
    """

    name: str
    begin: Callable[[], None]
    end: Callable[[], None]


class Cluster(fixtures.Fixture, abc.ABC):
    """Several servers that act as one.

    :cvar NAME: for messages
    """

    NAME: ClassVar[str]

    @classmethod
    @abc.abstractmethod
    def missing(cls) -> str | None:
        """The first program that is not installed, None if all are."""

    @property
    @abc.abstractmethod
    def names(self) -> Sequence[str]:
        """The names of the nodes, by their indexes."""

    @property
    def broker(self) -> Any:
        """The broker of the deployment, None if it is not this cluster.

        It has the method ``vhost(name)`` of
        :class:`tests.servers.rabbitmq.RabbitMQ`, which returns the URL with
        all nodes.
        """
        return None

    @property
    def database(self) -> Any:
        """The database server of the deployment, None if it is not this.

        It has ``create_database(name)``, which returns the URL that
        conductors use, and ``drop_database(name)``, as
        :class:`tests.servers.mariadb.MariaDB` has.
        """
        return None

    def options(self) -> Mapping[str, Any]:
        """Options of conductors and members, as ``Deployment.conf`` takes
        them: ``group__option=value``.
        """
        return {}

    def conductor_options(self, number: int, url: str) -> Mapping[str, Any]:
        """Options of one conductor, in addition to those of all.

        :param number: of the conductor, from 0
        :param url: of the database, as ``create_database`` has returned it
        """
        return {}

    def more(self) -> str:
        """More text for configuration files, for options of libraries.

        It must set ``amqp_durable_queues`` or quorum queues in
        ``[oslo_messaging_rabbit]``, so that a listener's queue survives.
        """
        return '[oslo_messaging_rabbit]\namqp_durable_queues = true\n'

    def state(self) -> str:
        """How the nodes are, for people."""
        return ''

    def faults(self) -> Sequence[Fault]:
        """The faults of one round, in order.

        By default, each node in turn is killed, stopped, isolated and
        restarted.
        """
        return [
            fault
            for node, name in enumerate(self.names)
            for fault in self.faults_of(node, name)
        ]

    def faults_of(self, node: int, name: str) -> Sequence[Fault]:
        """The faults that every node can have."""
        return [
            Fault(
                f'kill {name}',
                lambda: self.kill(node),
                lambda: self.start(node),
            ),
            Fault(
                f'stop {name}',
                lambda: self.freeze(node),
                lambda: self.thaw(node),
            ),
            Fault(
                f'isolate {name}',
                lambda: self.isolate(node),
                lambda: self.heal(node),
            ),
            Fault(f'restart {name}', lambda: self.restart(node), lambda: None),
        ]

    @abc.abstractmethod
    def kill(self, node: int) -> None:
        """Kill a node with SIGKILL.

        Where somebody has to decide who goes on, as with PostgreSQL, this
        promotes another node. The same holds for ``freeze`` and ``isolate``.
        """

    @abc.abstractmethod
    def start(self, node: int) -> None:
        """Start a node that was killed; it need not be whole at return."""

    @abc.abstractmethod
    def freeze(self, node: int) -> None:
        """Stop a node with SIGSTOP: its connections stay open."""

    @abc.abstractmethod
    def thaw(self, node: int) -> None:
        """Let a stopped node go on."""

    @abc.abstractmethod
    def isolate(self, node: int) -> None:
        """Cut a node off from its peers; clients still reach it."""

    @abc.abstractmethod
    def heal(self, node: int) -> None:
        """Let an isolated node reach its peers again."""

    @abc.abstractmethod
    def restart(self, node: int) -> None:
        """Restart a node in an orderly way, as for an upgrade."""

    @abc.abstractmethod
    def wait_until_whole(self) -> None:
        """Wait until all nodes serve again.

        :raises tests.drills.DrillError: if they do not within a minute or so
        """


class ServerCluster(Cluster):
    """A cluster whose nodes are plain servers: a fault is that of one."""

    @abc.abstractmethod
    def node(self, number: int) -> process.Server:
        """A node, by its index."""

    def kill(self, node: int) -> None:
        self.node(node).kill()

    def start(self, node: int) -> None:
        self.node(node).start()

    def freeze(self, node: int) -> None:
        self.node(node).freeze()

    def thaw(self, node: int) -> None:
        self.node(node).thaw()

    def stop(self, node: int) -> None:
        """End a node in an orderly way."""
        self.node(node).stop()

    def restart(self, node: int) -> None:
        self.stop(node)
        self.start(node)
