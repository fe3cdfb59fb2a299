"""[conductor]: the daemon."""

import socket

from oslo_config import cfg

OPTS = [
    cfg.StrOpt(
        'host',
        default=socket.gethostname(),
        sample_default='<this host>',
        regex=r'^[A-Za-z0-9][A-Za-z0-9._:@-]*$',
        max_length=180,
        help='Name of this host, by which its conductor can be called, and '
        'as which it is a member; no two of them may have the same.',
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
    cfg.HostAddressOpt(
        'metrics_host',
        default='127.0.0.1',
        help='The address on which metrics are served for Prometheus.',
    ),
    cfg.PortOpt(
        'metrics_port',
        min=1,
        help='The port for it: of the first worker; each other has the next. '
        'Default: none are served.',
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
