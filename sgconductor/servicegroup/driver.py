"""What a liveness backend must do.

A driver is an entry point of the group ``sgconductor.servicegroup`` whose
object is called with the configuration and returns a :class:`Driver`.
"""

import abc
import dataclasses
from collections.abc import Collection
from collections.abc import Set
from importlib import metadata
from typing import Any
from typing import NamedTuple
from typing import Self
from typing import TypedDict

import stevedore.named
from oslo_config import cfg

from sgconductor import exception

NAMESPACE = 'sgconductor.servicegroup'


class MemberRow(TypedDict):
    """The part of a service's row that a :class:`Member` is made of."""

    uuid: str
    host: str
    binary: str
    topic: str
    incarnation: int


@dataclasses.dataclass(frozen=True)
class Member:
    """The process behind a service since one join."""

    uuid: str
    host: str
    binary: str
    topic: str
    incarnation: int

    @classmethod
    def of(cls, service: MemberRow) -> Self:
        """The member that a row describes; it may have more keys."""
        return cls(
            service['uuid'],
            service['host'],
            service['binary'],
            service['topic'],
            service['incarnation'],
        )


class Presence(NamedTuple):
    """What a driver says of the members it was asked about.

    Who is in neither set is not there.

    :ivar alive: those that are
    :ivar unknown: those of whom it cannot tell, as while one of several
        servers is away; the table then decides
    """

    alive: Set[Member]
    unknown: Set[Member] = frozenset()


class Driver(abc.ABC):
    """
    Nothing is opened before it is needed, so a driver may be made before a
    fork, and used after it.

    :cvar name: of its entry point
    :cvar detects: whether it has a word of its own; the null driver has none
    :ivar interval: seconds between two beats that a member sends it
    :ivar patience: seconds that it may take until a live member is there:
        after its join, or after the driver's server was away. For so long
        its absence means nothing.
    """

    name: str
    detects = True
    interval: float = 1.0
    patience: float = 0.0

    @property
    def since(self) -> float:
        """When its server was last away, by ``time.monotonic``.

        Only a driver that can know of it between two questions has to tell.
        """
        return float('-inf')

    @property
    def trouble(self) -> str:
        """Why it can tell of some and not of others, since it was last asked.

        Only a driver that has several servers has to tell.
        """
        return ''

    @abc.abstractmethod
    def join(self, member: Member) -> None:
        """Have the member be there from now on; again does no harm.

        :raises Unreachable: if that is not certain; it is tried again
        """

    def beat(self, member: Member) -> None:
        """Keep it there, and bring it back if it was lost.

        :raises Unreachable: as :meth:`join`
        """
        self.join(member)

    @abc.abstractmethod
    def leave(self, member: Member) -> None:
        """Forget this incarnation now; again does no harm.

        Members call it, and for those that cannot any more, conductors do.

        :raises Unreachable: if it may still be there
        """

    def watch(self) -> None:  # noqa: B027
        """Get ready to be asked. A conductor calls it once.

        :raises Unreachable: if the server is away; it may come
        """

    @abc.abstractmethod
    def alive(self, members: Collection[Member]) -> Presence:
        """Who of ``members`` is there, in at most one round trip a server.

        It waits for no server that is known to be away.

        :raises Unreachable: if it cannot tell of any
        """

    def explain(self, member: Member) -> str:
        """Where a look at the server would find the member; for people."""
        return f'member {member.uuid}, incarnation {member.incarnation}'

    @abc.abstractmethod
    def close(self) -> None:
        """Give back what the driver holds; again does no harm."""


def load(conf: cfg.ConfigOpts) -> list[Driver]:
    """The drivers that a configuration names.

    :returns: that of ``[servicegroup] driver``, whose word counts, and that
        of ``shadow_driver`` if there is one
    :raises ConfigError: if one is not installed, lacks what it needs, or is
        not configured right
    """
    group = conf.servicegroup
    drivers = [_load(conf, 'driver', group.driver)]
    if group.shadow_driver:
        drivers.append(_load(conf, 'shadow_driver', group.shadow_driver))
    return drivers


def _load(conf: cfg.ConfigOpts, option: str, name: str) -> Driver:
    try:
        found = stevedore.named.NamedExtensionManager(
            NAMESPACE,
            [name],
            on_load_failure_callback=_raise,
            on_missing_entrypoints_callback=None,
        )
    except ImportError as error:
        raise exception.ConfigError(
            f'[servicegroup] {option} {name!r} needs a package that is not '
            f'installed ({error}). zookeeper and memcache are extras of '
            f'sgconductor: pip install sgconductor[zookeeper,memcache]'
        ) from None
    if name not in found:
        names = metadata.entry_points(group=NAMESPACE).names
        raise exception.ConfigError(
            f'[servicegroup] {option} {name!r} is not installed; '
            f'there is: {", ".join(sorted(names))}'
        )
    loaded = found[name].plugin(conf)
    if not isinstance(loaded, Driver):
        raise exception.ConfigError(
            f'[servicegroup] {option} {name!r} is a {type(loaded).__name__}, '
            f'not a sgconductor.servicegroup.driver.Driver.'
        )
    return loaded


def _raise(manager: Any, entry_point: Any, error: BaseException) -> None:
    raise error
