"""Hearing of new pins, from when somebody wants to."""

import threading
import uuid

from oslo_messaging import transport as transport_types

from sgconductor.messaging import graceful_server
from sgconductor.messaging import transports
from sgconductor.rpcapi import pin_cache
from sgconductor.rpcapi import pin_fanout


class PinListener:
    """
    :param transport: closed by whoever opened it
    :param pins: what learns of them
    """

    def __init__(
        self, transport: transport_types.RPCTransport, pins: pin_cache.PinCache
    ) -> None:
        self._transport = transport
        self._pins = pins
        # See the listener.
        in_memory = transport.conf.transport_url.startswith('fake:')
        self._listens_as = str(uuid.uuid4()) if in_memory else 'members'
        self._closed = False
        self._listening = threading.Lock()
        self._listener: graceful_server.Server | None = None

    def listen(self) -> None:
        """Listen from now on; again does no harm.

        :raises BrokerUnreachable: saying which, and why
        """
        with self._listening:
            if self._listener is None and not self._closed:
                # Without a broker, oslo.messaging would try for ever.
                transports.ping(self._transport)
                listener = pin_fanout.listener(
                    self._transport, self._pins.learn, self._listens_as
                )
                listener.start(override_pool_size=1)
                self._listener = listener

    def stop(self) -> None:
        """Listen no more; what that takes is waited for by :meth:`close`."""
        with self._listening:
            self._closed = True
            if self._listener is not None:
                self._listener.stop()

    def close(self) -> None:
        """Stop, and give back what it took."""
        self.stop()
        if self._listener is not None:
            self._listener.wait()
