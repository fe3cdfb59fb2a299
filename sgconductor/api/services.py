"""``/v1/services``."""

from collections.abc import Mapping
from typing import Any

from sgconductor import exception
from sgconductor import objects
from sgconductor.api import json_schema
from sgconductor.api import operation
from sgconductor.api import paging
from sgconductor.api import policies
from sgconductor.objects import fields

# The fields of a service that an answer has, each with its schema.
FIELDS: Mapping[str, json_schema.Schema] = {
    'uuid': json_schema.UUID,
    'host': json_schema.STRING,
    'binary': json_schema.STRING,
    'topic': json_schema.STRING,
    'availability_zone': json_schema.nullable(json_schema.STRING),
    'version': json_schema.NATURAL,
    'incarnation': json_schema.NATURAL,
    'report_interval': json_schema.NATURAL,
    'down_after': json_schema.NATURAL,
    'report_count': json_schema.NATURAL,
    'last_seen_up': json_schema.DATE_TIME,
    'left_at': json_schema.nullable(json_schema.DATE_TIME),
    'disabled': json_schema.BOOLEAN,
    'disabled_reason': json_schema.nullable(json_schema.STRING),
    'forced_down': json_schema.BOOLEAN,
    'quarantined': json_schema.BOOLEAN,
    'pin_epoch': json_schema.NATURAL,
    'is_up': json_schema.BOOLEAN,
    'liveness': {'enum': ['up', 'down', 'unknown']},
    'liveness_reason': json_schema.STRING,
    'created_at': json_schema.DATE_TIME,
    'updated_at': json_schema.nullable(json_schema.DATE_TIME),
}
SERVICE: json_schema.Schema = {
    **json_schema.closed(
        *FIELDS, 'links', **{**FIELDS, 'links': paging.LINKS}
    ),
    'description': 'A service; liveness, liveness_reason and is_up were '
    'computed for this answer. pin_epoch is the newest epoch of the pins '
    'that its heartbeats have carried.',
}
INDEX_QUERY = json_schema.closed(
    host=json_schema.name(fields.HostField),
    binary=json_schema.name(fields.BinaryField),
    topic=json_schema.name(fields.TopicField),
    disabled=json_schema.BOOLEAN,
    is_up=json_schema.BOOLEAN,
    **paging.QUERY,
)
INDEX_ANSWER = paging.page_of('services', SERVICE)
UPDATE_BODY: json_schema.Schema = {
    **json_schema.closed(
        availability_zone=json_schema.nullable(json_schema.text()),
        disabled=json_schema.BOOLEAN,
        disabled_reason=json_schema.nullable(json_schema.text()),
        forced_down=json_schema.BOOLEAN,
        quarantined=json_schema.BOOLEAN,
    ),
    'description': 'Fields that are left out keep their values. Enabling a '
    'service clears its disabled_reason. Either all changes are made or '
    'none.',
    'minProperties': 1,
}
_EVIDENCE: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'source': json_schema.STRING,
        'says': json_schema.STRING,
        'age': {'type': ['number', 'null'], 'description': 'In seconds.'},
        'speaks_for': {'enum': ['up', 'down', 'unknown', '']},
    },
    'required': ['source', 'says', 'age', 'speaks_for'],
}
EVIDENCE_ANSWER: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'service': SERVICE,
        'evidence': {'type': 'array', 'items': _EVIDENCE},
    },
    'required': ['service', 'evidence'],
}


def index(call: operation.Call) -> Mapping[str, Any]:
    filters = dict(call.query)
    limit = filters.pop('limit', paging.MAX_LIMIT)
    marker = filters.pop('marker', None)
    if 'is_up' in filters:
        filters['up'] = filters.pop('is_up')
    found = list(
        objects.ServiceList.walk(
            call.context, limit=limit, marker=marker, **filters
        )
    )
    return {
        'services': [view(call, service) for service in found],
        'links': paging.links(
            call, found[-1].id if len(found) == limit else None
        ),
    }


def show(call: operation.Call, uuid: str) -> Mapping[str, Any]:
    known = _with_uuid(call, uuid)
    return view(call, objects.Service.get_by_uuid(call.context, known.uuid))


def update(call: operation.Call, uuid: str) -> Mapping[str, Any]:
    service = _with_uuid(call, uuid)
    service.update(call.body)
    return view(call, service)


def delete(call: operation.Call, uuid: str) -> None:
    _with_uuid(call, uuid).destroy()


def evidence(call: operation.Call, uuid: str) -> Mapping[str, Any]:
    service = _with_uuid(call, uuid)
    pieces = service.explain()
    return {'service': view(call, service), 'evidence': pieces}


def view(call: operation.Call, service: objects.Service) -> dict[str, Any]:
    """A service as ``/v1`` shows it."""
    shown: dict[str, Any] = {
        name: service.fields[name].to_primitive(
            service, name, getattr(service, name)
        )
        for name in FIELDS
    }
    href = f'{call.url}/v1/services/{service.uuid}'
    shown['links'] = [{'rel': 'self', 'href': href}]
    return shown


def _with_uuid(call: operation.Call, uuid: str) -> objects.Service:
    """A service of which only the UUID is set; nothing is read."""
    try:
        return objects.Service.named(call.context, uuid=uuid)
    except exception.InvalidInput:
        raise exception.ServiceNotFound(f'{uuid:.80}') from None


OPERATIONS = (
    operation.Operation(
        'GET',
        '/v1/services',
        index,
        policies.SERVICES_READ,
        'List services',
        query=INDEX_QUERY,
        answer=INDEX_ANSWER,
    ),
    operation.Operation(
        'GET',
        '/v1/services/{uuid}',
        show,
        policies.SERVICES_READ,
        'Show a service',
        answer=SERVICE,
    ),
    operation.Operation(
        'PATCH',
        '/v1/services/{uuid}',
        update,
        policies.SERVICES_UPDATE,
        'Change the fields of a service that operators set',
        body=UPDATE_BODY,
        answer=SERVICE,
    ),
    operation.Operation(
        'DELETE',
        '/v1/services/{uuid}',
        delete,
        policies.SERVICES_DELETE,
        'Delete a service',
        status=204,
    ),
    operation.Operation(
        'GET',
        '/v1/services/{uuid}/evidence',
        evidence,
        policies.SERVICES_READ,
        'Explain why a service is up, down or unknown',
        answer=EVIDENCE_ANSWER,
    ),
)
