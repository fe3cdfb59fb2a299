"""Stopping an RPC server soon, and without losing a call."""

import functools
import logging
from concurrent import futures
from typing import Any

from oslo_messaging import server as msg_server
from oslo_messaging.rpc import server as rpc_server

from sgconductor.messaging import polling
from sgconductor.messaging import shortcuts

LOG = logging.getLogger(__name__)

# How often, in seconds, an idle server checks whether it is to stop.
_CHECK_EVERY = 0.2
# Seconds that a broker may be silent before a server that stops gives it up.
_SILENT_FOR = 2.0


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
        close_soon(made)
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


def close_soon(listener: Any) -> None:
    """Have a listener close its connection soon, also if the broker hangs.

    oslo.messaging 18.3 waits for several answers, for a heartbeat each, and
    may leave the connection open.

    :param listener: one that has not started yet
    """
    if shortcuts.Shortcut.CLOSE_SOON not in shortcuts.usable():
        return
    polled = listener._poll_style_listener
    context = getattr(polled, 'conn', None)
    # The bus in memory has none.
    if context is None:
        return
    cleanup = polled.cleanup

    def clean_up_soon() -> None:
        connection = context.connection.connection
        _wait_less(connection)
        cleanup()
        if connection.connected:
            connection.collect()

    polled.cleanup = clean_up_soon


def drain(server: msg_server.MessageHandlingServer) -> None:
    """Stop an RPC server's intake: what has arrived is still answered.

    ``server.wait()`` then waits for that. With ``server.stop()`` alone, calls
    can be lost: oslo.messaging 18.3 acknowledges each call as it reads it, and
    reads, but never runs, what the broker sends until the connection is
    closed. So here the broker is asked first to send no more, in the thread
    that reads, before it reads for the last time. A broker that is silent for
    two seconds then is given up, and its connection is closed. A release of
    the libraries in which that is not possible leaves ``server.stop()`` alone,
    and has logged a warning.
    """
    if shortcuts.Shortcut.CANCEL_CONSUMERS in shortcuts.usable():
        listener = server.listener._poll_style_listener
        # The bus in memory has none.
        operations = getattr(listener, '_message_operations_handler', None)
        if operations is not None:
            operations.do(functools.partial(_cancel, listener.conn.connection))
    server.stop()


def _cancel(connection: Any) -> None:
    """Have the broker send no more, and read what it has sent before that.

    :param connection: a Connection of oslo.messaging's RabbitMQ driver
    """
    try:
        _wait_less(connection.connection)
        with connection._connection_lock:
            for consumer, tag in connection._consumers.items():
                consumer.cancel(tag)
    except Exception as error:
        # A connection that is gone brings no more calls either, if nothing
        # connects it again.
        LOG.info('A broker is given up: %s', error)
        connection.stop_consuming()
        connection.connection.collect()


def _wait_less(connection: Any) -> None:
    """Have a connection wait less for each answer of the broker.

    :param connection: kombu's
    """
    if not connection.connected:
        return
    sock = connection.connection.sock
    before = sock.gettimeout()
    if before is None or before > _SILENT_FOR:
        sock.settimeout(_SILENT_FOR)
