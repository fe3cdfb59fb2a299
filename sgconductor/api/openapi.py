"""The OpenAPI document, generated from the operations."""

import re
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from pbr import version

from sgconductor.api import json_schema
from sgconductor.api import operation
from sgconductor.api import policies

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
# The errors of every operation, and those of some.
_COMMON = {
    400: 'Invalid request',
    401: 'Authentication required',
    403: 'Forbidden',
    503: 'A server that is needed did not answer; try again',
}
_NOT_FOUND = {404: 'Not found'}
_CONFLICT = {409: 'Conflicts with the current state'}
_OF_BODIES = {
    408: 'The body did not arrive in time',
    411: 'The header Content-Length is missing',
    413: 'The body is too large',
    415: 'The body is not JSON',
}


class Document:
    """
    :param operations: those that it describes
    """

    def __init__(self, operations: Iterable[operation.Operation]) -> None:
        self._paths: dict[str, dict[str, Any]] = {}
        for one in operations:
            methods = self._paths.setdefault(one.path, {})
            methods[one.method.lower()] = _operation(one)

    def show(self, call: operation.Call) -> Mapping[str, Any]:
        return {
            'openapi': '3.1.0',
            'info': {
                'title': 'sgconductor',
                'version': version.VersionInfo('sgconductor').release_string(),
                'description': 'The members of the service group, which of '
                'them are alive, and up to which version each binary may be '
                'called.',
            },
            'servers': [{'url': call.url}],
            'paths': self._paths,
            'components': {'schemas': {'Errors': _ERRORS}},
        }

    def operations(self) -> Sequence[operation.Operation]:
        return (
            operation.Operation(
                'GET',
                '/v1/openapi.json',
                self.show,
                policies.ANYBODY,
                'Show this document',
            ),
        )


def _operation(one: operation.Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        'summary': one.summary,
        'description': f'Allowed by the policy rule {one.rule}.',
        'parameters': [*_path_parameters(one.path), *_query_parameters(one)],
        'responses': _responses(one),
    }
    if one.body is not None:
        described['requestBody'] = {
            'required': True,
            'content': {'application/json': {'schema': one.body}},
        }
    return described


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    for name in _PARAMETER.findall(path):
        yield {
            'name': name,
            'in': 'path',
            'required': True,
            'schema': {'type': 'string'},
        }


def _query_parameters(one: operation.Operation) -> Iterable[dict[str, Any]]:
    assert isinstance(one.query, Mapping)
    required = one.query.get('required', ())
    for name, schema in one.query['properties'].items():
        yield {
            'name': name,
            'in': 'query',
            'required': name in required,
            'schema': schema,
        }


def _responses(one: operation.Operation) -> dict[str, Any]:
    success: dict[str, Any] = {'description': 'Success'}
    if one.status != 204:
        success['content'] = {one.answer_type: {'schema': one.answer or {}}}
    errors = dict(_COMMON)
    if '{' in one.path or one.looks_up:
        errors |= _NOT_FOUND
    if one.method != 'GET':
        errors |= _CONFLICT
    if one.body is not None:
        errors |= _OF_BODIES
    reference = {'$ref': '#/components/schemas/Errors'}
    return {
        str(one.status): success,
        **{
            str(status): {
                'description': description,
                'content': {'application/json': {'schema': reference}},
            }
            for status, description in errors.items()
        },
    }
