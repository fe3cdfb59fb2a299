"""The null driver: the services table alone tells who is alive."""

from collections.abc import Collection

from oslo_config import cfg

from sgconductor.servicegroup import driver


class DbDriver(driver.Driver):
    name = 'db'
    detects = False

    def __init__(self, conf: cfg.ConfigOpts | None = None) -> None:
        """Take, and need, no options."""

    def join(self, member: driver.Member) -> None:
        """The row was stamped by the join itself."""

    def leave(self, member: driver.Member) -> None:
        """The row was marked by the leave itself."""

    def alive(self, members: Collection[driver.Member]) -> driver.Presence:
        return driver.Presence(frozenset(members))

    def close(self) -> None:
        """Nothing is held."""
