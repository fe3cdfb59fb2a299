"""Lists that come in pages."""

import urllib.parse
from collections.abc import Mapping
from typing import Any

from sgconductor.api import json_schema
from sgconductor.api import operation

MOST = 1000
# Of the query of what comes in pages.
QUERY: Mapping[str, json_schema.Schema] = {
    'limit': {'type': 'integer', 'minimum': 1, 'maximum': MOST},
    'marker': {
        'type': 'integer',
        'minimum': 0,
        'maximum': 2**31 - 1,
        'description': 'From the link to the next page.',
    },
}
LINKS: json_schema.Schema = {
    'type': 'array',
    'items': {
        'type': 'object',
        'properties': {
            'rel': {'type': 'string'},
            'href': {'type': 'string'},
        },
        'required': ['rel', 'href'],
    },
}


def listed(
    name: str, item: json_schema.Schema, **more: Any
) -> json_schema.Schema:
    """The schema of a page.

    :param item: of each that is listed
    :param more: properties that the page has besides
    """
    return {
        'type': 'object',
        'properties': {
            name: {'type': 'array', 'items': item},
            'links': LINKS,
            **more,
        },
        'required': [name, 'links', *more],
    }


def links(call: operation.Call, marker: int | None) -> list[dict[str, str]]:
    """The links of a page.

    :param marker: of the next one; None if this is the last
    """
    if marker is None:
        return []
    query = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in {**call.query, 'marker': marker}.items()
    }
    pairs = urllib.parse.urlencode(query, doseq=True)
    return [{'rel': 'next', 'href': f'{call.url}{call.path}?{pairs}'}]
