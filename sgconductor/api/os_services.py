"""``/v2.1/os-services``: services, in the form of Nova's API.

https://docs.openstack.org/api-ref/compute/#compute-services-os-services
"""

from collections.abc import Mapping
from typing import Any

from microversion_parse import Version
from oslo_utils import strutils
from oslo_utils import uuidutils

from sgconductor import exception
from sgconductor import objects
from sgconductor.api import faults
from sgconductor.api import json_schema
from sgconductor.api import operation
from sgconductor.api import policies
from sgconductor.objects import fields

_FORCED_DOWN = Version(2, 11)
_UUIDS = Version(2, 53)
_STRICT = Version(2, 75)

_NAME = {'type': 'string', 'minLength': 1, 'maxLength': 255}
# Nova accepts all of these as booleans.
_BOOLEAN = {
    'enum': [
        *(True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on'),
        *('YES', 'Yes', 'yes'),
        *(False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off'),
        *('NO', 'No', 'no'),
    ]
}
_FILTERS = {
    name: {'type': 'string', 'maxLength': 255} for name in ('host', 'binary')
}
INDEX_QUERY: json_schema.History = [
    (Version(2, 1), {'type': 'object', 'properties': _FILTERS}),
    (_STRICT, json_schema.closed(**_FILTERS)),
]

_BY_ACTION = {'host': _NAME, 'binary': _NAME, 'disabled_reason': _NAME}
UPDATE_BODY: json_schema.History = [
    (Version(2, 1), json_schema.closed('host', 'binary', **_BY_ACTION)),
    (
        _FORCED_DOWN,
        json_schema.closed(
            'host', 'binary', **_BY_ACTION, forced_down=_BOOLEAN
        ),
    ),
    (
        _UUIDS,
        json_schema.closed(
            status={'enum': ['enabled', 'disabled']},
            disabled_reason=_NAME,
            forced_down=_BOOLEAN,
        ),
    ),
]


def index(call: operation.Call) -> Mapping[str, Any]:
    version = _version(call)
    filters = {
        name: call.query[name] for name in _FILTERS if call.query.get(name)
    }
    try:
        found = objects.ServiceList.walk(call.context, **filters)
        services = [_view(service, version) for service in found]
    except exception.InvalidInput:
        # In Nova, a name that no service can have is no error.
        services = []
    return {'services': services}


def update(call: operation.Call, id: str) -> Mapping[str, Any]:
    if _version(call) >= _UUIDS:
        service = _with_uuid(call, id)
        service.update(_changes(call.body))
        return {'service': _view(service, _version(call))}
    changes = _changes_by_action(call, id)
    service = _with_names(call)
    service.update(changes)
    return {'service': _view_by_action(service, changes)}


def delete(call: operation.Call, id: str) -> None:
    if _version(call) >= _UUIDS:
        _with_uuid(call, id).destroy()
    else:
        _with_number(call, id).destroy()


def _version(call: operation.Call) -> Version:
    assert call.microversion is not None
    return call.microversion


def _view(service: objects.Service, version: Version) -> dict[str, Any]:
    view = {
        'binary': service.binary,
        'host': service.host,
        'id': service.uuid if version >= _UUIDS else service.id,
        'zone': service.availability_zone or _default_zone(service),
        'status': _status(service),
        'state': 'up' if service.is_up else 'down',
        'updated_at': f'{service.last_seen_up:%Y-%m-%dT%H:%M:%S.%f}',
        'disabled_reason': service.disabled_reason,
    }
    if version >= _FORCED_DOWN:
        view['forced_down'] = service.forced_down
    return view


def _view_by_action(
    service: objects.Service, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """The answer to an action, before 2.53."""
    view: dict[str, Any] = {'host': service.host, 'binary': service.binary}
    if 'disabled' in changes:
        view['status'] = _status(service)
        if service.disabled_reason:
            view['disabled_reason'] = service.disabled_reason
    else:
        view['forced_down'] = service.forced_down
    return view


def _default_zone(service: objects.Service) -> str:
    """Nova's default for a service without an availability zone."""
    return 'nova' if service.topic == 'compute' else 'internal'


def _status(service: objects.Service) -> str:
    return 'disabled' if service.disabled else 'enabled'


def _changes(body: Mapping[str, Any]) -> dict[str, Any]:
    """The changes that a body asks for, from 2.53 on."""
    changes: dict[str, Any] = {}
    if body.get('status') == 'enabled':
        if 'disabled_reason' in body:
            raise exception.InvalidInput(
                "Specifying 'disabled_reason' with status 'enabled' is "
                'invalid.'
            )
        changes |= _enable(body)
    elif body.get('status') == 'disabled':
        changes |= _disable(body)
        changes['disabled_reason'] = body.get('disabled_reason')
    if 'forced_down' in body:
        changes |= _force_down(body)
    if not changes:
        raise exception.InvalidInput(
            "No updates were requested. Fields 'status' or 'forced_down' "
            'should be specified.'
        )
    return changes


def _changes_by_action(call: operation.Call, action: str) -> dict[str, Any]:
    """The changes that an action makes, before 2.53."""
    actions = {
        'enable': _enable,
        'disable': _disable,
        'disable-log-reason': _disable_log_reason,
    }
    if _version(call) >= _FORCED_DOWN:
        actions['force-down'] = _force_down
    if action not in actions:
        raise faults.NotFound('Unknown action')
    return actions[action](call.body)


def _enable(body: Mapping[str, Any]) -> dict[str, Any]:
    return {'disabled': False}


def _disable(body: Mapping[str, Any]) -> dict[str, Any]:
    return {'disabled': True, 'disabled_reason': None}


def _disable_log_reason(body: Mapping[str, Any]) -> dict[str, Any]:
    if 'disabled_reason' not in body:
        raise exception.InvalidInput('Missing disabled reason field')
    return {'disabled': True, 'disabled_reason': body['disabled_reason']}


def _force_down(body: Mapping[str, Any]) -> dict[str, Any]:
    if 'forced_down' not in body:
        raise exception.InvalidInput('Missing forced_down field')
    forced_down = strutils.bool_from_string(body['forced_down'], strict=True)
    return {'forced_down': forced_down}


def _with_uuid(call: operation.Call, id: str) -> objects.Service:
    """A service of which only the UUID is set; nothing is read."""
    if not uuidutils.is_uuid_like(id):
        raise exception.InvalidInput(f'Invalid uuid {id:.80}')
    return objects.Service(call.context, uuid=id)


def _with_number(call: operation.Call, id: str) -> objects.Service:
    """A service of which only the integer id is set; nothing is read."""
    number = int(id[:20]) if id.isascii() and id.isdecimal() else -1
    if not 0 <= number <= fields.MAX_INT:
        raise exception.InvalidInput(f'Invalid id {id:.80}')
    if number == 0:
        raise exception.ServiceNotFound(id)
    return objects.Service.named(call.context, id=number)


def _with_names(call: operation.Call) -> objects.Service:
    """A service of which only host and binary are set; nothing is read."""
    host, binary = call.body['host'], call.body['binary']
    return objects.Service.named(call.context, host=host, binary=binary)


OPERATIONS = (
    operation.Operation(
        'GET',
        '/v2.1/os-services',
        index,
        policies.SERVICES_READ,
        'List services',
        query=INDEX_QUERY,
    ),
    operation.Operation(
        'PUT',
        '/v2.1/os-services/{id}',
        update,
        policies.SERVICES_UPDATE,
        'Disable or enable a service, or force it down; before 2.53, id is '
        'the action',
        body=UPDATE_BODY,
    ),
    operation.Operation(
        'DELETE',
        '/v2.1/os-services/{id}',
        delete,
        policies.SERVICES_DELETE,
        'Delete a service',
        status=204,
    ),
)
