"""Listening for new pins, from when a process needs them."""

import threading
import uuid
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import oslo_messaging as messaging
from oslo_messaging import transport as transport_types

from sgconductor.messaging import broker
from sgconductor.messaging import graceful_server
from sgconductor.messaging import topics
from sgconductor.rpcapi import pin_cache


class PinEndpoint:
    """Answers :class:`sgconductor.rpcapi.pin_fanout.PinFanout`.

    :param update: takes the epoch and the versions by binary
    """

    target = messaging.Target(version='1.0')

    def __init__(
        self, update: Callable[[int, Mapping[str, int]], object]
    ) -> None:
        self._update = update

    @messaging.expose  # type: ignore[untyped-decorator]
    def pins_changed(
        self, context: dict[str, Any], epoch: int, versions: dict[str, int]
    ) -> None:
        self._update(epoch, versions)


class PinListener:
    """Updates a process's pins when a conductor tells that they changed.

    :param transport: whoever opened it closes it
    :param pins: what to update
    """

    def __init__(
        self, transport: transport_types.RPCTransport, pins: pin_cache.PinCache
    ) -> None:
        self._transport = transport
        self._pins = pins
        self._closed = False
        # Guards starting and stopping.
        self._lock = threading.Lock()
        self._server: graceful_server.Server | None = None

    def listen(self) -> None:
        """Start listening; further calls do nothing.

        :raises BrokerUnreachable: naming the broker and the reason
        """
        with self._lock:
            if self._server is None and not self._closed:
                # Without a broker, oslo.messaging would retry for ever.
                broker.ping(self._transport)
                server = _server(self._transport, self._pins.update)
                server.start(override_pool_size=1)
                self._server = server

    def stop(self) -> None:
        """Stop listening; :meth:`close` waits until that is done."""
        with self._lock:
            self._closed = True
            if self._server is not None:
                self._server.stop()

    def close(self) -> None:
        """Stop, and close the connection."""
        self.stop()
        if self._server is not None:
            self._server.wait()


def _server(
    transport: transport_types.RPCTransport,
    update: Callable[[int, Mapping[str, int]], object],
) -> graceful_server.Server:
    # RabbitMQ gives each listener its own queue for what goes to all, and
    # keeps for ever the queue that is named for a server: there, all members
    # share one name. On the bus in memory, the name is what tells them apart.
    in_memory = transport.conf.transport_url.startswith('fake:')
    made: graceful_server.Server = messaging.get_rpc_server(
        transport,
        messaging.Target(
            exchange=topics.EXCHANGE,
            topic=topics.PINS_TOPIC,
            server=str(uuid.uuid4()) if in_memory else 'members',
        ),
        [PinEndpoint(update)],
        access_policy=messaging.ExplicitRPCAccessPolicy,
        server_cls=graceful_server.Server,
    )
    return made
