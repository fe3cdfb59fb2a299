"""Connecting a listener again, whichever brokers are dead."""

import contextlib
import logging
from typing import Any

from amqp import exceptions as amqp_exc
from kombu import exceptions as kombu_exc

LOG = logging.getLogger(__name__)

# Seconds that a broker has to answer where there are no heartbeats.
_ANSWERS_WITHIN = 15


class _StoppedError(Exception):
    """The listener was stopped while it tried to connect."""


def connect_before_waiting(connection: Any) -> None:
    """Have a connection that is lost try each broker before it waits.

    oslo.messaging 18.3 connects again within the time for which it may wait
    for messages, and pauses for a second between two brokers. Where it waits
    for less than that, it tries one broker each time and passes over the
    others. If that broker is dead, the listener does not come back.

    :param connection: a Connection of oslo.messaging's RabbitMQ driver that
        is used for listening
    """
    consume = connection.consume

    def consume_connected(timeout: float | None = None) -> None:
        # None if it is closed.
        if connection.connection and not connection.connection.connected:
            if connection._consume_loop_stopped:
                return
            # If no broker can be reached, oslo.messaging finds that out too,
            # and paces the attempts.
            with contextlib.suppress(
                *(_StoppedError, kombu_exc.KombuError),
                *(amqp_exc.AMQPError, OSError),
            ):
                _connect(connection)
        consume(timeout=timeout)

    connection.consume = consume_connected


def _connect(connection: Any) -> None:
    """Try each broker once, beginning with the one that is next."""
    lost = connection.connection

    def check(*error: Any) -> None:
        if connection._consume_loop_stopped:
            raise _StoppedError

    # Whatever happens from here on, the consumers have to be started again.
    connection._new_tags = set(connection._consumers.values())
    lost.ensure_connection(
        errback=check,
        # So many after the first one; with 0, it would retry for ever.
        max_retries=max(1, len(lost.alt) - 1),
        interval_start=0,
        interval_step=0,
        interval_max=0,
    )
    try:
        _open_channel(connection)
    except Exception:
        # Half open, it would count as connected.
        lost.collect()
        raise
    LOG.info('A listener is connected to %s again.', lost.host)


def _open_channel(connection: Any) -> None:
    """Open a channel, which declares the queues, on what is connected now.

    ``connection.ensure_connection()`` would do so too. But if this broker
    dies as well, that connects again, for ever if so configured, and a
    listener that is told to stop would have to wait for a broker.
    """
    connected = connection.connection.connection
    # There is no timeout yet. This is what the driver sets afterwards.
    timeout = connection.heartbeat_timeout_threshold
    connected.sock.settimeout(timeout if timeout > 0 else _ANSWERS_WITHIN)
    connection._set_current_channel(connected.channel())
    connection.set_transport_socket_timeout()
