"""``/v1/services``."""

from collections.abc import Mapping
from typing import Any

from oslo_utils import uuidutils

from sgconductor import exception
from sgconductor import objects
from sgconductor.api import faults
from sgconductor.api import json_schema
from sgconductor.api import operation
from sgconductor.api import paging
from sgconductor.objects import base
from sgconductor.objects import fields

# The fields of a service that are told, and what each is in JSON.
FIELDS: Mapping[str, json_schema.Schema] = {
    'uuid': json_schema.UUID,
    'host': json_schema.WORDS,
    'binary': json_schema.WORDS,
    'topic': json_schema.WORDS,
    'availability_zone': json_schema.or_null(json_schema.WORDS),
    'version': json_schema.COUNT,
    'incarnation': json_schema.COUNT,
    'report_interval': json_schema.COUNT,
    'down_after': json_schema.COUNT,
    'report_count': json_schema.COUNT,
    'last_seen_up': json_schema.MOMENT,
    'left_at': json_schema.or_null(json_schema.MOMENT),
    'disabled': json_schema.TRUTH,
    'disabled_reason': json_schema.or_null(json_schema.WORDS),
    'forced_down': json_schema.TRUTH,
    'quarantined': json_schema.TRUTH,
    'pin_epoch': json_schema.COUNT,
    'is_up': json_schema.TRUTH,
    'liveness': {'enum': ['up', 'down', 'unknown']},
    'liveness_reason': json_schema.WORDS,
    'created_at': json_schema.MOMENT,
    'updated_at': json_schema.or_null(json_schema.MOMENT),
}
SERVICE: json_schema.Schema = {
    'type': 'object',
    'description': 'A service, with the verdict on it of this moment. '
    'pin_epoch is the newest epoch of the pins that its beats have carried.',
    'properties': {
        **FIELDS,
        'links': paging.LINKS,
    },
    'required': ['uuid', 'host', 'binary', 'is_up', 'links'],
    'additionalProperties': False,
}
INDEX_QUERY = json_schema.closed(
    host=json_schema.name(fields.HostField),
    binary=json_schema.name(fields.BinaryField),
    topic=json_schema.name(fields.TopicField),
    disabled=json_schema.TRUTH,
    is_up=json_schema.TRUTH,
    **paging.QUERY,
)
INDEX_ANSWER = paging.listed('services', SERVICE)
UPDATE_BODY: json_schema.Schema = {
    'type': 'object',
    'description': 'Fields that are left out stay as they are. Enabling a '
    'service takes its disabled_reason away.',
    'properties': {
        'availability_zone': json_schema.or_null(json_schema.text()),
        'disabled': json_schema.TRUTH,
        'disabled_reason': json_schema.or_null(json_schema.text()),
        'forced_down': json_schema.TRUTH,
        'quarantined': json_schema.TRUTH,
    },
    'additionalProperties': False,
    'minProperties': 1,
}
EVIDENCE_ANSWER: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'service': SERVICE,
        'evidence': {
            'type': 'array',
            'items': {
                'type': 'object',
                'properties': {
                    'source': json_schema.WORDS,
                    'says': json_schema.WORDS,
                    'age': {
                        'type': ['number', 'null'],
                        'description': 'In seconds.',
                    },
                    'speaks_for': {'enum': ['up', 'down', 'unknown', '']},
                },
                'required': ['source', 'says', 'age', 'speaks_for'],
            },
        },
    },
    'required': ['service', 'evidence'],
}


def index(call: operation.Call) -> Mapping[str, Any]:
    query = dict(call.query)
    limit = query.pop('limit', paging.MOST)
    marker = query.pop('marker', None)
    if 'is_up' in query:
        query['up'] = query.pop('is_up')
    found = list(
        objects.ServiceList.walk(call.context, limit, marker, **query)
    )
    more = len(found) == limit
    return {
        'services': [view(call, service) for service in found],
        'links': paging.links(call, found[-1].id if more else None),
    }


def show(call: operation.Call, uuid: str) -> Mapping[str, Any]:
    return view(call, _get(call, uuid))


def update(call: operation.Call, uuid: str) -> Mapping[str, Any]:
    service = _get(call, uuid)
    changes = dict(call.body)
    quarantined = changes.pop('quarantined', None)
    base.take(objects.Service, changes)
    if changes.get('disabled') is False:
        changes.setdefault('disabled_reason', None)
    disabled = changes.get('disabled', service.disabled)
    if changes.get('disabled_reason') is not None and not disabled:
        raise faults.Conflict(
            f'{service.binary} on {service.host} is enabled, and only what '
            f'is disabled has a disabled_reason. Give "disabled": true too.'
        )
    # What may be refused comes first, so that nothing is done by halves; but
    # one that is up is forced down before it is put in quarantine.
    if quarantined is False and service.quarantined:
        service.unquarantine()
    if quarantined and not service.quarantined:
        if changes.pop('forced_down', False):
            edit(service, forced_down=True)
        service.quarantine()
    if changes:
        edit(service, **changes)
    return view(call, service)


def delete(call: operation.Call, uuid: str) -> None:
    _get(call, uuid).destroy()


def evidence(call: operation.Call, uuid: str) -> Mapping[str, Any]:
    service = _get(call, uuid)
    pieces = service.explain()
    return {'service': view(call, service), 'evidence': pieces}


def edit(service: objects.Service, **changes: Any) -> None:
    """Write what an operator orders.

    :raises InvalidInput: for a value that its field does not take
    """
    for name, value in base.take(objects.Service, changes).items():
        setattr(service, name, value)
    service.save()


def view(call: operation.Call, service: objects.Service) -> dict[str, Any]:
    """A service, as it is told."""
    told: dict[str, Any] = {
        name: service.fields[name].to_primitive(
            service, name, getattr(service, name)
        )
        for name in FIELDS
        # A conductor of an older release has not got all.
        if service.obj_attr_is_set(name)
    }
    href = f'{call.url}/v1/services/{service.uuid}'
    told['links'] = [{'rel': 'self', 'href': href}]
    return told


def _get(call: operation.Call, uuid: str) -> objects.Service:
    if not uuidutils.is_uuid_like(uuid):
        raise exception.ServiceNotFound(f'{uuid:.80}')
    return objects.Service.get_by_uuid(call.context, uuid)
