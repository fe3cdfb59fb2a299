"""The OpenAPI document, made of the table of routes."""

import re
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from pbr import version

from sgconductor.api import json_schema
from sgconductor.api import operation

_PARAMETER = re.compile(r'\{(\w+)\}')
_ERRORS: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'errors': {
            'type': 'array',
            'items': {
                'type': 'object',
                'properties': {
                    'status': {'type': 'integer'},
                    'title': {'type': 'string'},
                    'detail': {'type': 'string'},
                    'request_id': {'type': 'string'},
                },
                'required': ['status', 'title', 'detail', 'request_id'],
            },
        }
    },
    'required': ['errors'],
}
# What an answer may be besides, and when.
_ALWAYS = {
    400: 'Something in the request cannot be taken.',
    401: 'Nobody is known to ask.',
    403: 'Whoever asks may not.',
    503: 'What is needed for an answer is away; try again.',
}
_OF_NAMES = {404: 'There is no such thing.'}
_OF_CHANGES = {409: 'It does not go with the state of the thing.'}
_OF_BODIES = {
    408: 'The body did not come, or not all of it.',
    411: 'The body comes without its length.',
    413: 'The body is too large.',
    415: 'The body is no JSON.',
}


class Document:
    """
    :param operations: those that it describes
    """

    def __init__(self, operations: Iterable[operation.Operation]) -> None:
        self._paths: dict[str, dict[str, Any]] = {}
        for each in operations:
            of_path = self._paths.setdefault(each.path, {})
            of_path[each.method.lower()] = _operation(each)

    def show(self, call: operation.Call) -> Mapping[str, Any]:
        return {
            'openapi': '3.1.0',
            'info': {
                'title': 'sgconductor',
                'version': version.VersionInfo('sgconductor').release_string(),
                'description': 'Who is in the group, who is alive, and '
                'which version may be spoken.',
            },
            'servers': [{'url': call.url}],
            'paths': self._paths,
            'components': {'schemas': {'Errors': _ERRORS}},
        }


def _operation(one: operation.Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        'summary': one.summary,
        'description': f'Allowed by the policy {one.rule}.',
        'parameters': [*_of_path(one.path), *_of_query(one)],
        'responses': _answers(one),
    }
    if one.body is not None:
        told['requestBody'] = {
            'required': True,
            'content': {'application/json': {'schema': one.body}},
        }
    return told


def _of_path(path: str) -> Iterable[dict[str, Any]]:
    for name in _PARAMETER.findall(path):
        yield {
            'name': name,
            'in': 'path',
            'required': True,
            'schema': {'type': 'string'},
        }


def _of_query(one: operation.Operation) -> Iterable[dict[str, Any]]:
    assert isinstance(one.query, Mapping)
    required = one.query.get('required', ())
    for name, its in one.query['properties'].items():
        yield {
            'name': name,
            'in': 'query',
            'required': name in required,
            'schema': its,
        }


def _answers(one: operation.Operation) -> dict[str, Any]:
    good: dict[str, Any] = {'description': 'Done.'}
    if one.answer is not None:
        good['content'] = {'application/json': {'schema': one.answer}}
    elif one.status == 200:
        good['content'] = {'text/event-stream': {'schema': {}}}
    errors = dict(_ALWAYS)
    if '{' in one.path or one.path == '/v1/what-if':
        errors |= _OF_NAMES
    if one.method != 'GET':
        errors |= _OF_CHANGES
    if one.body is not None:
        errors |= _OF_BODIES
    reference = {'$ref': '#/components/schemas/Errors'}
    return {
        str(one.status): good,
        **{
            str(status): {
                'description': words,
                'content': {'application/json': {'schema': reference}},
            }
            for status, words in errors.items()
        },
    }
