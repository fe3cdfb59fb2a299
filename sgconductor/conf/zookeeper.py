"""[servicegroup_zookeeper]: the driver zookeeper."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt(
        'hosts',
        default='127.0.0.1:2181',
        help='The ensemble: host:port,host:port,…; a path at the end is what '
        'all paths are below.',
    ),
    cfg.StrOpt(
        'root',
        default='/sgconductor',
        regex=r'^(/[^/\x00-\x20]+)+$',
        help='The node below which groups have their members.',
    ),
    cfg.FloatOpt(
        'session_timeout',
        min=0.4,
        max=600,
        default=10,
        help='Seconds after which a member that has died is gone. The '
        'ensemble has limits of its own (by default 2 and 20 of its ticks).',
    ),
    cfg.StrOpt(
        'user',
        help='Authenticate (scheme digest) under this name; nodes then '
        'belong to it.',
    ),
    cfg.StrOpt('password', secret=True, help='The password of user.'),
    cfg.ListOpt(
        'acl',
        default=[],
        help='Who may do what with new nodes, as scheme:id:permissions, for '
        'example digest:sg:HASH:cdrwa,world:anyone:r. All conductors and '
        'members must be allowed all. Default: auth::cdrwa (whom user '
        'names) with a user, world:anyone:cdrwa without.',
    ),
    cfg.BoolOpt('tls', default=False, help='Connect by TLS.'),
    cfg.StrOpt(
        'tls_ca_file',
        help='Certificates of authorities to trust beside those of the '
        'system. The certificate of a server must name it as hosts does.',
    ),
    cfg.StrOpt('tls_cert_file', help='The certificate to show.'),
    cfg.StrOpt(
        'tls_key_file',
        help='Its key, without a passphrase. Default: in tls_cert_file.',
    ),
]
