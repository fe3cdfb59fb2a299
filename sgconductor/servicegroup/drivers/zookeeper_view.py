"""The view of who is in the groups, kept up to date by watches."""

import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Set
from typing import Any
from typing import NamedTuple

from kazoo.exceptions import NoNodeError

from sgconductor import exception
from sgconductor.servicegroup.drivers import zookeeper_client

LOG = logging.getLogger(__name__)

# Seconds: for a group that is new here, and from one try to the next.
_PATIENCE = 2.0
_TRY_AGAIN = 1.0

# Seconds of rest after a round, so that a storm of changes is not one of
# requests: at least, at most, and how much longer than the round took.
_REST = 0.03
_LONG_REST = 0.3
_REST_PER_WORK = 3


class _Seen(NamedTuple):
    """What the last look brought.

    :ivar connection: over which; None if it failed
    :ivar why: it failed
    """

    connection: int | None
    names: Set[str] = frozenset()
    why: str = ''


class _Group:
    """A node whose children are watched.

    :param wake: called when they have changed
    """

    def __init__(self, path: str, wake: Callable[[], None]) -> None:
        self.path = path
        self.stale = True
        self.seen = _Seen(None, why='there was no look yet')
        self.tried = threading.Event()
        self._wake = wake

    def changed(self, event: object = None) -> None:
        """Called by kazoo, which must not be made to wait."""
        self.stale = True
        self._wake()


class View:
    """
    Each group is fetched once, and again after each change, by a thread.
    What was fetched over another connection than the one that is up counts
    for nothing: its watches are gone.

    :param client: to ask with
    """

    def __init__(self, client: zookeeper_client.Client) -> None:
        self._client = client
        self._groups: dict[str, _Group] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._over = threading.Event()
        client.listen(self._wake.set)

    def names(self, paths: Collection[str]) -> Mapping[str, Set[str]]:
        """The names of the nodes below each path.

        No request is made but for a path that is new.

        :raises Unreachable: if they are not known
        :raises ConfigError: if the server refuses user and password
        """
        self._client.check()
        groups = [self._groups.get(path) or self._add(path) for path in paths]
        deadline = time.monotonic() + _PATIENCE
        for group in groups:
            group.tried.wait(max(0.0, deadline - time.monotonic()))
        seen = {group.path: group.seen for group in groups}
        connection = self._client.connection
        for each in seen.values():
            if each.connection is None or each.connection != connection:
                raise self._client.unreachable(
                    each.why or 'the connection is new, wait a moment'
                )
        return {path: each.names for path, each in seen.items()}

    def close(self) -> None:
        """Watch no more; again does no harm."""
        self._over.set()
        self._wake.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(_PATIENCE)

    def _add(self, path: str) -> _Group:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name='zookeeper-view', daemon=True
                )
                self._thread.start()
            group = self._groups.setdefault(path, _Group(path, self._wake.set))
        self._wake.set()
        return group

    def _run(self) -> None:
        while not self._over.is_set():
            self._wake.wait(_TRY_AGAIN)
            self._wake.clear()
            began = time.monotonic()
            for group in list(self._groups.values()):
                if group.stale or self._is_old(group.seen):
                    self._look(group)
            took = time.monotonic() - began
            self._over.wait(min(max(_REST, _REST_PER_WORK * took), _LONG_REST))

    def _is_old(self, seen: _Seen) -> bool:
        return seen.connection != self._client.connection

    def _look(self, group: _Group) -> None:
        # Both are noted before: what happens during the look is after it.
        connection = self._client.connection
        group.stale = False
        try:
            group.seen = _Seen(connection, self._fetch(group))
        except exception.SGConductorError as error:
            self._fail(group, str(error.args[-1]))
        except Exception as error:
            LOG.exception('The look at %s failed.', group.path)
            self._fail(group, repr(error))
        group.tried.set()

    def _fail(self, group: _Group, why: str) -> None:
        group.seen = _Seen(None, why=why)
        group.stale = True

    def _fetch(self, group: _Group) -> Set[str]:
        def children(kazoo: Any) -> Any:
            return kazoo.get_children_async(group.path, watch=group.changed)

        def exists(kazoo: Any) -> Any:
            return kazoo.exists_async(group.path, watch=group.changed)

        try:
            return frozenset(self._client.ask(children))
        except NoNodeError:
            # Its first member will make it.
            if self._client.ask(exists) is not None:
                group.changed()
            return frozenset()
