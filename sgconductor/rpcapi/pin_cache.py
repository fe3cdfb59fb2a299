"""The pins, as a process knows them."""

import collections
import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from oslo_versionedobjects import exception as ovo_exc

from sgconductor import exception

LOG = logging.getLogger(__name__)

# Seconds for which an answer holds where nobody else keeps the pins fresh.
MAX_AGE = 5.0
# Seconds between two questions, whatever they are for.
_ASK_EVERY = 1.0


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """All pins at one epoch.

    :ivar versions: the version in force by binary; None if the conductor is
        of a release that keeps no pins
    """

    epoch: int
    versions: Mapping[str, int] | None

    def version(self, binary: str) -> int | None:
        """The pin of a binary; None if nobody keeps pins.

        :raises UnknownBinary: naming those that are known
        """
        if self.versions is None:
            return None
        try:
            return self.versions[binary]
        except KeyError:
            raise exception.UnknownBinary(
                binary, sorted(self.versions)
            ) from None


class PinCache:
    """What a process may speak; it follows the conductor by itself.

    News come by :meth:`learn`: what joins and syncs answer, and what
    conductors tell all members. What is known is good while somebody vouches
    for it: for a member, its beats do, since a conductor that hears them
    counts it among those who must confirm. Otherwise the conductor is asked
    again, every few seconds, and at most once a second.

    :param ask: asks a conductor for ``epoch`` and ``pins``
    :ivar monotonic: the clock for ``good_until``
    """

    def __init__(
        self,
        ask: Callable[[], Mapping[str, Any]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self.monotonic = monotonic
        # Guards all below; nobody is asked under it.
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._known: Snapshot | None = None
        self._good_until = float('-inf')
        # How many calls are under way that were made at an epoch.
        self._in_use: collections.Counter[int] = collections.Counter()
        # Of the last time that a conductor was asked.
        self._failure: exception.Unreachable | None = None
        self._ask_again_at = float('-inf')

    def learn(self, epoch: int, versions: Mapping[str, int]) -> bool:
        """Take news, unless they are older than what is known.

        :returns: whether they were newer
        """
        with self._lock:
            known = self._known
            if (
                known is not None
                and known.versions is not None
                and epoch <= known.epoch
            ):
                return False
            self._known = Snapshot(epoch, dict(versions))
        if known is not None:
            LOG.info('Pins of epoch %d: %s', epoch, _words(versions))
        return True

    def learn_from(self, answer: Mapping[str, Any], good_until: float) -> None:
        """Take what a conductor has answered just now.

        :param answer: of a join, a sync, or ``PinList.in_force``; that of a
            conductor that keeps no pins has none
        :param good_until: by the monotonic clock
        """
        if 'pins' in answer:
            self.learn(answer['epoch'], answer['pins'])
        with self._lock:
            if self._known is None:
                self._known = Snapshot(0, None)
            if 'pins' in answer or self._known.versions is None:
                self._good_until = max(self._good_until, good_until)

    def lapse(self) -> None:
        """Let what is known be good no longer: nobody vouches for it."""
        with self._lock:
            self._good_until = float('-inf')

    def vouch(self, good_until: float) -> None:
        """Let what is known be good for longer, if it still is at all.

        :param good_until: by the monotonic clock
        """
        with self._lock:
            if self.monotonic() < self._good_until:
                self._good_until = max(self._good_until, good_until)

    @property
    def epoch(self) -> int:
        """What to confirm: every call under way was made at this epoch or a
        newer one. 0 for none.
        """
        with self._lock:
            now = 0 if self._known is None else self._known.epoch
            return min((*self._in_use, now))

    def version(self, binary: str) -> int | None:
        """The pin of a binary now; None if the conductor keeps no pins.

        :raises UnknownBinary: naming those that are known
        :raises Unreachable: if nothing is known and nobody can be asked
        """
        with self.using(binary) as version:
            return version

    @contextlib.contextmanager
    def using(self, binary: str) -> Iterator[int | None]:
        """The pin of a binary, for a call made within.

        Until its end, no newer epoch is confirmed.

        :raises UnknownBinary: naming those that are known
        :raises Unreachable: if nothing is known and nobody can be asked
        """
        self._refresh(binary)
        with self._lock:
            known = self._known
            assert known is not None
            self._in_use[known.epoch] += 1
        try:
            yield known.version(binary)
        finally:
            with self._lock:
                self._in_use[known.epoch] -= 1
                if not self._in_use[known.epoch]:
                    del self._in_use[known.epoch]

    def _refresh(self, binary: str) -> None:
        if self._is_good(binary):
            return
        with self._asking:
            # Another thread may have asked meanwhile.
            if self._is_good(binary):
                return
            if self.monotonic() >= self._ask_again_at:
                self._ask_again()
            elif self._known is None and self._failure is not None:
                raise self._failure

    def _is_good(self, binary: str) -> bool:
        with self._lock:
            known = self._known
            return self.monotonic() < self._good_until and (
                known is None
                or known.versions is None
                # One that is new may have joined a moment ago.
                or binary in known.versions
            )

    def _ask_again(self) -> None:
        asked = self.monotonic()
        answer: Mapping[str, Any] = {}
        failure: exception.Unreachable | None = None
        pause = _ASK_EVERY
        try:
            answer = self._ask()
        except ovo_exc.UnsupportedObjectError:
            # A conductor of the release before: it has none.
            pass
        except exception.Unreachable as error:
            # While no conductor runs, no pin changes either.
            failure = error
            pause = MAX_AGE
            if self._failure is None:
                LOG.warning('The pins cannot be refreshed: %s', error)
        self._failure = failure
        self._ask_again_at = self.monotonic() + pause
        if failure is None:
            self.learn_from(answer, asked + MAX_AGE)
        elif self._known is None:
            raise failure


def _words(versions: Mapping[str, int]) -> str:
    return ', '.join(f'{name} {v}' for name, v in sorted(versions.items()))
