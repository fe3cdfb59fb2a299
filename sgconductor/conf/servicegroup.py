"""[servicegroup]: the heartbeat of members, and the liveness drivers."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt(
        'driver',
        default='db',
        help='The driver that decides on liveness together with the '
        'heartbeats in the services table: db (heartbeats alone), zookeeper, '
        'memcache, or a driver that another package provides. It must be '
        'the same for all conductors and members.',
    ),
    cfg.StrOpt(
        'shadow_driver',
        help='A second driver, which members report to as well. The conductor '
        'compares its verdicts with those of driver, but does not use them. '
        'It serves to move to another driver: see "Move to another driver" '
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
        help='Seconds without a beat after which a member is down. Must be '
        'longer than report_interval.',
    ),
    cfg.IntOpt(
        'slow_report_interval',
        min=1,
        max=86400,
        help='Seconds between two beats of a member if driver is not db: such '
        'a driver detects failures at its own pace. Default: '
        'report_interval.',
    ),
    cfg.IntOpt(
        'slow_down_after',
        min=2,
        max=86400,
        help='Seconds without a beat after which a member is down if driver '
        'is not db. It alone decides while that driver is unavailable. Must '
        'be longer than slow_report_interval. Default: down_after.',
    ),
    cfg.IntOpt(
        'sync_interval',
        min=1,
        default=60,
        help='Average time, in seconds, between two syncs of a member: calls '
        'by which it learns whether it is still a member, and the pins.',
    ),
    cfg.StrOpt(
        'on_deleted',
        choices=[
            ('stop', 'log an error and stop beating'),
            ('rejoin', 'join again, as a new service'),
        ],
        default='stop',
        help='What a running member does when its service is deleted.',
    ),
]
