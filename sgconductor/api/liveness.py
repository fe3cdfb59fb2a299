"""``/v1/liveness``: what the driver and the shadow driver say."""

from collections.abc import Mapping
from typing import Any

from sgconductor import objects
from sgconductor.api import json_schema
from sgconductor.api import operation
from sgconductor.api import paging

INDEX_QUERY = json_schema.closed(**paging.QUERY)
_VERDICT: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'driver': json_schema.WORDS,
        'liveness': {'enum': ['up', 'down', 'unknown']},
        'reason': json_schema.WORDS,
    },
    'required': ['driver', 'liveness', 'reason'],
}
_SERVICE: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'host': json_schema.WORDS,
        'binary': json_schema.WORDS,
        'verdicts': {'type': 'array', 'items': _VERDICT},
        'disagreements': {
            'type': 'integer',
            'description': 'How often the two were seen to differ.',
        },
        'disagree_since': {
            'type': ['string', 'null'],
            'format': 'date-time',
            'description': 'Null if they agree.',
        },
    },
    'required': ['host', 'binary', 'verdicts', 'disagreements'],
}
_DRIVER: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'name': json_schema.WORDS,
        'trouble': {
            'type': 'string',
            'description': 'Why it cannot be asked; empty if it can.',
        },
        'outages': {
            'type': 'integer',
            'description': 'As the conductor that answered has seen them.',
        },
    },
    'required': ['name', 'trouble', 'outages'],
}
INDEX_ANSWER = paging.listed(
    'services',
    _SERVICE,
    drivers={
        'type': 'array',
        'items': _DRIVER,
        'description': 'The one that counts, then the shadow driver.',
    },
)


def index(call: operation.Call) -> Mapping[str, Any]:
    limit = call.query.get('limit', paging.MOST)
    page = objects.ServiceList.compare(
        call.context, limit, call.query.get('marker')
    )
    found = page['services']
    names = [driver['name'] for driver in page['drivers']]
    more = len(found) == limit
    return {
        'drivers': [
            {name: driver[name] for name in ('name', 'trouble', 'outages')}
            for driver in page['drivers']
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
