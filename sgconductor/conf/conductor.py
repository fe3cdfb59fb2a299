"""[conductor]: the daemon."""

import socket

from oslo_config import cfg

DATABASE_TIMEOUT = cfg.FloatOpt(
    'database_timeout',
    min=1,
    max=60,
    default=5,
    help='How long, in seconds, an operation on the database may take, with '
    'connecting to it and trying again after conflicts, before it fails. '
    'After that, the connection is closed. Commands that upgrade the tables '
    'may take longer. connect_timeout, read_timeout, write_timeout (PyMySQL), '
    'init_command and options (psycopg2) in [database] connection override '
    'what this option sets there.',
)

OPTS = [
    cfg.StrOpt(
        'host',
        default=socket.gethostname(),
        sample_default='<this host>',
        regex=r'^[A-Za-z0-9][A-Za-z0-9._:@-]*$',
        max_length=180,
        help='Unique host name used for RPC and membership. No two '
        'conductors may have the same.',
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
        help='Maximum number of beats written in one statement.',
    ),
    cfg.FloatOpt(
        'beat_batch_timeout',
        min=0.01,
        max=10,
        default=0.2,
        help='Maximum time, in seconds, that a beat waits to be written '
        'together with others.',
    ),
    cfg.HostAddressOpt(
        'metrics_host',
        default='127.0.0.1',
        help='The address on which Prometheus metrics are served.',
    ),
    cfg.PortOpt(
        'metrics_port',
        min=1,
        help='The port on which the first worker serves its metrics; each '
        'further worker uses the next port. Default: no metrics are served.',
    ),
    cfg.IntOpt(
        'startup_timeout',
        min=-1,
        default=-1,
        help='How long, in seconds, a starting conductor keeps trying to '
        'reach the broker and the database before it exits. 0 tries once; -1 '
        'never gives up. [database] max_retries has no effect: this option '
        'replaces it.',
    ),
    DATABASE_TIMEOUT,
]
