"""``/v1/liveness``: the verdicts of the driver and of the shadow driver."""

from collections.abc import Mapping
from typing import Any

from sgconductor import objects
from sgconductor.api import json_schema
from sgconductor.api import operation
from sgconductor.api import paging
from sgconductor.api import policies

INDEX_QUERY = json_schema.closed(**paging.QUERY)
_VERDICT: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'driver': json_schema.STRING,
        'liveness': {'enum': ['up', 'down', 'unknown']},
        'reason': json_schema.STRING,
    },
    'required': ['driver', 'liveness', 'reason'],
}
_SERVICE: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'host': json_schema.STRING,
        'binary': json_schema.STRING,
        'verdicts': {'type': 'array', 'items': _VERDICT},
        'disagreements': {
            'type': 'integer',
            'description': 'How often the two drivers were found to disagree.',
        },
        'disagree_since': {
            'type': ['string', 'null'],
            'format': 'date-time',
            'description': 'Null if they agree.',
        },
    },
    'required': [
        'host',
        'binary',
        'verdicts',
        'disagreements',
        'disagree_since',
    ],
}
_DRIVER: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'name': json_schema.STRING,
        'trouble': {
            'type': 'string',
            'description': 'Why it is unavailable; empty if it is available.',
        },
        'outages': {
            'type': 'integer',
            'description': 'How often it was unavailable to the conductor '
            'that answered.',
        },
    },
    'required': ['name', 'trouble', 'outages'],
}
INDEX_ANSWER = paging.page_of(
    'services',
    _SERVICE,
    drivers={
        'type': 'array',
        'items': _DRIVER,
        'description': 'The driver that decides, then the shadow driver if '
        'there is one.',
    },
)


def index(call: operation.Call) -> Mapping[str, Any]:
    limit = call.query.get('limit', paging.MAX_LIMIT)
    report = objects.ServiceList.compare(
        call.context, limit, call.query.get('marker')
    )
    found = report['services']
    names = [driver['name'] for driver in report['drivers']]
    more = len(found) == limit
    return {
        'drivers': [
            {name: driver[name] for name in ('name', 'trouble', 'outages')}
            for driver in report['drivers']
        ],
        'services': [_view(service, names) for service in found],
        'links': paging.links(call, found[-1]['id'] if more else None),
    }


def _view(service: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    return {
        'host': service['host'],
        'binary': service['binary'],
        'verdicts': [
            {'driver': name, 'liveness': liveness, 'reason': reason}
            for name, (liveness, reason) in zip(
                names, service['verdicts'], strict=True
            )
        ],
        'disagreements': service['disagreements'],
        'disagree_since': service['since'],
    }


OPERATIONS = (
    operation.Operation(
        'GET',
        '/v1/liveness',
        index,
        policies.LIVENESS_READ,
        "List the drivers' verdicts on each service",
        query=INDEX_QUERY,
        answer=INDEX_ANSWER,
    ),
)
