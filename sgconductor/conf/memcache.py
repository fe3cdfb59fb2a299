"""[servicegroup_memcache]: the driver memcache."""

from oslo_config import cfg

OPTS = [
    cfg.ListOpt(
        'servers',
        default=['127.0.0.1:11211'],
        help='The servers, as host:port or [IPv6]:port; each service has its '
        'key on one of them. All conductors and members must name the same, '
        'in the same words. Give them to sgconductor alone, with memory '
        'enough that they never evict a key (200 bytes for each service).',
    ),
    cfg.FloatOpt(
        'interval',
        min=0.1,
        max=3600,
        default=3,
        help='Seconds after which a member renews its key.',
    ),
    cfg.IntOpt(
        'ttl',
        min=4,
        max=86400,
        default=10,
        help='Seconds for which a key lasts, and so after which a member '
        'that has died is gone. At least two intervals, a timeout and three '
        'seconds, or a server that was away for a moment could not be told '
        'from members that are. The same for all conductors and members, as '
        'interval and timeout.',
    ),
    cfg.FloatOpt(
        'timeout',
        min=0.01,
        max=60,
        default=1,
        help='Seconds to wait for a server, to connect or to answer. One '
        'that is silent for longer is left alone for a while, and has no '
        'voice.',
    ),
    cfg.BoolOpt('tls', default=False, help='Connect by TLS.'),
    cfg.StrOpt(
        'tls_ca_file',
        help='Certificates of the authorities to trust. Default: those of '
        'the system.',
    ),
    cfg.StrOpt('tls_cert_file', help='The certificate to show.'),
    cfg.StrOpt('tls_key_file', help='Its key.'),
]
