"""The watchdog: it ends commands to the database that take too long.

No driver bounds a command as a whole. psycopg2 has no timeout for reads at
all: it waits for ever for a server that is stopped but whose kernel still
acknowledges. PyMySQL's counts from the last byte, and makes each read a system
call more expensive. So commands run under a watch: when its time is up, a
thread shuts the connection's socket down, which ends the wait in any driver.
"""

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import ParamSpec
from typing import TypeVar

T = TypeVar('T')
P = ParamSpec('P')

# In seconds. The time that the end of a transaction always has: to end it
# late is better than to give the connection up.
_GRACE = 1.0


class TimeIsUp(Exception):
    """A command took too long; its connection is of no more use."""


class Watchdog:
    """Bounds what each thread does on a database.

    Its thread runs only while there is something to watch. So it may be made
    before a fork, and needs no end.

    :param timeout: how long an operation may take, in seconds; None for any
        time
    """

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._local = threading.local()
        self._lock = threading.Lock()
        self._watched: dict[object, tuple[socket.socket, float]] = {}
        self._changed = threading.Event()
        # When the thread checks next, by the monotonic clock.
        self._wakes_at = math.inf
        self._runs_in: int | None = None

    @contextlib.contextmanager
    def operation(self) -> Iterator[None]:
        """Bound the time of all that the block does, in this thread.

        An operation within another one ends with that one at the latest.
        """
        outer = self._until()
        if self.timeout is not None:
            self._local.until = min(outer, time.monotonic() + self.timeout)
        try:
            yield
        finally:
            self._local.until = outer

    def left(self) -> float:
        """How many seconds are left for the operation of this thread.

        Outside of one, it is the time for one command.
        """
        until = self._until()
        if until < math.inf:
            return max(until - time.monotonic(), 0.0)
        return math.inf if self.timeout is None else self.timeout

    def run(
        self,
        sock: socket.socket,
        command: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a command within the time that is left.

        :param sock: the connection's; it is shut down if time is up
        :raises TimeIsUp: if it was
        :raises RuntimeError: if no thread can be started that watches it;
            then the command was not begun
        """
        seconds = self.left()
        if not seconds:
            raise TimeIsUp('no time was left for another command')
        return self._run(seconds, sock, command, *args, **kwargs)

    def end(self, sock: socket.socket, command: Callable[[], None]) -> None:
        """Run what ends a transaction, which always has a second.

        :raises TimeIsUp: as :meth:`run`
        """
        self._run(max(self.left(), _GRACE), sock, command)

    def _run(
        self,
        seconds: float,
        sock: socket.socket,
        command: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        if seconds == math.inf:
            return command(*args, **kwargs)
        watch = object()
        self._begin(watch, sock, time.monotonic() + seconds)
        try:
            return command(*args, **kwargs)
        except Exception as error:
            if self._watched.pop(watch, None) is None:
                raise TimeIsUp(f'no answer within {seconds:.1f} s') from error
            raise
        finally:
            self._watched.pop(watch, None)

    def _until(self) -> float:
        until: float = getattr(self._local, 'until', math.inf)
        return until

    def _begin(self, watch: object, sock: socket.socket, at: float) -> None:
        with self._lock:
            if self._runs_in != os.getpid():
                # What a fork finds here is watched by its parent.
                self._watched.clear()
                self._runs_in = None
                # Under the lock: if the system has no thread left, nobody
                # relies on this one.
                threading.Thread(
                    target=self._watch_loop,
                    name='database watchdog',
                    daemon=True,
                ).start()
                self._runs_in = os.getpid()
                self._wakes_at = at
            elif at < self._wakes_at:
                self._changed.set()
            self._watched[watch] = sock, at

    def _watch_loop(self) -> None:
        while True:
            with self._lock:
                if not self._watched:
                    self._runs_in = None
                    return
                now = time.monotonic()
                ends: list[float] = []
                # A copy: commands that end take their watch away at any time.
                for watch, (sock, at) in self._watched.copy().items():
                    if at > now:
                        ends.append(at)
                    elif self._watched.pop(watch, None):
                        _shut_down(sock)
                self._wakes_at = min(ends, default=now)
            self._changed.wait(self._wakes_at - now)
            self._changed.clear()


def _shut_down(sock: socket.socket) -> None:
    # The driver may have closed it just now.
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def duplicate(fileno: int) -> socket.socket:
    """Another descriptor of a driver's socket.

    The watchdog must not shut down a descriptor that the driver has closed
    and that was given to somebody else since.
    """
    return socket.socket(fileno=os.dup(fileno))


def keep_alive(sock: Any, seconds: float) -> None:
    """Have the kernel find out in about so many seconds that a peer is gone.

    So an idle connection to a host that is away is closed before it is used.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    pause = max(1, round(seconds / 3))
    for name in ('TCP_KEEPIDLE', 'TCP_KEEPINTVL'):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), pause)
    if hasattr(socket, 'TCP_KEEPCNT'):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
