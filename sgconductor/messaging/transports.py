"""Transports: the connections to the message bus."""

import contextlib
import logging
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

LOG = logging.getLogger(__name__)

T = TypeVar('T', bound=transport_types.Transport)

# Errors of these modules are built again on the caller's side.
_KNOWN_ERRORS = [exception.__name__, ovo_exc.__name__]

# The names of the driver for RabbitMQ in URLs.
_RABBITMQ = ('rabbit', 'kombu')
_HEARTBEAT = 'heartbeat_timeout_threshold'
# Seconds: its shortest and its longest default.
_SHORTEST, _LONGEST = 1, 15
# A broker closes a connection that was silent for two heartbeats, which it
# checks once a heartbeat.
_HEARTBEATS_UNTIL_NOTICED = 3
# How many fit between the moment of a member's next beat and ``down_after``:
# one more, in which others write the beats that they get then.
_HEARTBEATS_THAT_FIT = _HEARTBEATS_UNTIL_NOTICED + 1
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
    heartbeat = _heartbeat(conf)
    return _HEARTBEATS_UNTIL_NOTICED * (heartbeat or 0) or _NOTICED


def warn_of_late_notice(conf: cfg.ConfigOpts) -> None:
    """Warn if the broker notices a silent conductor too late.

    Members whose beats it has dealt to that conductor would be called down.

    :param conf: a conductor's
    :raises ConfigError: for a URL that cannot be used
    """
    heartbeat = _heartbeat(conf)
    if heartbeat is None:
        return
    interval, down_after = sg_conf.pace(conf)
    noticed = _HEARTBEATS_UNTIL_NOTICED * heartbeat
    if heartbeat and noticed + interval < down_after:
        return
    option = f'[{library_options.RABBIT}] {_HEARTBEAT}'
    slow = '' if conf.servicegroup.driver == 'db' else 'slow_'
    most = (down_after - interval - 1) // _HEARTBEATS_UNTIL_NOTICED
    least = _HEARTBEATS_UNTIL_NOTICED * max(heartbeat, _SHORTEST) + interval
    LOG.warning(
        'Live members may be called down if this conductor loses the broker: '
        'it gives their beats to others within %s, which together with '
        '%sreport_interval (%d s) is not less than %sdown_after (%d s). %s.',
        f'three times {option} ({heartbeat} s)'
        if heartbeat
        else f'no time that is known, because {option} is 0',
        *(slow, interval, slow, down_after),
        f'Set {option} to {most} or less, but not to 0'
        if most >= _SHORTEST
        else f'Set {slow}down_after to more than {least} s',
    )


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
            of_file = conf[library_options.RABBIT][_HEARTBEAT]
            if int(parsed.query.get(_HEARTBEAT, of_file)) < 0:
                raise ValueError(f'{_HEARTBEAT} must not be less than 0')
            if _is_true(conf, parsed, 'use_queue_manager'):
                library_options.provide_lock_path(conf)
        made = make(conf, url=parsed, **more)
    delivery.deliver_or_fail(made)
    return made


def _heartbeat(conf: cfg.ConfigOpts) -> int | None:
    """Seconds between AMQP heartbeats; 0 if they are off.

    It is None if ``transport_url`` names another kind of broker.

    :raises ConfigError: for a URL that cannot be used
    """
    sg_conf.register_opts(conf)
    library_options.register(conf)
    with _clear_url_errors():
        url = messaging.TransportURL.parse(conf, conf.transport_url)
        if url.transport not in _RABBITMQ:
            return None
        values: dict[str, Any] = {**_defaults(conf, url)}
        if _is_set(conf, url, _HEARTBEAT):
            set_to = conf[library_options.RABBIT][_HEARTBEAT]
            values = {_HEARTBEAT: set_to, **url.query}
        return int(values[_HEARTBEAT])


def _defaults(
    conf: cfg.ConfigOpts, url: messaging.TransportURL
) -> dict[str, int]:
    """Our defaults for options of oslo.messaging's driver for RabbitMQ."""
    interval, down_after = sg_conf.pace(conf)
    heartbeat = (down_after - interval) // _HEARTBEATS_THAT_FIT
    # A broker gives up a silent conductor within three times as long, and
    # deals the beats that it held to others. Their members must not have been
    # silent for down_after then, nor those that were about to beat.
    found = {_HEARTBEAT: max(_SHORTEST, min(heartbeat, _LONGEST))}
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
