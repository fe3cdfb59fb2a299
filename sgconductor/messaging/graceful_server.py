"""Stopping an RPC server soon, and without losing a call."""

import contextlib
import functools
from concurrent import futures
from typing import Any

from oslo_messaging import server as msg_server
from oslo_messaging.rpc import server as rpc_server

from sgconductor.messaging import polling
from sgconductor.messaging import shortcuts

# How often, in seconds, an idle server checks whether it is to stop.
_CHECK_EVERY = 0.2


class Server(rpc_server.RPCServer):
    """An RPC server that stops soon when it is told to.

    With oslo.messaging 18.3 alone, an idle one takes up to 5 seconds.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stop_workers_at_once(self)

    def _create_listener(self) -> Any:
        if shortcuts.Shortcut.STOP_SERVER in shortcuts.usable():
            made = self.transport._listen(self._target, 1, _CHECK_EVERY)
        else:
            made = super()._create_listener()
        polling.speed_up(made, _CHECK_EVERY)
        return made


def stop_workers_at_once(server: msg_server.MessageHandlingServer) -> None:
    """Have a server's worker threads end when its last message is handled.

    oslo.messaging uses futurist's threads, which check once a second whether
    they are to end.

    :param server: one that has not started yet
    """
    if shortcuts.Shortcut.STOP_WORKERS in shortcuts.usable():
        server._executor_cls = futures.ThreadPoolExecutor


def start(server: msg_server.MessageHandlingServer, **options: Any) -> None:
    """Start a server, also one that was stopped before.

    If it does not start, it is stopped again: to wait for it would otherwise
    take for ever.

    :param options: of its ``start()``
    """
    # That of an earlier start is closed.
    server.listener = None
    try:
        server.start(**options)
    except BaseException:
        server.stop()
        raise


def drain(server: msg_server.MessageHandlingServer) -> None:
    """Stop an RPC server's intake: what has arrived is still answered.

    ``server.wait()`` then waits for that. With ``server.stop()`` alone, calls
    can be lost: oslo.messaging 18.3 acknowledges each call as it reads it, and
    reads, but never runs, what the broker sends until the connection is
    closed. So here the broker is asked first to send no more, in the thread
    that reads, before it reads for the last time. A release of the libraries
    in which that is not possible leaves ``server.stop()`` alone, and has
    logged a warning.
    """
    if shortcuts.Shortcut.CANCEL_CONSUMERS in shortcuts.usable():
        listener = server.listener._poll_style_listener
        # The bus in memory has none.
        operations = getattr(listener, '_message_operations_handler', None)
        if operations is not None:
            operations.do(functools.partial(_cancel, listener.conn))
    server.stop()


def _cancel(connection: Any) -> None:
    # A connection that is gone brings no more calls either.
    with contextlib.suppress(Exception), connection._connection_lock:
        for consumer, tag in connection._consumers.items():
            consumer.cancel(tag)
