"""The null driver: the services table alone decides who is alive."""

from collections.abc import Collection

from oslo_config import cfg

from sgconductor.servicegroup import driver


class DbDriver(driver.Driver):
    """A driver that detects nothing, and needs no server."""

    name = 'db'
    detects = False

    def __init__(self, conf: cfg.ConfigOpts | None = None) -> None:
        """It has no options."""

    def join(self, member: driver.Member) -> None:
        """There is nothing to do: the join itself has written the row."""

    def leave(self, member: driver.Member) -> None:
        """There is nothing to do: the leave itself has written the row."""

    def alive(self, members: Collection[driver.Member]) -> driver.Presence:
        return driver.Presence(frozenset(members))

    def close(self) -> None:
        """There is nothing to close."""
