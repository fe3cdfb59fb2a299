"""What a liveness backend must do.

A driver is an entry point of the group ``sgconductor.servicegroup`` whose
object is called with the configuration and returns a :class:`Driver`.
"""

import abc
import dataclasses
from collections.abc import Collection
from collections.abc import Mapping
from typing import Any
from typing import Self

import stevedore.driver
import stevedore.exception
from oslo_config import cfg

from sgconductor import exception

NAMESPACE = 'sgconductor.servicegroup'


@dataclasses.dataclass(frozen=True)
class Member:
    """The process behind a service since one join."""

    uuid: str
    host: str
    binary: str
    topic: str
    incarnation: int

    @classmethod
    def of(cls, service: Mapping[str, Any]) -> Self:
        """The member that a row (or any mapping by field name) describes."""
        return cls(
            service['uuid'],
            service['host'],
            service['binary'],
            service['topic'],
            service['incarnation'],
        )


class Driver(abc.ABC):
    @abc.abstractmethod
    def join(self, member: Member) -> None:
        """Start to count as alive; again does no harm."""

    @abc.abstractmethod
    def beat(self, member: Member) -> None:
        """Still alive; nothing to do where a session proves it."""

    @abc.abstractmethod
    def leave(self, member: Member) -> None:
        """Forget the member now; again does no harm."""

    @abc.abstractmethod
    def alive(self, members: Collection[Member]) -> set[Member]:
        """Those of ``members`` that are alive, in at most one round trip.

        :raises Unreachable: if it cannot tell; the table then decides
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Give back what the driver holds."""


def load(conf: cfg.ConfigOpts) -> Driver:
    """The driver that ``[servicegroup] driver`` names.

    :raises ConfigError: if no installed package brings it
    """
    name = conf.servicegroup.driver
    try:
        loaded: Any = stevedore.driver.DriverManager(NAMESPACE, name).driver(
            conf
        )
    except stevedore.exception.NoMatches:
        raise exception.ConfigError(
            f'[servicegroup] driver {name!r} is not installed; '
            f'there is: {", ".join(_names())}'
        ) from None
    assert isinstance(loaded, Driver)
    return loaded


def _names() -> list[str]:
    return sorted(stevedore.ExtensionManager(NAMESPACE).names())
