"""The change log: one line for each change of the group.

What members do by the thousand, as when a rack is switched off, becomes a few
lines with counts. What operators do always has a line of its own.
"""

import collections
import logging
import threading
import time
from collections.abc import Callable

from sgconductor.conductor import requester as sg_requester

LOG = logging.getLogger(__name__)

# Seconds, and how many lines of a kind are written in so many.
_WINDOW = 10.0
_MOST_LINES = 20
# How many binaries a line of counts names.
_MOST_BINARIES = 10


class ChangeLog:
    """Writes the changes of the group to the log, at level INFO.

    :param monotonic: the host's clock that only goes forward
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}
        self._ended: list[_Window] = []

    def write(
        self,
        kind: str,
        binary: str,
        host: str,
        why: str = '',
        by: sg_requester.Requester = sg_requester.NOBODY,
    ) -> None:
        """Write a change of a service.

        :param kind: what was done, for example 'Deleted'
        :param why: its cause, or what was changed
        :param by: whose request it was
        """
        LOG.info(
            '%s: %s on %s%s (%s)',
            kind,
            binary,
            host,
            f': {why}' if why else '',
            by,
        )

    def count(
        self,
        kind: str,
        binary: str,
        host: str,
        why: str = '',
        by: sg_requester.Requester = sg_requester.NOBODY,
    ) -> None:
        """Write a change of a service, or only count it if there are many.

        Of each kind, a few lines are written in some seconds. :meth:`flush`
        writes the counts of the others, by binary, when that time is over.
        It takes what :meth:`write` takes.
        """
        with self._lock:
            now = self._monotonic()
            window = self._windows.get(kind)
            if window is None or now - window.since >= _WINDOW:
                self._end(kind, now)
                window = self._windows[kind] = _Window(kind, now)
            if window.lines >= _MOST_LINES:
                window.counts[binary] += 1
                return
            window.lines += 1
        self.write(kind, binary, host, why, by)

    def write_pin(
        self, binary: str, what: str, by: sg_requester.Requester
    ) -> None:
        """Write a change of a pin.

        :param what: for example 'hold at 3'
        """
        LOG.info('Pin of %s: %s (%s)', binary, what, by)

    def flush(self, everything: bool = False) -> None:
        """Write the counts of which the time is over.

        It is called where no request is served, whose id the lines would
        carry.

        :param everything: write all counts, for nothing follows
        """
        with self._lock:
            now = self._monotonic()
            for kind, window in list(self._windows.items()):
                if everything or now - window.since >= _WINDOW:
                    self._end(kind, now)
            ended, self._ended = self._ended, []
        for window in ended:
            LOG.info(
                '%s: %d more in the last %.0f s: %s',
                window.kind,
                window.counts.total(),
                window.until - window.since,
                _words(window.counts),
            )

    def _end(self, kind: str, now: float) -> None:
        window = self._windows.pop(kind, None)
        if window is not None and window.counts:
            window.until = now
            self._ended.append(window)


class _Window:
    """The lines and counts of a kind from one moment until another."""

    def __init__(self, kind: str, since: float) -> None:
        self.kind = kind
        self.since = since
        self.until = since
        self.lines = 0
        self.counts: collections.Counter[str] = collections.Counter()


def _words(counts: collections.Counter[str]) -> str:
    most = sorted(counts.most_common(_MOST_BINARIES))
    words = [f'{count} {binary}' for binary, count in most]
    others = counts.total() - sum(count for _, count in most)
    return ', '.join([*words, f'{others} of others'] if others else words)
