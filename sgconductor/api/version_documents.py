"""The version documents, by which clients find their way.

https://specs.openstack.org/openstack/api-sig/guidelines/microversion_specification.html
"""

from collections.abc import Mapping
from typing import Any

from sgconductor.api import microversion
from sgconductor.api import operation
from sgconductor.api import page

_UPDATED = '2026-11-22T00:00:00Z'


def root(call: operation.Call) -> Mapping[str, Any] | operation.Content:
    """The page for a browser, the versions for all others."""
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
