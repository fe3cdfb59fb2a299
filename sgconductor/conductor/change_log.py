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

        Of each kind, a few lines are written in some seconds. The counts of
        the others, by binary, are written when that time is over: by the
        next change of the kind, or by :meth:`flush`. It takes what
        :meth:`write` takes.
        """
        with self._lock:
            now = self._monotonic()
            window = self._windows.get(kind)
            if window is None or now - window.since >= _WINDOW:
                self._summarize(kind, now)
                window = self._windows[kind] = _Window(now)
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

        :param everything: write all counts, for nothing follows
        """
        with self._lock:
            now = self._monotonic()
            for kind in list(self._windows):
                over = now - self._windows[kind].since >= _WINDOW
                if over or everything:
                    self._summarize(kind, now)
                    del self._windows[kind]

    def _summarize(self, kind: str, now: float) -> None:
        window = self._windows.get(kind)
        if window is None or not window.counts:
            return
        counts = ', '.join(
            f'{count} {binary}'
            for binary, count in sorted(window.counts.items())
        )
        LOG.info(
            '%s: %d more in the last %.0f s: %s',
            kind,
            window.counts.total(),
            now - window.since,
            counts,
        )


class _Window:
    """The lines and counts of a kind since a moment."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.lines = 0
        self.counts: collections.Counter[str] = collections.Counter()
