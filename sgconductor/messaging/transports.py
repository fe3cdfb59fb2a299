"""What both ends of the bus agree on."""

import contextlib
from collections.abc import Iterator
from typing import Any

import oslo_messaging as messaging
from amqp import exceptions as amqp_exc
from kombu import exceptions as kombu_exc
from oslo_config import cfg
from oslo_messaging import transport as transport_types
from oslo_messaging._metrics import client as _metrics
from oslo_messaging._tracing import client as _tracing
from oslo_versionedobjects import exception as ovo_exc

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.objects import base as objects_base
from sgconductor.objects import fast_codec

# An exchange of our own, so that members find the conductor whatever
# control_exchange their project has set.
EXCHANGE = 'sgconductor'
RPC_TOPIC = 'sgconductor'
BEATS_TOPIC = 'sgconductor-beats'
BEAT = 'service.beat'

# Errors of these modules are built again on the caller's side.
_KNOWN_ERRORS = [exception.__name__, ovo_exc.__name__]


class Serializer(objects_base.Serializer):
    """Objects and contexts, to the wire and back.

    :param here: ``backend=`` or ``conductor=`` for contexts that arrive
    """

    def __init__(self, **here: Any) -> None:
        super().__init__()
        self._here = here
        self._trusts = 'conductor' in here

    def deserialize_entity(self, context: Any, entity: Any) -> Any:
        if self._trusts:
            loaded = fast_codec.load(context, entity)
            if loaded is not None:
                return loaded
        return super().deserialize_entity(context, entity)

    def serialize_context(
        self, context: sg_context.RequestContext
    ) -> dict[str, Any]:
        return context.to_dict()

    def deserialize_context(
        self, context: dict[str, Any]
    ) -> sg_context.RequestContext:
        return sg_context.RequestContext.from_dict(context, **self._here)


def use_url(conf: cfg.ConfigOpts, transport_url: str) -> None:
    """Set ``transport_url`` in a configuration, whatever it has there."""
    # Parsing is what makes the option known. A '$' would be taken for the
    # name of another one.
    with _clear_url_errors():
        messaging.TransportURL.parse(conf, transport_url)
    conf.set_override('transport_url', transport_url.replace('$', '$$'))


def rpc_transport(conf: cfg.ConfigOpts) -> transport_types.RPCTransport:
    """The transport for calls, of ``transport_url``.

    :raises ConfigError: for a URL that cannot be used
    """
    _register_globals(conf)
    with _clear_url_errors():
        return messaging.get_rpc_transport(
            conf, allowed_remote_exmods=_KNOWN_ERRORS
        )


def beat_transport(
    conf: cfg.ConfigOpts,
) -> transport_types.NotificationTransport:
    """The transport for beats, of the same URL.

    ``[oslo_messaging_notifications] transport_url`` is for a project's own
    notifications and is left out of account.

    :raises ConfigError: for a URL that cannot be used
    """
    _register_globals(conf)
    with _clear_url_errors():
        return messaging.get_notification_transport(
            conf, url=conf.transport_url
        )


def event_transport(
    conf: cfg.ConfigOpts,
) -> transport_types.NotificationTransport:
    """The transport for notifications, as the ecosystem configures it.

    :raises ConfigError: for a URL that cannot be used
    """
    _register_globals(conf)
    with _clear_url_errors():
        return messaging.get_notification_transport(conf)


def limit_prefetch(conf: cfg.ConfigOpts, messages: int) -> None:
    """Let a listener take no more than so many messages that it has not
    acknowledged, unless the configuration says otherwise.
    """
    # Only a transport of RabbitMQ has made the option known.
    with contextlib.suppress(cfg.NoSuchGroupError):
        conf.set_default(
            'rabbit_qos_prefetch_count', messages, 'oslo_messaging_rabbit'
        )


def broker(transport: messaging.Transport, url: str | None = None) -> str:
    """Where a transport goes, without the password, for messages.

    :param url: where it goes, if not to ``transport_url``
    """
    parsed = messaging.TransportURL.parse(
        transport.conf, url or transport.conf.transport_url
    )
    hosts = ','.join(f'{h.hostname}:{h.port}' for h in parsed.hosts)
    return f'{parsed.transport}://{hosts}/{parsed.virtual_host or ""}'


def ping(transport: transport_types.RPCTransport) -> None:
    """Reach the broker once.

    :raises BrokerUnreachable: saying which, and why
    """
    # Nobody listens there; the broker takes the message and drops it.
    client = messaging.get_rpc_client(
        transport,
        messaging.Target(exchange=EXCHANGE, topic=f'{RPC_TOPIC}.ping'),
        retry=1,
    )
    with clear_broker_errors(transport):
        client.cast({}, 'ping')


@contextlib.contextmanager
def clear_broker_errors(
    transport: transport_types.Transport, url: str | None = None
) -> Iterator[None]:
    """Say which broker, where oslo.messaging or kombu say only what.

    :raises BrokerUnreachable: for what they raise
    """
    try:
        yield
    except (
        messaging.MessageDeliveryFailure,
        kombu_exc.OperationalError,
        amqp_exc.AMQPError,
    ) as error:
        raise exception.BrokerUnreachable(
            broker(transport, url), str(error)
        ) from None


@contextlib.contextmanager
def _clear_url_errors() -> Iterator[None]:
    try:
        yield
    except (
        messaging.InvalidTransportURL,
        messaging.DriverLoadFailure,
        ImportError,
        ValueError,
    ) as error:
        raise exception.ConfigError(
            f'transport_url cannot be used: {error}'
        ) from None


def _register_globals(conf: cfg.ConfigOpts) -> None:
    # oslo.messaging 18.3 registers these on the global configuration alone
    # and then reads them from the transport's: without them, every send on a
    # private configuration fails with NoSuchOptError.
    conf.register_opts(
        _metrics.oslo_messaging_metrics, group='oslo_messaging_metrics'
    )
    conf.register_opts(
        _tracing.oslo_messaging_tracing, group='oslo_messaging_tracing'
    )
