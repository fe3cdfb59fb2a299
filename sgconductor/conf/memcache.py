"""[servicegroup_memcache]: options of the memcache driver."""

from oslo_config import cfg

OPTS = [
    cfg.ListOpt(
        'servers',
        default=['127.0.0.1:11211'],
        help='The servers, as host:port or [IPv6]:port. The key of each '
        'service is on one of them. The list must be the same, in the same '
        'spelling, for all conductors and members. Use these servers for '
        'sgconductor only, with enough memory that they never evict a key '
        '(200 bytes for each service).',
    ),
    cfg.FloatOpt(
        'interval',
        min=0.1,
        max=3600,
        default=3,
        help='Seconds between two renewals of the key of a member.',
    ),
    cfg.IntOpt(
        'ttl',
        min=4,
        max=86400,
        default=10,
        help='Seconds until a key expires, so the time after which a member '
        'that died is absent. It must be at least two times interval plus '
        'timeout plus three seconds; with less, a short outage of a server '
        'would look like members that died. ttl, interval and timeout must '
        'be the same for all conductors and members.',
    ),
    cfg.FloatOpt(
        'timeout',
        min=0.01,
        max=60,
        default=1,
        help='Seconds to wait for a server to connect or to answer. A server '
        'that takes longer counts as unavailable and is not asked for a '
        'while; meanwhile the services table alone decides for the members '
        'whose keys it has.',
    ),
    cfg.BoolOpt('tls', default=False, help='Use TLS.'),
    cfg.StrOpt(
        'tls_ca_file',
        help='File with the CA certificates to trust. Default: those of the '
        'system.',
    ),
    cfg.StrOpt('tls_cert_file', help='File with the client certificate.'),
    cfg.StrOpt('tls_key_file', help='File with the key of tls_cert_file.'),
]
