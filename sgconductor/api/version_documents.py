"""The version documents, by which clients discover the APIs.

https://specs.openstack.org/openstack/api-sig/guidelines/microversion_specification.html
"""

from collections.abc import Mapping
from typing import Any

from sgconductor.api import microversion
from sgconductor.api import operation
from sgconductor.api import page
from sgconductor.api import policies

_UPDATED = '2026-11-22T00:00:00Z'


def root(call: operation.Call) -> Mapping[str, Any] | operation.Content:
    """The web page for a browser, the versions for other clients."""
    if 'text/html' in call.headers.get('accept', ''):
        return page.index()
    return {'versions': [_v1(call), _v2_1(call)]}


def v1(call: operation.Call) -> Mapping[str, Any]:
    return {'version': _v1(call)}


def v2_1(call: operation.Call) -> Mapping[str, Any]:
    return {'version': _v2_1(call)}


def _v1(call: operation.Call) -> Mapping[str, Any]:
    return {
        'id': 'v1',
        'status': 'SUPPORTED',
        'version': '',
        'min_version': '',
        'updated': _UPDATED,
        'links': [
            {'rel': 'self', 'href': f'{call.url}/v1/'},
            {
                'rel': 'describedby',
                'type': 'application/json',
                'href': f'{call.url}/v1/openapi.json',
            },
        ],
    }


def _v2_1(call: operation.Call) -> Mapping[str, Any]:
    return {
        'id': 'v2.1',
        'status': 'CURRENT',
        'version': str(microversion.MAX),
        'min_version': str(microversion.MIN),
        'updated': _UPDATED,
        'links': [{'rel': 'self', 'href': f'{call.url}/v2.1/'}],
        'media-types': [
            {
                'base': 'application/json',
                'type': 'application/vnd.openstack.compute+json;version=2.1',
            }
        ],
    }


OPERATIONS = (
    operation.Operation(
        'GET',
        '/',
        root,
        policies.ANYBODY,
        'Show the web page, or to other clients than browsers the versions',
    ),
    operation.Operation(
        'GET',
        '/v1',
        v1,
        policies.ANYBODY,
        "Show the version of sgconductor's own API",
    ),
    operation.Operation(
        'GET',
        '/v2.1',
        v2_1,
        policies.ANYBODY,
        "Show the microversions of Nova's API",
    ),
)
