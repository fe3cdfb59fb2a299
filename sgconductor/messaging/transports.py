"""Transports: the connections to the message bus."""

import contextlib
from collections.abc import Iterator

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_messaging import transport as transport_types
from oslo_versionedobjects import exception as ovo_exc

from sgconductor import exception
from sgconductor.messaging import library_options
from sgconductor.messaging import shortcuts

# Errors of these modules are built again on the caller's side.
_KNOWN_ERRORS = [exception.__name__, ovo_exc.__name__]


def use_url(conf: cfg.ConfigOpts, transport_url: str) -> None:
    """Set ``transport_url`` in a configuration, whatever it was before."""
    # Parsing registers the option. A '$' would be read as the start of
    # another option's name.
    with _clear_url_errors():
        messaging.TransportURL.parse(conf, transport_url)
    conf.set_override('transport_url', transport_url.replace('$', '$$'))


def rpc_transport(conf: cfg.ConfigOpts) -> transport_types.RPCTransport:
    """The transport for calls, of ``transport_url``.

    :raises ConfigError: for a URL that cannot be used
    """
    _prepare(conf)
    with _clear_url_errors():
        return messaging.get_rpc_transport(
            conf, allowed_remote_exmods=_KNOWN_ERRORS
        )


def beat_transport(
    conf: cfg.ConfigOpts,
) -> transport_types.NotificationTransport:
    """The transport for beats, of the same URL.

    ``[oslo_messaging_notifications] transport_url`` is for a project's own
    notifications and is ignored.

    :raises ConfigError: for a URL that cannot be used
    """
    _prepare(conf)
    with _clear_url_errors():
        return messaging.get_notification_transport(
            conf, url=conf.transport_url
        )


def event_transport(
    conf: cfg.ConfigOpts,
) -> transport_types.NotificationTransport:
    """The transport for notifications, of the URL that OpenStack uses:
    ``[oslo_messaging_notifications] transport_url``, else ``transport_url``.

    :raises ConfigError: for a URL that cannot be used
    """
    _prepare(conf)
    with _clear_url_errors():
        return messaging.get_notification_transport(conf)


def limit_prefetch(conf: cfg.ConfigOpts, messages: int) -> None:
    """Limit how many unacknowledged messages a listener takes, unless the
    configuration has a limit.
    """
    # Only a transport of RabbitMQ has registered the option.
    with contextlib.suppress(cfg.NoSuchGroupError):
        conf.set_default(
            'rabbit_qos_prefetch_count', messages, 'oslo_messaging_rabbit'
        )


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


def _prepare(conf: cfg.ConfigOpts) -> None:
    library_options.register(conf)
    # A process logs at its start which shortcuts it goes without.
    shortcuts.usable()
