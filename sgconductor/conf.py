"""The configuration options, and the checks that need more than one.

Nothing here is global: a program makes a ConfigOpts, hands it to
:func:`register_opts`, and passes it to :mod:`sgconductor.app`.
"""

import socket
from collections.abc import Sequence

from oslo_config import cfg

from sgconductor import exception

_CONDUCTOR_OPTS = [
    cfg.StrOpt(
        'host',
        default=socket.gethostname(),
        sample_default='<this host>',
        regex=r'^[A-Za-z0-9][A-Za-z0-9._:@-]*$',
        max_length=190,
        help='Name of this host, by which its conductor can be called.',
    ),
    cfg.IntOpt(
        'workers',
        min=1,
        default=1,
        help='Number of conductor worker processes on this host.',
    ),
    cfg.IntOpt(
        'beat_batch_size',
        min=1,
        max=1000,
        default=250,
        help='The most beats that are written in one statement.',
    ),
    cfg.FloatOpt(
        'beat_batch_timeout',
        min=0.01,
        max=10,
        default=0.2,
        help='The longest, in seconds, that a beat waits for others to be '
        'written with it.',
    ),
    cfg.IntOpt(
        'startup_timeout',
        min=-1,
        default=-1,
        help='How long, in seconds, a conductor keeps trying to reach the '
        'broker and the database when it starts, before it exits. 0 tries '
        'once; -1 never gives up. It stands in for [database] max_retries, '
        'which has no effect here.',
    ),
]

_SERVICEGROUP_OPTS = [
    cfg.StrOpt(
        'driver',
        default='db',
        help='The driver whose word on liveness counts beside the table. '
        'Conductors and members must use the same.',
    ),
    cfg.IntOpt(
        'report_interval',
        min=1,
        max=86400,
        default=10,
        help='Seconds between two beats of a member.',
    ),
    cfg.IntOpt(
        'down_after',
        min=2,
        max=86400,
        default=60,
        help='Seconds without a beat after which a member is down. It must '
        'be longer than report_interval.',
    ),
    cfg.IntOpt(
        'sync_interval',
        min=1,
        default=60,
        help='Seconds, on average, between two calls by which a member asks '
        'the conductor for its word on it.',
    ),
    cfg.StrOpt(
        'on_deleted',
        choices=[
            ('stop', 'log an error and stop beating'),
            ('rejoin', 'join again, as a new service'),
        ],
        default='stop',
        help='What a running member does when its service was deleted.',
    ),
]


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """The options by group, for oslo-config-generator."""
    return [
        ('conductor', _CONDUCTOR_OPTS),
        ('servicegroup', _SERVICEGROUP_OPTS),
    ]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make known to ``conf`` what a member or a caller needs.

    It is one group, for ``conf`` may be that of a project which has options
    of its own in any other.
    """
    conf.register_opts(_SERVICEGROUP_OPTS, group='servicegroup')


def register_conductor_opts(conf: cfg.ConfigOpts) -> None:
    """Make known to ``conf`` what a conductor needs besides."""
    register_opts(conf)
    conf.register_opts(_CONDUCTOR_OPTS, group='conductor')


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
