"""The names of the nodes of each group, kept up to date by watches."""

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

# Seconds to wait for the first read of a group, and between tries.
_TIMEOUT = 2.0
_RETRY_INTERVAL = 1.0

# Seconds between two questions whether the server has all changes, and after
# which the answer to the last one is too old. The thread may sleep for
# _RETRY_INTERVAL and _MAX_PAUSE before the next question.
_CONFIRM_INTERVAL = 0.5
_CONFIRMED_FOR = 2.5

# Seconds to pause after reading groups, so that many changes are read with few
# requests: at least, at most, and as a multiple of what the reads took.
_MIN_PAUSE = 0.03
_MAX_PAUSE = 0.3
_PAUSE_FACTOR = 3


class _Listing(NamedTuple):
    """The result of a read of a group.

    :ivar connection: the number of the connection; None if the read failed
    :ivar why: why the read failed
    """

    connection: int | None
    names: Set[str] = frozenset()
    why: str = ''


class _Group:
    """A node whose children are watched.

    :param wake: called after they have changed
    :ivar stale: whether they have changed since they were last read
    :ivar listing: of the last read
    :ivar known: the names of the last read that succeeded
    :ivar unknown: since when names are missing that may be back, by name
    :ivar tried: set after the first read
    """

    def __init__(self, path: str, wake: Callable[[], None]) -> None:
        self.path = path
        self.stale = True
        self.listing = _Listing(None, why='it has not answered yet')
        self.known: Set[str] = frozenset()
        self.unknown: Mapping[str, float] = {}
        self.tried = threading.Event()
        self._wake = wake

    def read(self, listing: _Listing, forget: float) -> None:
        """Take the result of a read.

        :param forget: forget names that are missing since before that
        """
        now = time.monotonic()
        missing = {**dict.fromkeys(self.known, now), **self.unknown}
        self.unknown = {
            name: since
            for name, since in missing.items()
            if name not in listing.names and since > forget
        }
        self.known = listing.names
        self.listing = listing

    def changed(self, event: object = None) -> None:
        """Called by kazoo, which must not be blocked."""
        self.stale = True
        self._wake()


class View:
    """The names of the nodes of each group, kept in memory.

    A thread reads each group once, and again after each change. What was
    read over an earlier connection is not used: its watches are gone.

    A server that is stopped, or cut off from the others, tells of no changes,
    and it takes a while until the connection to it is lost. So the thread
    also asks the ensemble again and again whether the server has them all.

    :param return_time: seconds within which the node of a live member is back
        after its session has expired
    """

    def __init__(
        self, client: zookeeper_client.Client, return_time: float
    ) -> None:
        self._client = client
        self._return_time = return_time
        self._groups: dict[str, _Group] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._closed = threading.Event()
        # When the ensemble was last asked, and has answered.
        self._confirmed_at = float('-inf')
        client.listen(self._wake.set)

    def names(self, paths: Collection[str]) -> Mapping[str, Set[str]]:
        """The names of the nodes below each path.

        It sends a request only for a path that it has not had before.

        :raises DriverUnreachable: if the names are not known
        :raises ConfigError: if the server refuses user and password
        """
        self._client.check()
        groups = [self._groups.get(path) or self._add(path) for path in paths]
        deadline = time.monotonic() + _TIMEOUT
        for group in groups:
            group.tried.wait(max(0.0, deadline - time.monotonic()))
        listings = {group.path: group.listing for group in groups}
        connection = self._client.connection
        for each in listings.values():
            if each.connection is None or each.connection != connection:
                raise self._client.unreachable(
                    each.why or 'it was not read again since it reconnected'
                )
        return {path: each.names for path, each in listings.items()}

    def unknown(self, path: str) -> Set[str]:
        """The names below a path that may be back in a moment.

        A session can expire although its process lives: the server that it
        was connected to was cut off or stopped, and the process was late to
        notice that.
        """
        since = time.monotonic() - self._return_time
        unknown = self._groups[path].unknown
        return {name for name, at in unknown.items() if at > since}

    @property
    def trouble(self) -> str:
        """Why names may be missing, or ''."""
        age = time.monotonic() - self._confirmed_at
        if age < _CONFIRMED_FOR:
            return ''
        return (
            f'the ensemble has not confirmed for {age:.1f} s that its server '
            f'knows all members'
        )

    def close(self) -> None:
        """Stop the thread. It may be stopped already."""
        self._closed.set()
        self._wake.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(_TIMEOUT)

    def _add(self, path: str) -> _Group:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(
                    target=self._run, name='zookeeper-view', daemon=True
                )
                # It may fail; the next call tries again then.
                thread.start()
                self._thread = thread
            group = self._groups.setdefault(path, _Group(path, self._wake.set))
        self._wake.set()
        return group

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(_RETRY_INTERVAL)
            self._wake.clear()
            began = time.monotonic()
            if began - self._confirmed_at > _CONFIRM_INTERVAL:
                self._confirm(began)
            for group in list(self._groups.values()):
                if group.stale or self._is_old(group.listing):
                    self._read(group)
            took = time.monotonic() - began
            pause = max(_MIN_PAUSE, _PAUSE_FACTOR * took)
            self._closed.wait(min(pause, _MAX_PAUSE))

    def _confirm(self, now: float) -> None:
        """Wait until the server has all changes that the leader had.

        Its watches are called before that.
        """
        try:
            self._client.ask(lambda kazoo: kazoo.sync_async('/'))
        except exception.SGConductorError as error:
            LOG.debug('The ensemble does not confirm: %s', error)
        except Exception:
            LOG.exception('Cannot ask the ensemble to confirm')
        else:
            self._confirmed_at = now

    def _is_old(self, listing: _Listing) -> bool:
        return listing.connection != self._client.connection

    def _read(self, group: _Group) -> None:
        # These come first, so that a change during the read makes it stale.
        connection = self._client.connection
        group.stale = False
        try:
            listing = _Listing(connection, self._fetch(group))
            group.read(listing, time.monotonic() - self._return_time)
        except exception.SGConductorError as error:
            self._fail(group, str(error.args[-1]))
        except Exception as error:
            LOG.exception('Cannot read the group %s', group.path)
            self._fail(group, repr(error))
        group.tried.set()

    def _fail(self, group: _Group, why: str) -> None:
        group.listing = _Listing(None, why=why)
        group.stale = True

    def _fetch(self, group: _Group) -> Set[str]:
        def children(kazoo: Any) -> Any:
            return kazoo.get_children_async(group.path, watch=group.changed)

        def exists(kazoo: Any) -> Any:
            return kazoo.exists_async(group.path, watch=group.changed)

        try:
            return frozenset(self._client.ask(children))
        except NoNodeError:
            # The node does not exist before the first member has joined.
            if self._client.ask(exists) is not None:
                group.changed()
            return frozenset()
