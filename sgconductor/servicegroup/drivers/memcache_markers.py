"""Markers: two keys that show whether a memcached has lost its members."""

import dataclasses
import logging
import math
import threading
from collections.abc import Collection
from collections.abc import Set
from typing import NamedTuple
from typing import Self

from pymemcache import exceptions
from pymemcache.client import base

from sgconductor import exception
from sgconductor.servicegroup.drivers import memcache_server

LOG = logging.getLogger(__name__)

# Seconds. memcached's clock counts whole seconds, so a key that is to last for
# n of them may expire after n - 1.
_TICK = 1
_SHORTEST_CANARY = 2

# Seconds until a keeper renews the canary again: at most; after a failure; and
# after an unexpected error.
_MAX_INTERVAL = 1.0
_PAUSE = 1.0
_LONG_PAUSE = 10.0


class Answer(NamedTuple):
    """What a server answers about keys.

    :ivar found: the keys that it has
    :ivar complete: whether all live members can be among them; if not, an
        absent one may be alive
    """

    found: Set[str]
    complete: bool


@dataclasses.dataclass(frozen=True)
class Markers:
    """Two keys that conductors keep on each server.

    A memcached that was restarted has no members. One that was frozen or cut
    off has let keys expire that could not be renewed. Live members return
    after an interval and, if a beat was hanging, a timeout. Until then, an
    absent member may be alive. The markers show that:

    * ``canary`` expires early. Conductors touch it all the time, which does
      not create it. If it is missing, they set ``fresh`` and ``canary``.
    * ``fresh`` lasts for a whole ttl after that.

    An answer is complete if it has ``canary`` and not ``fresh``. That is
    right, because:

    * A server that was emptied has no canary. It never gets a new one without
      ``fresh``: both are sent in one write, so that neither a restart of the
      server nor a crash of the conductor comes between them. ``fresh`` is
      set, not added, for an earlier one may be about to expire. If two
      conductors set it, it lasts longer, which is safe.
    * A server that was away for the ttl of the canary, or longer, has no
      canary either.
    * A server that was away for less has lost no live member. When the
      outage began, each key had ttl - interval - 1 s left. The outage took
      less than the ttl of the canary, which is ttl - 2 intervals - timeout -
      1 s. So an interval and a timeout are left: enough for the next beat.
      The same holds for ``fresh``.
    * A read returns members, canary and fresh in this order. If a canary was
      set after the read has missed a member, it was set with ``fresh``, which
      is read after it.

    All times are by the server's clock. If the server evicts the canary,
    that does no harm; if it evicts another key, nobody can notice.

    :ivar canary: the key of the canary. Both keys contain the times, so that
        conductors with other options use other keys.
    :ivar fresh: the key of ``fresh``
    """

    canary: str
    fresh: str
    canary_ttl: int
    ttl: int

    @classmethod
    def of(cls, interval: float, ttl: int, timeout: float) -> Self:
        """The markers for these times of members.

        :raises ConfigError: if the ttl is too short for a canary
        """
        needed = 2 * interval + timeout + _TICK
        # Rounded, so that a binary fraction does not cost a second.
        canary_ttl = math.floor(round(ttl - needed, 6))
        if canary_ttl < _SHORTEST_CANARY:
            raise exception.ConfigError(
                f'[servicegroup_memcache] ttl ({ttl} s) must be at least two '
                f'intervals ({interval:g} s each), a timeout ({timeout:g} s) '
                f'and 3 s: {math.ceil(round(needed, 6)) + _SHORTEST_CANARY} s.'
            )
        times = f'{ttl}/{canary_ttl}'
        return cls(
            f'sgconductor/canary/{times}',
            f'sgconductor/fresh/{times}',
            canary_ttl,
            ttl,
        )

    def read(self, client: base.Client, keys: Collection[str]) -> Answer:
        """Read which of ``keys`` the server has."""
        found = client.get_many([*keys, self.canary, self.fresh]).keys()
        return Answer(found, self.canary in found and self.fresh not in found)

    def keep(self, client: base.Client) -> bool:
        """Renew the canary, or set both markers if it is missing.

        :returns: whether it was there
        """
        if client.touch(self.canary, self.canary_ttl, noreply=False):
            return True
        answer = client.raw_command(
            f'set {self.fresh} 0 {self.ttl} 1 noreply\r\n1\r\n'
            f'set {self.canary} 0 {self.canary_ttl} 1\r\n1'
        )
        if answer != b'STORED':
            raise exceptions.MemcacheServerError(answer)
        return False


class Keeper:
    """A thread of a conductor that keeps the markers of one server."""

    def __init__(
        self, server: memcache_server.Server, markers: Markers
    ) -> None:
        self._server = server
        self._markers = markers
        # Several times within the shortest time that a canary lasts.
        self._interval = min(_MAX_INTERVAL, (markers.canary_ttl - _TICK) / 4)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Renew the markers once, and start the thread.

        :raises DriverUnreachable: if the server is away; the thread is
            started, and goes on trying
        """
        if self._running:
            return
        # A new one: after a fork, a thread of the parent may have locked the
        # old one.
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run,
            args=(self._stopped,),
            name=f'sgconductor-memcache-{self._server}',
            daemon=True,
        )
        try:
            self._renew()
        finally:
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread, without waiting for it."""
        if self._running:
            self._stopped.set()

    @property
    def _running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self, stopped: threading.Event) -> None:
        pause = self._interval
        while not stopped.wait(pause):
            pause = self._interval
            try:
                self._renew()
            except exception.DriverUnreachable:
                # memcache_server has logged it.
                pause = _PAUSE
            except Exception:
                LOG.exception(
                    'Cannot renew the markers of memcached %s', self._server
                )
                pause = _LONG_PAUSE

    def _renew(self) -> None:
        if not self._server.try_request(self._markers.keep):
            LOG.info(
                'memcached %s is new, was emptied or was away: for %d s, its '
                'absent members may be alive.',
                self._server,
                self._markers.ttl,
            )
