"""The configuration options, and the checks that need more than one.

Nothing here is global: a program makes a ConfigOpts, hands it to
:func:`register_opts`, and passes it to :mod:`sgconductor.app`.
"""

import ipaddress
from collections.abc import Sequence

from oslo_config import cfg

from sgconductor import exception
from sgconductor.conf import api
from sgconductor.conf import conductor
from sgconductor.conf import memcache
from sgconductor.conf import servicegroup
from sgconductor.conf import zookeeper

# conf may be that of a project which has options of its own in any other.
_OF_MEMBERS: list[tuple[str, Sequence[cfg.Opt]]] = [
    ('servicegroup', servicegroup.OPTS),
    ('servicegroup_zookeeper', zookeeper.OPTS),
    ('servicegroup_memcache', memcache.OPTS),
]


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """The options by group, for oslo-config-generator."""
    return [
        ('api', api.OPTS),
        ('conductor', conductor.OPTS),
        *_OF_MEMBERS,
    ]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make known to ``conf`` what a member or a caller needs."""
    for group, opts in _OF_MEMBERS:
        conf.register_opts(opts, group=group)


def register_conductor_opts(conf: cfg.ConfigOpts) -> None:
    """Make known to ``conf`` what a conductor needs besides."""
    register_opts(conf)
    conf.register_opts(conductor.OPTS, group='conductor')


def register_api_opts(conf: cfg.ConfigOpts) -> None:
    """Make known to ``conf`` what the API needs."""
    register_opts(conf)
    conf.register_opts(api.OPTS, group='api')


def pace(conf: cfg.ConfigOpts) -> tuple[int, int]:
    """How a member beats over RPC.

    :returns: report_interval and down_after, in seconds
    """
    group = conf.servicegroup
    if group.driver == 'db':
        return group.report_interval, group.down_after
    return (
        group.slow_report_interval or group.report_interval,
        group.slow_down_after or group.down_after,
    )


def validate(conf: cfg.ConfigOpts) -> None:
    """Refuse a combination that cannot work.

    :raises ConfigError: naming the options and their values
    """
    group = conf.servicegroup
    if group.down_after <= group.report_interval:
        raise exception.ConfigError(
            f'[servicegroup] down_after ({group.down_after} s) must be '
            f'longer than report_interval ({group.report_interval} s), or '
            f'every member is down between two beats; three times is usual.'
        )
    interval, patience = pace(conf)
    if patience <= interval:
        raise exception.ConfigError(
            f'[servicegroup] slow_down_after ({patience} s) must be longer '
            f'than slow_report_interval ({interval} s); where one of them is '
            f'not set, it is down_after or report_interval.'
        )
    if group.shadow_driver == group.driver:
        raise exception.ConfigError(
            f'[servicegroup] shadow_driver is {group.driver!r}, and so is '
            f'driver; it is for a second one.'
        )


def validate_server(conf: cfg.ConfigOpts) -> None:
    """Refuse to let everybody on the network be an admin unasked, and to
    have no thread left for requests.

    :raises ConfigError: naming the options and their values
    """
    group = conf.api
    if group.threads <= group.event_streams:
        raise exception.ConfigError(
            f'[api] threads ({group.threads}) must be more than '
            f'event_streams ({group.event_streams}): each stream takes one.'
        )
    if (
        group.auth_strategy == 'noauth'
        and not is_loopback(group.host)
        and not group.let_everybody_on_the_network_be_admin
    ):
        raise exception.ConfigError(
            f'[api] auth_strategy is noauth, so everybody who reaches '
            f'{group.host} would be an admin. Set host to 127.0.0.1, or '
            f'auth_strategy to keystone or http_basic; or, if that is meant, '
            f'let_everybody_on_the_network_be_admin to true.'
        )


def is_loopback(host: str | None) -> bool:
    """Whether a name or an address means this host itself."""
    try:
        return ipaddress.ip_address(host or '').is_loopback
    except ValueError:
        return host == 'localhost'
