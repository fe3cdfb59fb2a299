"""[servicegroup_zookeeper]: options of the zookeeper driver."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt(
        'hosts',
        default='127.0.0.1:2181',
        help='The ensemble, as host:port,host:port,…; a path at the end '
        'becomes the chroot of all nodes.',
    ),
    cfg.StrOpt(
        'root',
        default='/sgconductor',
        regex=r'^(/[^/\x00-\x20]+)+$',
        help='The node below which all groups have their nodes.',
    ),
    cfg.FloatOpt(
        'session_timeout',
        min=0.4,
        max=600,
        default=10,
        help='Seconds after which the node of a member that died is removed. '
        'The ensemble has limits of its own (by default 2 and 20 ticks).',
    ),
    cfg.StrOpt(
        'user',
        help='Authenticate as this user (scheme digest), who then owns the '
        'nodes.',
    ),
    cfg.StrOpt('password', secret=True, help='The password of user.'),
    cfg.ListOpt(
        'acl',
        default=[],
        help='The ACL of new nodes, as scheme:id:permissions, for example '
        'digest:sg:HASH:cdrwa,world:anyone:r. All conductors and members '
        'need all permissions. Default: auth::cdrwa (the authenticated '
        'user) if user is set, else world:anyone:cdrwa.',
    ),
    cfg.BoolOpt('tls', default=False, help='Use TLS.'),
    cfg.StrOpt(
        'tls_ca_file',
        help='File with CA certificates to trust in addition to those of the '
        'system. The certificate of a server must be for its name in hosts.',
    ),
    cfg.StrOpt('tls_cert_file', help='File with the client certificate.'),
    cfg.StrOpt(
        'tls_key_file',
        help='File with the key of tls_cert_file, without a passphrase. '
        'Default: tls_cert_file.',
    ),
]
