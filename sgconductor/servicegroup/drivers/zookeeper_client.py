"""A client of ZooKeeper that opens when it is needed, and fails fast."""

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

# Seconds: for an answer, for a goodbye, for a server to take a connection,
# and at most for the first one.
_PATIENCE = 2.0
_GREETING_PATIENCE = 3.0
_FIRST_PATIENCE = 5.0

# It never gives up, and tries about each second.
RETRY = {'max_tries': -1, 'delay': 0.1, 'max_delay': 1.0, 'max_jitter': 0.4}

_REFUSALS = {
    kazoo_exceptions.AuthFailedError: 'it does not take user and password',
    kazoo_exceptions.InvalidACLError: 'it does not take acl',
    kazoo_exceptions.NoAuthError: 'the ACL of a node forbids it; check user, '
    'password and acl, and who made the nodes below root',
}

_LOSSES = (
    kazoo_exceptions.ConnectionLoss,
    kazoo_exceptions.SessionExpiredError,
)


class Client:
    """One process's session, for as long as there is one.

    :param dial: makes a kazoo client, given its ``handler`` and ``logger``
    :param where: the servers, for people
    :param session_timeout: seconds
    :ivar connection: the number of the connection that is up, None while
        none is. What was read and watched over one of them is worth nothing
        over the next.
    :ivar connected_at: when that came to be, by the monotonic clock
    """

    def __init__(
        self,
        dial: Callable[..., Any],
        where: str,
        session_timeout: float,
    ) -> None:
        self._dial = dial
        self._where = where
        self._session_timeout = session_timeout
        self._log = _KazooLog(LOG, {})
        self._listeners: list[Callable[[], None]] = []
        # Guards which kazoo client is on.
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
        """Call ``listener`` at each change of ``connection``.

        It must not wait for anything.
        """
        self._listeners.append(listener)

    def check(self) -> None:
        """Connect if nobody has yet; at once but for the first time.

        :raises Unreachable: while there is no connection
        :raises ConfigError: if the server refuses user and password
        """
        self._ready()

    @property
    def session(self) -> int:
        """The id of the session.

        :raises: as :meth:`check`
        """
        client_id = self._ready().client_id
        if client_id is None:
            raise self.unreachable(self._log.trouble)
        return int(client_id[0])

    def ask(self, request: Callable[[Any], Any]) -> Any:
        """The answer to a request.

        :param request: given a kazoo client, makes it and returns the
            promise, as the methods ``…_async`` do
        :raises Unreachable: if there is none, and so it is not certain
        :raises ConfigError: if the server refuses it
        :raises NoNodeError: as kazoo does
        :raises NodeExistsError: as kazoo does
        """
        kazoo = self._ready()
        try:
            return _unwrap(request(kazoo).get(timeout=_PATIENCE))
        except (
            kazoo_exceptions.NoNodeError,
            kazoo_exceptions.NodeExistsError,
        ):
            raise
        except tuple(_REFUSALS) as error:
            raise self._refusal(type(error)) from None
        except KazooTimeoutError:
            raise self.unreachable(
                f'no answer within {_PATIENCE:g} s'
            ) from None
        except _LOSSES:
            raise self.unreachable(self._log.trouble) from None
        except kazoo_exceptions.KazooException as error:
            raise self.unreachable(repr(error)) from None

    def close(self) -> None:
        """End the session, and with it its nodes, for good."""
        with self._lock:
            kazoo, self._kazoo = self._kazoo, None
            self._closed = True
        self.connection = None
        self._connected_once.set()
        if kazoo is not None:
            _hang_up(kazoo).join(_PATIENCE)

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
                # kazoo has given up, as it does when it is refused.
                _hang_up(self._kazoo)
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
        self._kazoo = kazoo = self._dial(handler=handler, logger=self._log)
        self._lost_at = None
        self._first_deadline = time.monotonic() + min(
            self._session_timeout, _FIRST_PATIENCE
        )
        kazoo.add_listener(functools.partial(self._changed, kazoo))
        kazoo.start_async()

    def _changed(self, kazoo: Any, state: str) -> None:
        """Called by kazoo, in the thread that reads; it must not wait."""
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
            # A server that has lost its data hangs up on whoever has seen
            # more of it, for ever, and would never say that the session is
            # gone. Nothing of what was seen is held on to here.
            kazoo.last_zxid = 0
        if state == KazooState.LOST:
            self._lost_at = time.monotonic()
            self._refused = kazoo.client_state == KeeperState.AUTH_FAILED
        for listener in self._listeners:
            listener()


class _Handler(SequentialThreadingHandler):  # type: ignore[misc]
    """Has kazoo give up sooner on a server that does not greet.

    It would wait for as long as a session lasts, while other servers may be
    there, or the same one, which takes connections before it can serve.

    :param connected: says whether it did
    """

    def __init__(self, connected: Callable[[], bool]) -> None:
        super().__init__()
        self._connected = connected

    def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        kwargs['timeout'] = min(kwargs['timeout'], _GREETING_PATIENCE)
        return super().create_connection(*args, **kwargs)

    def select(self, *args: Any) -> Any:
        *files, timeout = args
        if not self._connected():
            timeout = min(timeout, _GREETING_PATIENCE)
        return super().select(*files, timeout)


class _KazooLog(logging.LoggerAdapter[logging.Logger]):
    """What kazoo logs, in a tone that suits it.

    It warns at each try to connect, where the driver's callers do so once
    for all, and on level DEBUG it tells passwords.

    :ivar trouble: its last words on why there is no connection
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
    """Raise the error that made a transaction fail, which is returned."""
    if isinstance(answer, list):
        for part in answer:
            if isinstance(part, Exception) and not isinstance(
                part, kazoo_exceptions.RolledBackError
            ):
                raise part
    return answer


def _hang_up(kazoo: Any) -> threading.Thread:
    """End a kazoo client, by a thread, for a server may hang."""

    def end() -> None:
        with contextlib.suppress(kazoo_exceptions.KazooException):
            kazoo.stop()
            kazoo.close()

    thread = threading.Thread(target=end, name='zookeeper-end', daemon=True)
    thread.start()
    return thread
