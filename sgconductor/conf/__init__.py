"""The configuration options, and the checks that need more than one.

Nothing here is global: a program creates a ConfigOpts, registers the options
with :func:`register_opts`, and passes it to :mod:`sgconductor.app`.
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

# A project registers these in a ConfigOpts of its own, where any other group
# may be taken by its own options.
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
    """Register the options of a member or a caller."""
    for group, opts in _OF_MEMBERS:
        conf.register_opts(opts, group=group)


def register_conductor_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of a conductor, and those of a member."""
    register_opts(conf)
    conf.register_opts(conductor.OPTS, group='conductor')


def register_api_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of the REST API, and those of a member."""
    register_opts(conf)
    conf.register_opts(api.OPTS, group='api')


def pace(conf: cfg.ConfigOpts) -> tuple[int, int]:
    """The intervals of a member's heartbeat over RPC.

    They are the slow ones where a driver detects failures at its own pace.

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
            f'longer than report_interval ({group.report_interval} s), else '
            f'every member is down between two beats. Three times as long is '
            f'usual.'
        )
    interval, down_after = pace(conf)
    if down_after <= interval:
        raise exception.ConfigError(
            f'[servicegroup] slow_down_after ({down_after} s) must be longer '
            f'than slow_report_interval ({interval} s). If they are not set, '
            f'they default to down_after and report_interval.'
        )
    if group.shadow_driver == group.driver:
        raise exception.ConfigError(
            f'[servicegroup] shadow_driver and driver are both '
            f'{group.driver!r}. Set shadow_driver to another driver, or '
            f'leave it unset.'
        )


def validate_server(conf: cfg.ConfigOpts) -> None:
    """Refuse values of [api] that sgconductor-api cannot serve safely.

    Those are noauth on an address that others can reach, and event streams
    that would leave no thread for requests.

    :raises ConfigError: naming the options and their values
    """
    group = conf.api
    if group.threads <= group.event_streams:
        raise exception.ConfigError(
            f'[api] threads ({group.threads}) must be more than '
            f'event_streams ({group.event_streams}): each stream occupies '
            f'one thread.'
        )
    if (
        group.auth_strategy == 'noauth'
        and not is_loopback(group.host)
        and not group.let_everybody_on_the_network_be_admin
    ):
        raise exception.ConfigError(
            f'[api] auth_strategy is noauth, so everybody who can reach '
            f'{group.host} would be an admin. Set host to 127.0.0.1, or '
            f'auth_strategy to keystone or http_basic; or, if everybody may '
            f'be an admin, let_everybody_on_the_network_be_admin to true.'
        )


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address is a loopback one."""
    try:
        return ipaddress.ip_address(host or '').is_loopback
    except ValueError:
        return host == 'localhost'
