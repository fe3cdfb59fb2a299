"""The options of ``[api]``, the REST API."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt(
        'auth_strategy',
        default='keystone',
        choices=[
            ('keystone', 'Tokens, checked as [keystone_authtoken] says'),
            ('http_basic', 'User names and passwords in a file'),
            ('noauth', 'No authentication: every local user is an admin'),
        ],
        help='How the API authenticates requests.',
    ),
    cfg.StrOpt(
        'http_basic_user_file',
        default='/etc/sgconductor/htpasswd',
        help='For http_basic: a file with lines of name:digest, as '
        '"htpasswd -B" writes them; digests must be bcrypt. It is read again '
        'for each request.',
    ),
    cfg.ListOpt(
        'http_basic_admins',
        default=[],
        help='For http_basic: the users with the role admin. All other '
        'users in the file have the role reader.',
    ),
    cfg.FloatOpt(
        'conductor_timeout',
        min=0.1,
        max=600,
        default=1.5,
        help='How many seconds the API waits for a conductor before it '
        'answers 503.',
    ),
    cfg.IntOpt(
        'event_streams',
        min=1,
        max=10000,
        default=16,
        help='Maximum number of event streams that a process serves at the '
        'same time. Each takes one thread of its server.',
    ),
    cfg.HostAddressOpt(
        'host',
        default='127.0.0.1',
        help='The address on which sgconductor-api listens.',
    ),
    cfg.PortOpt(
        'port',
        default=8774,
        help='The port on which sgconductor-api listens.',
    ),
    cfg.IntOpt(
        'threads',
        min=2,
        max=10000,
        default=32,
        help='How many requests, including event streams, sgconductor-api '
        'answers at the same time. It must be more than event_streams.',
    ),
    cfg.BoolOpt(
        'let_everybody_on_the_network_be_admin',
        default=False,
        help='For noauth: accept requests from any host, through any proxy '
        'and to any name, as those of an admin. sgconductor-api may then '
        'listen on other addresses than loopback.',
    ),
]
