"""A client of ZooKeeper that connects when it is needed, and fails fast."""

import contextlib
import functools
import itertools
import logging
import threading
import time
from collections.abc import Callable
from collections.abc import MutableMapping
from typing import Any

from kazoo import exceptions as kazoo_exceptions
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol.states import KazooState
from kazoo.protocol.states import KeeperState

from sgconductor import exception

LOG = logging.getLogger(__name__)

# Seconds to wait for an answer or for the end of a session; for a server to
# accept a session; and, at most, for the first connection.
_TIMEOUT = 2.0
_CONNECT_TIMEOUT = 3.0
_FIRST_TIMEOUT = 5.0

# kazoo tries again about each second, for ever.
RETRY = {'max_tries': -1, 'delay': 0.1, 'max_delay': 1.0, 'max_jitter': 0.4}

_REFUSALS = {
    kazoo_exceptions.AuthFailedError: 'it does not accept user and password',
    kazoo_exceptions.InvalidACLError: 'it does not accept acl',
    kazoo_exceptions.NoAuthError: 'the ACL of a node forbids it; check user, '
    'password and acl, and who created the nodes below root',
}

_LOSSES = (
    kazoo_exceptions.ConnectionLoss,
    kazoo_exceptions.SessionExpiredError,
)


class Client:
    """The session of one process.

    :param make_kazoo: makes a kazoo client, given ``handler`` and ``logger``
    :param where: the servers, for people
    :param session_timeout: seconds
    :ivar connection: the number of the current connection, or None if there
        is none. Data and watches of an earlier connection are not valid any
        more.
    :ivar connected_at: when the connection was made, by ``time.monotonic``
    """

    def __init__(
        self,
        make_kazoo: Callable[..., Any],
        where: str,
        session_timeout: float,
    ) -> None:
        self._make_kazoo = make_kazoo
        self._where = where
        self._session_timeout = session_timeout
        self._log = _KazooLog(LOG, {})
        self._listeners: list[Callable[[], None]] = []
        # Guards self._kazoo.
        self._lock = threading.Lock()
        self._kazoo: Any = None
        self._closed = False
        self._numbers = itertools.count(1)
        self.connection: int | None = None
        self.connected_at = float('-inf')
        self._connected_once = threading.Event()
        self._first_deadline = 0.0
        self._lost_at: float | None = None
        self._refused = False

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each change of ``connection``.

        The listener must not block.
        """
        self._listeners.append(listener)

    def check(self) -> None:
        """Check that there is a connection. The first call waits for it.

        :raises DriverUnreachable: if there is no connection
        :raises ConfigError: if the server refuses user and password
        """
        self._ready()

    @property
    def session(self) -> int:
        """The id of the session.

        :raises DriverUnreachable: as for :meth:`check`
        :raises ConfigError: as for :meth:`check`
        """
        client_id = self._ready().client_id
        if client_id is None:
            raise self.unreachable(self._log.trouble)
        return int(client_id[0])

    def ask(self, request: Callable[[Any], Any]) -> Any:
        """Send a request, and wait for the answer.

        :param request: takes a kazoo client and returns a promise, as its
            methods ``…_async`` do
        :returns: the answer
        :raises DriverUnreachable: if there is no answer; the request may
            have been done
        :raises ConfigError: if the server refuses the request
        :raises NoNodeError: as kazoo does
        :raises NodeExistsError: as kazoo does
        """
        kazoo = self._ready()
        try:
            return _unwrap(request(kazoo).get(timeout=_TIMEOUT))
        except (
            kazoo_exceptions.NoNodeError,
            kazoo_exceptions.NodeExistsError,
        ):
            raise
        except tuple(_REFUSALS) as error:
            raise self._refusal(type(error)) from None
        except KazooTimeoutError:
            raise self.unreachable(
                f'no answer within {_TIMEOUT:g} s'
            ) from None
        except _LOSSES:
            raise self.unreachable(self._log.trouble) from None
        except kazoo_exceptions.KazooException as error:
            raise self.unreachable(repr(error)) from None

    def close(self) -> None:
        """End the session, which deletes its nodes, for good."""
        with self._lock:
            kazoo, self._kazoo = self._kazoo, None
            self._closed = True
        self.connection = None
        self._connected_once.set()
        if kazoo is not None:
            _stop(kazoo).join(_TIMEOUT)

    def unreachable(self, why: str) -> exception.DriverUnreachable:
        return exception.DriverUnreachable('zookeeper', self._where, why)

    def _refusal(self, kind: type[Exception]) -> exception.ConfigError:
        return exception.ConfigError(
            f'[servicegroup_zookeeper] ZooKeeper at {self._where} refuses a '
            f'request: {_REFUSALS[kind]}'
        )

    def _ready(self) -> Any:
        with self._lock:
            if self._closed:
                raise self.unreachable('the driver is closed')
            if self._kazoo is None:
                self._open()
            elif self._is_lost():
                # kazoo has given up, as it does when the server refuses it.
                _stop(self._kazoo)
                self._open()
            kazoo = self._kazoo
        self._connected_once.wait(
            max(0.0, self._first_deadline - time.monotonic())
        )
        if self.connection is None:
            if self._refused:
                raise self._refusal(kazoo_exceptions.AuthFailedError)
            raise self.unreachable(self._log.trouble)
        return kazoo

    def _is_lost(self) -> bool:
        lost_at = self._lost_at
        return (
            lost_at is not None
            and time.monotonic() - lost_at > self._session_timeout
        )

    def _open(self) -> None:
        handler = _Handler(lambda: self.connection is not None)
        self._kazoo = kazoo = self._make_kazoo(
            handler=handler, logger=self._log
        )
        self._lost_at = None
        self._first_deadline = time.monotonic() + min(
            self._session_timeout, _FIRST_TIMEOUT
        )
        kazoo.add_listener(functools.partial(self._changed, kazoo))
        kazoo.start_async()

    def _changed(self, kazoo: Any, state: str) -> None:
        """Called by kazoo in the thread that reads, which must not block."""
        if kazoo is not self._kazoo:
            return
        if state == KazooState.CONNECTED:
            self.connection = next(self._numbers)
            self.connected_at = time.monotonic()
            self._lost_at = None
            self._refused = False
            self._connected_once.set()
        else:
            self.connection = None
            # A server that has lost its data rejects clients that have seen
            # newer data, for ever, without saying that their session has
            # ended. Forget what was seen: none of it is used any more.
            kazoo.last_zxid = 0
        if state == KazooState.LOST:
            self._lost_at = time.monotonic()
            self._refused = kazoo.client_state == KeeperState.AUTH_FAILED
        for listener in self._listeners:
            listener()


class _Handler(SequentialThreadingHandler):  # type: ignore[misc]
    """A handler that waits less for a server that does not accept a session.

    kazoo would wait for the session timeout. Meanwhile another server may be
    available, or the same one, which accepts connections before it is ready.

    :param connected: whether the server has accepted the session
    """

    def __init__(self, connected: Callable[[], bool]) -> None:
        super().__init__()
        self._connected = connected

    def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        kwargs['timeout'] = min(kwargs['timeout'], _CONNECT_TIMEOUT)
        return super().create_connection(*args, **kwargs)

    def select(self, *args: Any) -> Any:
        *files, timeout = args
        if not self._connected():
            timeout = min(timeout, _CONNECT_TIMEOUT)
        return super().select(*files, timeout)


class _KazooLog(logging.LoggerAdapter[logging.Logger]):
    """Kazoo's log, with lower levels.

    kazoo warns at each try to connect, while callers of the driver log an
    outage once. Its DEBUG lines contain passwords, and are dropped.

    :ivar trouble: the last warning, which says why there is no connection
    """

    trouble = 'there is no connection yet'

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        return f'kazoo: {msg}', kwargs

    def log(self, level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
        if level == logging.WARNING and args:
            self.trouble = msg % args
        if level >= logging.ERROR:
            super().log(level, msg, *args, **kwargs)
        elif level >= logging.INFO:
            super().log(logging.DEBUG, msg, *args, **kwargs)


def _unwrap(answer: Any) -> Any:
    """Raise the error of a failed transaction, which kazoo returns."""
    if isinstance(answer, list):
        for part in answer:
            if isinstance(part, Exception) and not isinstance(
                part, kazoo_exceptions.RolledBackError
            ):
                raise part
    return answer


def _stop(kazoo: Any) -> threading.Thread:
    """Stop a kazoo client in a thread, for the server may hang."""

    def stop() -> None:
        with contextlib.suppress(kazoo_exceptions.KazooException):
            kazoo.stop()
            kazoo.close()

    thread = threading.Thread(target=stop, name='zookeeper-stop', daemon=True)
    thread.start()
    return thread
