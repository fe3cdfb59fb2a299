"""The broker: its address, whether it can be reached, and its errors."""

import contextlib
from collections.abc import Iterator

import oslo_messaging as messaging
from amqp import exceptions as amqp_exc
from kombu import exceptions as kombu_exc
from oslo_messaging import transport as transport_types

from sgconductor import exception
from sgconductor.messaging import topics


def address(
    transport: transport_types.Transport, url: str | None = None
) -> str:
    """The broker's URL without the password, for messages.

    :param url: of the transport, if it is not ``transport_url``
    """
    parsed = messaging.TransportURL.parse(
        transport.conf, url or transport.conf.transport_url
    )
    hosts = ','.join(f'{h.hostname}:{h.port}' for h in parsed.hosts)
    return f'{parsed.transport}://{hosts}/{parsed.virtual_host or ""}'


def retries(
    transport: transport_types.Transport, url: str | None = None
) -> int:
    """How often to try again, so that each broker of a URL is tried once.

    oslo.messaging takes the number as ``retry``. A single broker is tried
    twice: its connection may have been cut, and not the broker itself.

    :param url: of the transport, if it is not ``transport_url``
    """
    parsed = messaging.TransportURL.parse(
        transport.conf, url or transport.conf.transport_url
    )
    return max(1, len(parsed.hosts) - 1)


@contextlib.contextmanager
def clear_errors(
    transport: transport_types.Transport, url: str | None = None
) -> Iterator[None]:
    """Turn the libraries' errors into one that names the broker.

    :param url: of the transport, if it is not ``transport_url``
    :raises BrokerUnreachable: for the errors of oslo.messaging, kombu, amqp
    """
    try:
        yield
    except (
        messaging.MessageDeliveryFailure,
        messaging.MessageUndeliverable,
        kombu_exc.OperationalError,
        amqp_exc.AMQPError,
    ) as error:
        raise exception.BrokerUnreachable(
            address(transport, url), str(error)
        ) from None


class Probe:
    """Finds out whether the broker can be reached.

    :param url: of the transport, if it is not ``transport_url``
    """

    def __init__(
        self, transport: transport_types.Transport, url: str | None = None
    ) -> None:
        self._transport = transport
        self._url = url
        # Nobody listens there: the broker drops the message.
        self._client = messaging.get_rpc_client(
            transport,
            messaging.Target(
                exchange=topics.EXCHANGE, topic=f'{topics.RPC_TOPIC}.ping'
            ),
            retry=retries(transport, url),
        )

    def ping(self) -> None:
        """Send the broker one message.

        :raises BrokerUnreachable: naming the broker and the reason
        """
        with clear_errors(self._transport, self._url):
            self._client.cast({}, 'ping')


def ping(transport: transport_types.RPCTransport) -> None:
    """Send the broker one message that nobody receives.

    :raises BrokerUnreachable: naming the broker and the reason
    """
    Probe(transport).ping()
