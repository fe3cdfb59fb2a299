"""The markers that tell absent members from a memcached that lost them."""

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

# Seconds. memcached counts whole ones, so what shall last for n of them may
# be gone after more than n - 1.
_TICK = 1
_SHORTEST_CANARY = 2

# Seconds between two rounds of a keeper, at most; after one that failed; and
# after a bug.
_ROUND = 1.0
_PAUSE = 1.0
_LONG_PAUSE = 10.0


class Sight(NamedTuple):
    """
    :ivar found: the keys that are there
    :ivar telling: whether the absence of the others means anything
    """

    found: Set[str]
    telling: bool


@dataclasses.dataclass(frozen=True)
class Markers:
    """Two more keys on each server, which conductors keep.

    A memcached that was restarted answers, and has no member; one that was
    frozen or cut off let expire what nobody could renew. Live members are
    back after an interval and, where a beat was hanging, a timeout. Until
    then their absence means nothing. To know that:

    * ``canary`` expires early, and is touched all the time, which does not
      create it. If it is missing, ``fresh`` and ``canary`` are set.
    * ``fresh`` lasts for a whole ttl after that.

    Absence counts where ``canary`` is and ``fresh`` is not:

    * Emptied, the server has no canary. A new one never comes without
      ``fresh``: both are sent in one write, so that neither a restart nor a
      conductor that halts comes between them. ``fresh`` is set, not added,
      for one of an earlier time might be about to expire; two conductors
      that set it make it last longer, which is safe.
    * Away for as long as a canary lasts, or longer, it is as if emptied.
    * Away for less, it has lost no live member. Each had, when that began,
      ttl - interval - 1 s left. All but a canary's time of that remain at
      the end, and with a canary's time of ttl - 2 intervals - timeout - 1 s
      that is an interval and a timeout: enough to be back. The same holds
      for ``fresh``.
    * A look reads members, canary and fresh in this order. A canary that
      came after a member was missed came with a ``fresh``, which is still
      to be read.

    All of it is counted by the server's clock. That one key is evicted, of
    the canary is harmless; of another it cannot be known.

    :ivar canary: its key; the keys name the times, so that conductors of
        several configurations do not mislead each other
    :ivar fresh: its key
    """

    canary: str
    fresh: str
    canary_ttl: int
    ttl: int

    @classmethod
    def of(cls, interval: float, ttl: int, timeout: float) -> Self:
        """Those for members that beat and expire like that.

        :raises ConfigError: if a canary would have to expire too early
        """
        needed = 2 * interval + timeout + _TICK
        # Not a second less for the sake of a binary fraction.
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

    def look(self, client: base.Client, keys: Collection[str]) -> Sight:
        """Which of ``keys`` are there."""
        found = client.get_many([*keys, self.canary, self.fresh]).keys()
        return Sight(found, self.canary in found and self.fresh not in found)

    def keep(self, client: base.Client) -> bool:
        """Have the canary live on, or begin anew.

        :returns: whether it was there
        """
        if client.touch(self.canary, self.canary_ttl, noreply=False):
            return True
        said = client.raw_command(
            f'set {self.fresh} 0 {self.ttl} 1 noreply\r\n1\r\n'
            f'set {self.canary} 0 {self.canary_ttl} 1\r\n1'
        )
        if said != b'STORED':
            raise exceptions.MemcacheServerError(said)
        return False


class Keeper:
    """The thread of a conductor that keeps the markers of one server."""

    def __init__(
        self, server: memcache_server.Server, markers: Markers
    ) -> None:
        self._server = server
        self._markers = markers
        # Several within the least time that a canary may last.
        self._interval = min(_ROUND, (markers.canary_ttl - _TICK) / 4)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; the first round is over when it returns.

        :raises DriverUnreachable: if the server is away; it goes on trying
        """
        if self._running:
            return
        # After a fork, the old one may be locked by a thread of the parent.
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run,
            args=(self._stopped,),
            name=f'sgconductor-memcache-{self._server}',
            daemon=True,
        )
        try:
            self._round()
        finally:
            self._thread.start()

    def stop(self) -> None:
        """End; a round under way is not waited for."""
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
                self._round()
            except exception.DriverUnreachable:
                # The server has told it.
                pause = _PAUSE
            except Exception:
                LOG.exception('The markers of %s are not kept', self._server)
                pause = _LONG_PAUSE

    def _round(self) -> None:
        if not self._server.insist(self._markers.keep):
            LOG.info(
                'memcached %s is new, was emptied or was away: for %d s, who '
                'is absent there may be alive.',
                self._server,
                self._markers.ttl,
            )
