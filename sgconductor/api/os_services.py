"""``/v2.1/os-services``: services, as Nova's API has them.

https://docs.openstack.org/api-ref/compute/#compute-services-os-services
"""

from collections.abc import Mapping
from typing import Any

from microversion_parse import Version
from oslo_utils import strutils
from oslo_utils import uuidutils

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor.api import faults
from sgconductor.api import json_schema
from sgconductor.api import operation
from sgconductor.api import services
from sgconductor.objects import fields

_FORCED_DOWN = Version(2, 11)
_UUIDS = Version(2, 53)
_STRICT = Version(2, 75)

_NAME = {'type': 'string', 'minLength': 1, 'maxLength': 255}
# Nova takes these for truth values, and so its clients may send them.
_TRUTH = {
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
    (
        _STRICT,
        json_schema.closed(**_FILTERS),
    ),
]

_NAMED = {'host': _NAME, 'binary': _NAME, 'disabled_reason': _NAME}
UPDATE_BODY: json_schema.History = [
    (Version(2, 1), json_schema.closed('host', 'binary', **_NAMED)),
    (
        _FORCED_DOWN,
        json_schema.closed('host', 'binary', **_NAMED, forced_down=_TRUTH),
    ),
    (
        _UUIDS,
        json_schema.closed(
            status={'enum': ['enabled', 'disabled']},
            disabled_reason=_NAME,
            forced_down=_TRUTH,
        ),
    ),
]


def index(call: operation.Call) -> Mapping[str, Any]:
    version = _version(call)
    filters = {name: text for name, text in call.query.items() if text}
    wanted = {name: filters[name] for name in _FILTERS if name in filters}
    try:
        found = objects.ServiceList.walk(call.context, **wanted)
        listed = [_view(service, version) for service in found]
    except exception.InvalidInput:
        # No service can have such a name.
        listed = []
    return {'services': listed}


def update(call: operation.Call, id: str) -> Mapping[str, Any]:
    if _version(call) >= _UUIDS:
        return _update(call, id)
    actions = {
        'enable': _enable,
        'disable': _disable,
        'disable-log-reason': _disable_log_reason,
    }
    if _version(call) >= _FORCED_DOWN:
        actions['force-down'] = _force_down
    if id not in actions:
        raise faults.NotFound('Unknown action')
    body = call.body
    changes = actions[id](body)
    service = objects.Service.get_by_host_and_binary(
        call.context, body['host'], body['binary']
    )
    services.edit(service, **changes)
    told: dict[str, Any] = {
        'host': service.host,
        'binary': service.binary,
    }
    if 'disabled' in changes:
        told['status'] = _status(service)
        if service.disabled_reason:
            told['disabled_reason'] = service.disabled_reason
    else:
        told['forced_down'] = service.forced_down
    return {'service': told}


def delete(call: operation.Call, id: str) -> None:
    if _version(call) >= _UUIDS:
        service = objects.Service.get_by_uuid(call.context, _uuid(id))
    else:
        service = _by_number(call.context, id)
    service.destroy()


def _version(call: operation.Call) -> Version:
    assert call.microversion is not None
    return call.microversion


def _view(service: objects.Service, version: Version) -> dict[str, Any]:
    view = {
        'binary': service.binary,
        'host': service.host,
        'id': service.uuid if version >= _UUIDS else service.id,
        'zone': service.availability_zone or _zone(service),
        'status': _status(service),
        'state': 'up' if service.is_up else 'down',
        'updated_at': f'{service.last_seen_up:%Y-%m-%dT%H:%M:%S.%f}',
        'disabled_reason': service.disabled_reason,
    }
    if version >= _FORCED_DOWN:
        view['forced_down'] = service.forced_down
    return view


def _zone(service: objects.Service) -> str:
    """By Nova's defaults, of one of which nobody has said it."""
    return 'nova' if service.topic == 'compute' else 'internal'


def _status(service: objects.Service) -> str:
    return 'disabled' if service.disabled else 'enabled'


def _enable(body: Mapping[str, Any]) -> dict[str, Any]:
    return {'disabled': False, 'disabled_reason': None}


def _disable(body: Mapping[str, Any]) -> dict[str, Any]:
    return {'disabled': True, 'disabled_reason': None}


def _disable_log_reason(body: Mapping[str, Any]) -> dict[str, Any]:
    if 'disabled_reason' not in body:
        raise exception.InvalidInput('Missing disabled reason field')
    return {'disabled': True, 'disabled_reason': body['disabled_reason']}


def _force_down(body: Mapping[str, Any]) -> dict[str, Any]:
    if 'forced_down' not in body:
        raise exception.InvalidInput('Missing forced_down field')
    return {'forced_down': _truth(body['forced_down'])}


def _update(call: operation.Call, id: str) -> Mapping[str, Any]:
    body = call.body
    service = objects.Service.get_by_uuid(call.context, _uuid(id))
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
    services.edit(service, **changes)
    return {'service': _view(service, _version(call))}


def _truth(value: Any) -> bool:
    return strutils.bool_from_string(value, strict=True)


def _uuid(id: str) -> str:
    if not uuidutils.is_uuid_like(id):
        raise exception.InvalidInput(f'Invalid uuid {id:.80}')
    return id


def _by_number(context: sg_context.RequestContext, id: str) -> objects.Service:
    """The service of an integer id, as clients of old versions know it."""
    number = int(id[:20]) if id.isascii() and id.isdecimal() else -1
    if not 0 <= number <= fields.MAX_INT:
        raise exception.InvalidInput(f'Invalid id {id:.80}')
    if number > 0:
        for service in objects.ServiceList.walk(context, 1, number - 1):
            if service.id == number:
                return service
    raise exception.ServiceNotFound(id)
