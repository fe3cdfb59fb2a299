"""Stopping an RPC server soon, and without losing a call."""

import contextlib
import functools
from concurrent import futures
from typing import Any

from oslo_messaging import server as msg_server
from oslo_messaging.rpc import server as rpc_server

from sgconductor.messaging import polling

# Seconds.
_LOOK_EVERY = 0.2


class Server(rpc_server.RPCServer):
    """Looks several times a second whether it is to stop.

    With oslo.messaging 18.3 alone, an idle one takes up to 5 seconds.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        end_promptly(self)

    def _create_listener(self) -> Any:
        made = self.transport._listen(self._target, 1, _LOOK_EVERY)
        polling.hasten(made, _LOOK_EVERY)
        return made


def end_promptly(
    server: msg_server.MessageHandlingServer, workers: int | None = None
) -> None:
    """Have a server that is not started yet end with its last message.

    The workers of oslo.messaging's executor, futurist's, look once a second
    whether to end.

    :param workers: how many it has; None for ``executor_thread_pool_size``
    """
    server._executor_cls = lambda max_workers: futures.ThreadPoolExecutor(
        workers or max_workers
    )


def drain(server: msg_server.MessageHandlingServer) -> None:
    """Have the broker send no more, and take no more calls.

    oslo.messaging 18.3 acknowledges a call as it arrives, and until its
    connection is closed the broker goes on sending: what comes after the
    last look is acknowledged and run by nobody. So the listener's thread,
    before its last look, cancels its consumers; what has arrived until then
    is run as usual.
    """
    listener = server.listener._poll_style_listener
    # The bus in memory has neither.
    operations = getattr(listener, '_message_operations_handler', None)
    if operations is not None:
        operations.do(functools.partial(_cancel, listener.conn))
    server.stop()


def _cancel(connection: Any) -> None:
    # A connection that is gone brings no more calls either.
    with contextlib.suppress(Exception), connection._connection_lock:
        for consumer, tag in connection._consumers.items():
            consumer.cancel(tag)
