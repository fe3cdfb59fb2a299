"""One memcached: the connections to it, and when it is left alone."""

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

# Seconds, beyond a timeout, for which one that failed is not asked again.
_REST = 2.0

_FAILURES = (OSError, exceptions.MemcacheError, KeyError, ValueError)

# What becomes of a connection that the other side closed while it was idle.
_CLOSED = (
    ConnectionError,
    ssl.SSLError,
    exceptions.MemcacheUnexpectedCloseError,
)


class _Away(NamedTuple):
    until: float
    why: str


class Server:
    """Used by many threads, and on both sides of a fork.

    :param timeout: seconds, to connect or to answer
    :param tls_context: None for a connection in the clear
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
        # Each with the process that opened it.
        self._idle: collections.deque[tuple[int, base.Client]] = (
            collections.deque()
        )
        self._away: _Away | None = None
        self._closed = False

    def __str__(self) -> str:
        host, port = self._address
        return f'[{host}]:{port}' if ':' in host else f'{host}:{port}'

    def ask(self, request: Callable[[base.Client], T]) -> T:
        """As :meth:`insist`, unless the server is known to be away."""
        away = self._away
        if away is not None and time.monotonic() < away.until:
            raise self._unreachable(f'{away.why}, a moment ago')
        return self.insist(request)

    def insist(self, request: Callable[[base.Client], T]) -> T:
        """What ``request`` makes of a connection that is its own meanwhile.

        It is called again if the connection turns out to be closed.

        :raises DriverUnreachable: if the server does not do what it should
        """
        try:
            answer = self._with_client(request)
        except _FAILURES as error:
            why = str(error) or type(error).__name__
            self._lost(why)
            raise self._unreachable(why) from error
        if self._away is not None:
            self._away = None
            LOG.debug('memcached %s answers again.', self)
        return answer

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is not."""
        self._closed = True
        self._hang_up()

    def _with_client(self, request: Callable[[base.Client], T]) -> T:
        client = self._take()
        used = client.sock is not None
        try:
            try:
                answer = request(client)
            except _CLOSED:
                if not used:
                    raise
                self._hang_up()
                answer = request(client)
        except BaseException:
            # An answer that nobody waits for may still come.
            client.close()
            raise
        self._idle.append((os.getpid(), client))
        if self._closed:
            self._hang_up()
        return answer

    def _take(self) -> base.Client:
        with contextlib.suppress(IndexError):
            while True:
                pid, client = self._idle.pop()
                if pid == os.getpid():
                    return client
                # The parent's, which goes on with it.
                client.close()
        return base.Client(
            self._address,
            connect_timeout=self._timeout,
            timeout=self._timeout,
            no_delay=True,
            default_noreply=False,
            tls_context=self._tls_context,
        )

    def _hang_up(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop()[1].close()

    def _lost(self, why: str) -> None:
        self._hang_up()
        if self._away is None:
            # Whoever asks tells it to the user.
            LOG.debug(
                'memcached %s is away, and its members have no voice: %s',
                self,
                why,
            )
        self._away = _Away(time.monotonic() + self._timeout + _REST, why)

    def _unreachable(self, why: str) -> exception.DriverUnreachable:
        return exception.DriverUnreachable('memcache', str(self), why)
