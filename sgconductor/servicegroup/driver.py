"""The interface of servicegroup drivers, and how they are loaded.

A driver is an entry point of the group ``sgconductor.servicegroup``. It names
a function that takes the configuration and returns a :class:`Driver`.
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
    """The keys of a service's row that identify a member."""

    uuid: str
    host: str
    binary: str
    topic: str
    incarnation: int


@dataclasses.dataclass(frozen=True)
class Member:
    """One incarnation of a service: its process since it has joined."""

    uuid: str
    host: str
    binary: str
    topic: str
    incarnation: int

    @classmethod
    def of(cls, service: MemberRow) -> Self:
        """The member behind a row, which may have more keys."""
        return cls(
            service['uuid'],
            service['host'],
            service['binary'],
            service['topic'],
            service['incarnation'],
        )


class Presence(NamedTuple):
    """A driver's answer about members.

    Members in neither set are absent.

    :ivar alive: members that are present
    :ivar unknown: members about which the driver cannot tell, for example
        because one of several servers is away. For these, the services
        table alone decides.
    """

    alive: Set[Member]
    unknown: Set[Member] = frozenset()


# Its name until now, for drivers of other packages.
Roll = Presence


class Driver(abc.ABC):
    """A liveness backend.

    It opens no connection before it needs one, so that it can be made before
    a fork and used after it.

    :cvar name: the name of its entry point
    :cvar detects: whether it detects by itself which members are alive; the
        null driver does not
    :ivar interval: seconds between two calls of :meth:`beat` by a member
    :ivar patience: seconds within which a live member becomes present, after
        its join and after the driver's server has returned. Until then, it
        does not count as down if it is absent.
    """

    name: str
    detects = True
    interval: float = 1.0
    patience: float = 0.0

    @property
    def since(self) -> float:
        """When its server has last returned, by ``time.monotonic``.

        A driver has to override this only if it notices an outage between
        two calls of :meth:`alive`.
        """
        return float('-inf')

    @property
    def trouble(self) -> str:
        """Why the last :meth:`alive` could not tell about all members, or ''.

        Only a driver with several servers has to override this.
        """
        return ''

    @abc.abstractmethod
    def join(self, member: Member) -> None:
        """Make a member present. It may be present already.

        :raises DriverUnreachable: if that may have failed; the caller tries
            again
        """

    def beat(self, member: Member) -> None:
        """Keep a member present, and make it present again if it was lost.

        :raises DriverUnreachable: as for :meth:`join`
        """
        self.join(member)

    @abc.abstractmethod
    def leave(self, member: Member) -> None:
        """Make a member absent at once. It may be absent already.

        Members call it when they stop. Conductors call it too, for members
        that may not do so, for example after a service was deleted.

        :raises DriverUnreachable: if the member may still be present
        """

    def watch(self) -> None:  # noqa: B027
        """Prepare for calls of :meth:`alive`. A conductor calls this once.

        :raises DriverUnreachable: if the server is away; the driver must
            work once it is there
        """

    @abc.abstractmethod
    def alive(self, members: Collection[Member]) -> Presence:
        """Which of ``members`` are present.

        It needs at most one round trip to each server, and does not wait for
        a server that is known to be away.

        :raises DriverUnreachable: if it cannot tell about any member
        """

    def explain(self, member: Member) -> str:
        """Where the server keeps the member, for people to look it up."""
        return f'member {member.uuid}, incarnation {member.incarnation}'

    @abc.abstractmethod
    def close(self) -> None:
        """Close all connections and threads. They may be closed already."""


def load(conf: cfg.ConfigOpts) -> list[Driver]:
    """The drivers that a configuration names.

    :returns: the driver of ``[servicegroup] driver``, and that of
        ``shadow_driver`` if it is set
    :raises ConfigError: if one is not installed, needs a package that is not
        installed, or has wrong options
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
