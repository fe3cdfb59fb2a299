"""One memcached: its connections, and the pause after a failure."""

import collections
import contextlib
import logging
import os
import ssl
import time
from collections.abc import Callable
from typing import NamedTuple
from typing import TypeVar

from pymemcache import exceptions
from pymemcache.client import base

from sgconductor import exception

LOG = logging.getLogger(__name__)

T = TypeVar('T')

# Seconds after a failure for which no request is sent, besides a timeout.
_PAUSE = 2.0

_FAILURES = (OSError, exceptions.MemcacheError, KeyError, ValueError)

# The errors of a connection that the server closed while it was idle.
_CLOSED = (
    ConnectionError,
    ssl.SSLError,
    exceptions.MemcacheUnexpectedCloseError,
)


class _Failure(NamedTuple):
    """
    :ivar pause_until: by ``time.monotonic``
    """

    why: str
    pause_until: float


class Server:
    """A memcached, for many threads, and for both sides of a fork.

    :param timeout: seconds to wait for a connection or an answer
    :param tls_context: None for connections without TLS
    """

    def __init__(
        self,
        host: str,
        port: int,
        timeout: float,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._address = host, port
        self._timeout = timeout
        self._tls_context = tls_context
        # Connections, each with the id of the process that opened it.
        self._idle: collections.deque[tuple[int, base.Client]] = (
            collections.deque()
        )
        self._failure: _Failure | None = None
        self._closed = False

    def __str__(self) -> str:
        host, port = self._address
        return f'[{host}]:{port}' if ':' in host else f'{host}:{port}'

    def request(self, call: Callable[[base.Client], T]) -> T:
        """:meth:`try_request`, unless a request has just failed.

        :raises DriverUnreachable: also at once during the pause after a
            failure
        """
        failure = self._failure
        if failure is not None and time.monotonic() < failure.pause_until:
            raise self._unreachable(f'{failure.why}, a moment ago')
        return self.try_request(call)

    def try_request(self, call: Callable[[base.Client], T]) -> T:
        """Call a function with a connection.

        :param call: the function; it is called again if the connection
            turns out to be closed
        :returns: what the function returns
        :raises DriverUnreachable: if the server does not answer, or wrongly
        """
        try:
            answer = self._with_client(call)
        except _FAILURES as error:
            why = str(error) or type(error).__name__
            self._note_failure(why)
            raise self._unreachable(why) from error
        if self._failure is not None:
            self._failure = None
            LOG.debug('memcached %s answers again.', self)
        return answer

    def close(self) -> None:
        """Close idle connections now, and those in use after their request."""
        self._closed = True
        self._close_idle()

    def _with_client(self, call: Callable[[base.Client], T]) -> T:
        client = self._take()
        used = client.sock is not None
        try:
            try:
                answer = call(client)
            except _CLOSED:
                if not used:
                    raise
                self._close_idle()
                answer = call(client)
        except BaseException:
            # The answer may still come, and would be read as the next one.
            client.close()
            raise
        self._idle.append((os.getpid(), client))
        if self._closed:
            self._close_idle()
        return answer

    def _take(self) -> base.Client:
        with contextlib.suppress(IndexError):
            while True:
                pid, client = self._idle.pop()
                if pid == os.getpid():
                    return client
                # The parent process uses this connection.
                client.close()
        return base.Client(
            self._address,
            connect_timeout=self._timeout,
            timeout=self._timeout,
            no_delay=True,
            default_noreply=False,
            tls_context=self._tls_context,
        )

    def _close_idle(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop()[1].close()

    def _note_failure(self, why: str) -> None:
        self._close_idle()
        if self._failure is None:
            # The caller logs it for operators.
            LOG.debug(
                'memcached %s is away; its members are unknown: %s',
                self,
                why,
            )
        pause = self._timeout + _PAUSE
        self._failure = _Failure(why, time.monotonic() + pause)

    def _unreachable(self, why: str) -> exception.DriverUnreachable:
        return exception.DriverUnreachable('memcache', str(self), why)
