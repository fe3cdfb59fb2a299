"""The pins, as a process knows them."""

import collections
import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from sgconductor import exception
from sgconductor import host_clock

LOG = logging.getLogger(__name__)

# How long, in seconds, an answer is valid in a process that has no membership.
MAX_AGE = 5.0
# The least number of seconds between two requests, whatever they are for.
_FETCH_EVERY = 1.0


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """All pins at one epoch.

    :ivar versions: the version in force by binary
    """

    epoch: int
    versions: Mapping[str, int]

    def version(self, binary: str) -> int:
        """The pin of a binary.

        :raises UnknownBinary: naming the known ones
        """
        try:
            return self.versions[binary]
        except KeyError:
            raise exception.UnknownBinary(
                binary, sorted(self.versions)
            ) from None


class PinCache:
    """The pins that a process follows, kept fresh from the conductors.

    :meth:`update` takes new ones: those of the answers to joins and syncs,
    and those that conductors send to all members. While a process beats, its
    pins stay valid, because the conductors that receive its beats wait for it
    to confirm new ones. Otherwise a conductor is asked again when they have
    become too old, at most once a second.

    :param fetch: asks a conductor for ``epoch`` and ``pins``
    :ivar monotonic: the clock for ``valid_until``
    """

    def __init__(
        self,
        fetch: Callable[[], Mapping[str, Any]],
        monotonic: host_clock.Clock | None = None,
    ) -> None:
        self._fetch = fetch
        # It counts pauses of the host: conductors do not wait in them.
        self.monotonic = monotonic or host_clock.HostClock()
        # Guards all attributes below; it is not held during a request.
        self._lock = threading.Lock()
        # Held during a request.
        self._fetching = threading.Lock()
        self._known: Snapshot | None = None
        self._valid_until = float('-inf')
        # How many calls are under way, by the epoch that they were made at.
        self._in_use: collections.Counter[int] = collections.Counter()
        # Of the last request.
        self._failure: exception.Unreachable | None = None
        self._fetch_again_at = float('-inf')

    def update(self, epoch: int, versions: Mapping[str, int]) -> bool:
        """Take pins, unless their epoch is known already or older.

        :returns: whether they were newer
        """
        with self._lock:
            known = self._known
            if known is not None and epoch <= known.epoch:
                return False
            self._known = Snapshot(epoch, dict(versions))
        if known is not None:
            moved = dict(versions.items() - known.versions.items())
            LOG.info('Pins of epoch %d: %s', epoch, _words(moved))
        return True

    def update_from(
        self, answer: Mapping[str, Any], valid_until: float
    ) -> None:
        """Take the pins that a conductor has just answered with.

        :param answer: of a join, a sync, or ``PinList.in_force``
        :param valid_until: by the monotonic clock
        """
        self.update(answer['epoch'], answer['pins'])
        with self._lock:
            self._valid_until = max(self._valid_until, valid_until)

    def invalidate(self) -> None:
        """Have the next call ask a conductor first."""
        with self._lock:
            self._valid_until = float('-inf')

    def extend(self, valid_until: float) -> None:
        """Keep the pins valid for longer, if they still are.

        :param valid_until: by the monotonic clock
        """
        with self._lock:
            if self.monotonic() < self._valid_until:
                self._valid_until = max(self._valid_until, valid_until)

    @property
    def epoch(self) -> int:
        """The epoch to confirm: every call under way was made at it or at a
        newer one. 0 if no pins are known.
        """
        with self._lock:
            now = 0 if self._known is None else self._known.epoch
            return min((*self._in_use, now))

    def version(self, binary: str) -> int:
        """The pin of a binary now.

        :raises UnknownBinary: naming the known ones
        :raises Unreachable: if no pins are known and no conductor answers
        """
        with self.using(binary) as version:
            return version

    @contextlib.contextmanager
    def using(self, binary: str) -> Iterator[int]:
        """The pin of a binary, for calls made inside ``with``.

        Until its end, no newer epoch is confirmed.

        :raises UnknownBinary: naming the known ones
        :raises Unreachable: if no pins are known and no conductor answers
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
        if self._is_valid(binary):
            return
        with self._fetching:
            # Another thread may have asked meanwhile.
            if self._is_valid(binary):
                return
            if self.monotonic() >= self._fetch_again_at:
                self._fetch_again()
            elif self._known is None and self._failure is not None:
                raise self._failure

    def _is_valid(self, binary: str) -> bool:
        with self._lock:
            # An unknown binary may have joined a moment ago.
            return self.monotonic() < self._valid_until and (
                self._known is None or binary in self._known.versions
            )

    def _fetch_again(self) -> None:
        asked = self.monotonic()
        try:
            answer = self._fetch()
        except exception.Unreachable as error:
            if self._failure is None:
                LOG.warning('The pins cannot be refreshed: %s', error)
            self._failure = error
            # While no conductor runs, no pin changes either.
            self._fetch_again_at = self.monotonic() + MAX_AGE
            if self._known is None:
                raise
            return
        self._failure = None
        self._fetch_again_at = self.monotonic() + _FETCH_EVERY
        self.update_from(answer, asked + MAX_AGE)


def _words(versions: Mapping[str, int]) -> str:
    return ', '.join(f'{name} {v}' for name, v in sorted(versions.items()))
