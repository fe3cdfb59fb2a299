"""The change log: one line for each change of the group.

What changes by the thousand, as when a rack is switched off, becomes a few
lines with counts.
"""

import collections
import logging
import threading
import time
from collections.abc import Callable

from sgconductor.conductor import requester as sg_requester

LOG = logging.getLogger(__name__)

# Seconds, and how many lines of one kind are written in so many.
_WINDOW = 10.0
_MOST_LINES = 20


class ChangeLog:
    """Writes INFO lines, no more than a few of each kind in some seconds.

    Changes beyond that are counted by binary, and the counts are written
    when the time is over: by the next change, or by :meth:`flush`.

    :param monotonic: the host's clock that only goes forward
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kinds: dict[str, _Kind] = {}

    def write(
        self,
        kind: str,
        binary: str,
        host: str,
        why: str = '',
        by: sg_requester.Requester = sg_requester.NOBODY,
    ) -> None:
        """Write, or count, one change.

        :param kind: what was done, for example 'deleted'
        :param why: its cause, or what was changed
        :param by: whose request it was
        """
        with self._lock:
            now = self._monotonic()
            state = self._kinds.get(kind)
            if state is None or now - state.since >= _WINDOW:
                self._summarize(kind, now)
                state = self._kinds[kind] = _Kind(now)
            if state.lines >= _MOST_LINES:
                state.counts[binary] += 1
                return
            state.lines += 1
        what = f'{binary} on {host} {kind}' + (f': {why}' if why else '')
        LOG.info('%s (%s)', what, by)

    def write_pin(
        self, binary: str, what: str, by: sg_requester.Requester
    ) -> None:
        """Write what an operator did to a pin.

        :param what: for example 'hold at 3'
        """
        LOG.info('The pin of %s: %s (%s)', binary, what, by)

    def flush(self) -> None:
        """Write the counts of windows that are over."""
        with self._lock:
            now = self._monotonic()
            for kind in list(self._kinds):
                if now - self._kinds[kind].since >= _WINDOW:
                    self._summarize(kind, now)
                    del self._kinds[kind]

    def _summarize(self, kind: str, now: float) -> None:
        state = self._kinds.get(kind)
        if state is None or not state.counts:
            return
        counts = ', '.join(
            f'{count} of {binary}'
            for binary, count in sorted(state.counts.items())
        )
        LOG.info(
            '%d more %s in the last %.0f s: %s',
            state.counts.total(),
            kind,
            now - state.since,
            counts,
        )


class _Kind:
    """What was written of one kind since a moment."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.lines = 0
        self.counts: collections.Counter[str] = collections.Counter()
