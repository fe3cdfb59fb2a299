"""Transports: the connections to the message bus."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import TypeVar

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_messaging import transport as transport_types
from oslo_utils import strutils
from oslo_versionedobjects import exception as ovo_exc

from sgconductor import conf as sg_conf
from sgconductor import exception
from sgconductor.messaging import delivery
from sgconductor.messaging import library_options
from sgconductor.messaging import shortcuts

T = TypeVar('T', bound=transport_types.Transport)

# Errors of these modules are built again on the caller's side.
_KNOWN_ERRORS = [exception.__name__, ovo_exc.__name__]

# The names of the driver for RabbitMQ in URLs.
_RABBITMQ = ('rabbit', 'kombu')
# Seconds: the shortest and the longest default of
# ``heartbeat_timeout_threshold``, which is this part of ``down_after``.
_HEARTBEAT = (3, 15)
_HEARTBEATS_WITHIN_DOWN_AFTER = 4
# A broker closes a connection that was silent for two heartbeats, which it
# checks once a heartbeat.
_HEARTBEATS_UNTIL_NOTICED = 3
# Seconds, where there are no heartbeats.
_NOTICED = 120
# Streams need a limit, and oslo.messaging has none by default.
_PREFETCH = 100


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
    return _make(
        messaging.get_rpc_transport,
        conf,
        conf.transport_url,
        allowed_remote_exmods=_KNOWN_ERRORS,
    )


def beat_transport(
    conf: cfg.ConfigOpts,
) -> transport_types.NotificationTransport:
    """The transport for beats, of the same URL.

    ``[oslo_messaging_notifications] transport_url`` is for a project's own
    notifications and is ignored.

    :raises ConfigError: for a URL that cannot be used
    """
    return _make(
        messaging.get_notification_transport, conf, conf.transport_url
    )


def event_transport(
    conf: cfg.ConfigOpts,
) -> transport_types.NotificationTransport:
    """The transport for notifications, of the URL that OpenStack uses:
    ``[oslo_messaging_notifications] transport_url``, else ``transport_url``.

    :raises ConfigError: for a URL that cannot be used
    """
    library_options.register(conf)
    url = conf.oslo_messaging_notifications.transport_url
    return _make(
        messaging.get_notification_transport, conf, url or conf.transport_url
    )


def noticed_within(conf: cfg.ConfigOpts) -> int:
    """Seconds after which the broker has noticed that a process is silent.

    By then, it has given what it had dealt to the process to others.

    :raises ConfigError: for a URL that cannot be used
    """
    sg_conf.register_opts(conf)
    library_options.register(conf)
    name = 'heartbeat_timeout_threshold'
    with _clear_url_errors():
        url = messaging.TransportURL.parse(conf, conf.transport_url)
        if url.transport not in _RABBITMQ:
            return _NOTICED
        values = _defaults(conf, url)
        if _is_set(conf, url, name):
            values = {name: conf[library_options.RABBIT][name], **url.query}
        return _HEARTBEATS_UNTIL_NOTICED * int(values[name]) or _NOTICED


def limit_prefetch(conf: cfg.ConfigOpts, messages: int) -> None:
    """Limit how many unacknowledged messages a listener takes, unless the
    configuration has a limit.

    :param conf: of transports that are made later
    """
    library_options.register(conf)
    conf.set_default(
        'rabbit_qos_prefetch_count', messages, library_options.RABBIT
    )


def name_queues_at_random(conf: cfg.ConfigOpts) -> None:
    """Do without oslo.messaging's queue manager, whatever is configured.

    It numbers the queues of one service on a host. Commands that run side by
    side would take each other's queues.

    :param conf: of transports that are made later
    """
    library_options.register(conf)
    conf.set_override('use_queue_manager', False, library_options.RABBIT)


def _make(
    make: Callable[..., T], conf: cfg.ConfigOpts, url: str, **more: Any
) -> T:
    sg_conf.register_opts(conf)
    library_options.register(conf)
    with _clear_url_errors():
        parsed = messaging.TransportURL.parse(conf, url)
        if parsed.transport in _RABBITMQ:
            # A query changes one transport. A default of the configuration
            # would change a project's own transports too.
            for name, value in _defaults(conf, parsed).items():
                if not _is_set(conf, parsed, name):
                    parsed.query[name] = str(value)
            if _is_true(conf, parsed, 'use_queue_manager'):
                library_options.provide_lock_path(conf)
        made = make(conf, url=parsed, **more)
    delivery.deliver_or_fail(made)
    return made


def _defaults(
    conf: cfg.ConfigOpts, url: messaging.TransportURL
) -> dict[str, int]:
    """Our defaults for options of oslo.messaging's driver for RabbitMQ."""
    _, down_after = sg_conf.pace(conf)
    shortest, longest = _HEARTBEAT
    heartbeat = down_after // _HEARTBEATS_WITHIN_DOWN_AFTER
    found = {
        # A silent broker is given up within twice as long, and in the same
        # time a broker gives up a silent conductor, and deals the beats that
        # it held to others.
        'heartbeat_timeout_threshold': max(shortest, min(heartbeat, longest))
    }
    if _is_true(conf, url, 'rabbit_stream_fanout'):
        found['rabbit_qos_prefetch_count'] = _PREFETCH
    if shortcuts.Shortcut.RECONNECT not in shortcuts.usable():
        # A second, as by default, is longer than a listener waits for beats,
        # and it would pass over brokers when it connects again.
        found['kombu_reconnect_delay'] = 0
    return found


def _is_set(
    conf: cfg.ConfigOpts, url: messaging.TransportURL, name: str
) -> bool:
    """Whether somebody has set an option for RabbitMQ."""
    found = conf.get_location(name, library_options.RABBIT)
    by_default = found and found.location is cfg.Locations.opt_default
    return name in url.query or not by_default


def _is_true(
    conf: cfg.ConfigOpts, url: messaging.TransportURL, name: str
) -> bool:
    if name in url.query:
        return bool(strutils.bool_from_string(url.query[name]))
    return bool(conf[library_options.RABBIT][name])


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
