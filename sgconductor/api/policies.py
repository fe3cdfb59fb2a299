"""The policy: which roles may do what.

By default the role *admin* may change things; *reader* and *service*, the
role of other programs of the control plane, may only read.
"""

from collections.abc import Sequence

from oslo_policy import policy

_SCOPES = ('system', 'project')

ANYBODY = 'sgconductor:anybody'
METRICS = 'sgconductor:metrics:get'
SERVICES_READ = 'sgconductor:services:read'
SERVICES_UPDATE = 'sgconductor:services:update'
SERVICES_DELETE = 'sgconductor:services:delete'
PINS_READ = 'sgconductor:pins:read'
PINS_UPDATE = 'sgconductor:pins:update'
LIVENESS_READ = 'sgconductor:liveness:read'
EVENTS_READ = 'sgconductor:events:read'

_ADMIN = 'rule:sgconductor:admin'
_READER = 'rule:sgconductor:reader'


def _documented(
    name: str, check: str, description: str, *operations: tuple[str, str]
) -> policy.DocumentedRuleDefault:
    return policy.DocumentedRuleDefault(
        name,
        check,
        description,
        [{'method': method, 'path': path} for method, path in operations],
        scope_types=None if check == '@' else list(_SCOPES),
    )


_RULES = (
    policy.RuleDefault(
        'sgconductor:admin',
        'role:admin',
        'May change services and pins.',
        scope_types=None,
    ),
    policy.RuleDefault(
        'sgconductor:reader',
        'role:reader or role:service or rule:sgconductor:admin',
        'May read everything: readers, other services, and admins.',
        scope_types=None,
    ),
    _documented(
        ANYBODY,
        '@',
        'Get the web page, which has no data of its own, and the versions '
        'and the description of the API.',
        ('GET', '/'),
        ('GET', '/static/{name}'),
        ('GET', '/v1'),
        ('GET', '/v1/openapi.json'),
        ('GET', '/v2.1'),
    ),
    _documented(
        METRICS,
        '@',
        'Read the metrics, which contain no host names.',
        ('GET', '/metrics'),
    ),
    _documented(
        SERVICES_READ,
        _READER,
        'List services, show a service, and explain its liveness.',
        ('GET', '/v2.1/os-services'),
        ('GET', '/v1/services'),
        ('GET', '/v1/services/{uuid}'),
        ('GET', '/v1/services/{uuid}/evidence'),
    ),
    _documented(
        SERVICES_UPDATE,
        _ADMIN,
        'Disable a service, force it down, or quarantine it.',
        ('PUT', '/v2.1/os-services/{id}'),
        ('PATCH', '/v1/services/{uuid}'),
    ),
    _documented(
        SERVICES_DELETE,
        _ADMIN,
        'Delete a service.',
        ('DELETE', '/v2.1/os-services/{id}'),
        ('DELETE', '/v1/services/{uuid}'),
    ),
    _documented(
        PINS_READ,
        _READER,
        'List the pins, explain a pin, and compute the pins without some '
        'hosts.',
        ('GET', '/v1/pins'),
        ('GET', '/v1/pins/{binary}'),
        ('GET', '/v1/what-if'),
    ),
    _documented(
        PINS_UPDATE,
        _ADMIN,
        'Hold or release a pin.',
        ('PUT', '/v1/pins/{binary}/hold'),
        ('DELETE', '/v1/pins/{binary}/hold'),
    ),
    _documented(
        LIVENESS_READ,
        _READER,
        "List the drivers' verdicts on each service.",
        ('GET', '/v1/liveness'),
    ),
    _documented(
        EVENTS_READ,
        _READER,
        'Read the events of services.',
        ('GET', '/v1/events'),
        ('GET', '/v1/events/stream'),
    ),
)


def list_rules() -> Sequence[policy.RuleDefault]:
    """The rules with their defaults, also for oslopolicy-sample-generator."""
    return _RULES
