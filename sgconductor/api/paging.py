"""Lists that are answered in pages."""

import urllib.parse
from collections.abc import Mapping
from typing import Any

from sgconductor.api import json_schema
from sgconductor.api import operation

MAX_LIMIT = 1000
# The query parameters of every operation that lists in pages.
QUERY: Mapping[str, json_schema.Schema] = {
    'limit': {'type': 'integer', 'minimum': 1, 'maximum': MAX_LIMIT},
    'marker': {
        'type': 'integer',
        'minimum': 0,
        'maximum': 2**31 - 1,
        'description': 'Taken from the link to the next page.',
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


def page_of(
    name: str, item: json_schema.Schema, **more: Any
) -> json_schema.Schema:
    """The schema of a page.

    :param name: the key of the list
    :param item: the schema of each item
    :param more: the page's other properties
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

    :param marker: where the next page begins; None if this is the last page
    """
    if marker is None:
        return []
    query = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in {**call.query, 'marker': marker}.items()
    }
    pairs = urllib.parse.urlencode(query, doseq=True)
    return [{'rel': 'next', 'href': f'{call.url}{call.path}?{pairs}'}]
