"""[servicegroup]: what makes a member, and who says that it lives."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt(
        'driver',
        default='db',
        help='The driver whose word on liveness counts beside the table: db '
        '(the table alone), zookeeper, memcache, or one that another package '
        'brings. Conductors and members must use the same.',
    ),
    cfg.StrOpt(
        'shadow_driver',
        help='A second driver that members feed as well. The conductor '
        'compares its word with that of the first, which alone decides. It '
        'is the way from one driver to another: see "Move to another driver" '
        'in the README.',
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
        'slow_report_interval',
        min=1,
        max=86400,
        help='Seconds between two beats of a member over RPC while driver is '
        'not db and so detects at its own pace. Default: report_interval.',
    ),
    cfg.IntOpt(
        'slow_down_after',
        min=2,
        max=86400,
        help='As down_after, for members that beat each '
        'slow_report_interval. It decides alone while the driver cannot be '
        'asked. Default: down_after.',
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
