"""[api]: the REST API."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt(
        'auth_strategy',
        default='keystone',
        choices=[
            ('keystone', 'tokens, as [keystone_authtoken] says'),
            ('http_basic', 'names and passwords in a file'),
            ('noauth', 'everybody is an admin; for one host by itself'),
        ],
        help='How the API learns who asks.',
    ),
    cfg.StrOpt(
        'http_basic_user_file',
        default='/etc/sgconductor/htpasswd',
        help='For http_basic: lines of name:digest, as "htpasswd -B" writes '
        'them; only bcrypt is taken. It is read again for each request.',
    ),
    cfg.ListOpt(
        'http_basic_admins',
        default=[],
        help='For http_basic: the names that have the role admin. All others '
        'in the file have the role reader.',
    ),
    cfg.FloatOpt(
        'conductor_timeout',
        min=0.1,
        max=600,
        default=1.5,
        help='Seconds to wait for a conductor before the answer is 503.',
    ),
    cfg.IntOpt(
        'event_streams',
        min=1,
        max=10000,
        default=16,
        help='How many streams of events are read at once in a process. Each '
        'takes one of the threads of its server.',
    ),
    cfg.HostAddressOpt(
        'host',
        default='127.0.0.1',
        help='For sgconductor-api: the address to listen on.',
    ),
    cfg.PortOpt(
        'port',
        default=8774,
        help='For sgconductor-api: the port to listen on.',
    ),
    cfg.IntOpt(
        'threads',
        min=2,
        max=10000,
        default=32,
        help='For sgconductor-api: how many requests are answered at once, '
        'streams of events among them. It must be more than event_streams.',
    ),
    cfg.BoolOpt(
        'let_everybody_on_the_network_be_admin',
        default=False,
        help='With noauth: let in as an admin whoever asks from anywhere, by '
        'any name and through any proxy; sgconductor-api may then listen on '
        'another address than loopback.',
    ),
]
