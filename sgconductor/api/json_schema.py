"""JSON Schemas, and the validation of input against them."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import jsonschema
from microversion_parse import Version

from sgconductor import exception
from sgconductor.objects import fields

Schema = Mapping[str, Any]
# For each schema the first microversion in which it is valid, oldest first.
History = Sequence[tuple[Version, Schema]]

# How many characters of a caller's input an error message quotes.
_QUOTED = 300
_BOOLEANS = {'true': True, 'false': False}


NATURAL: Schema = {'type': 'integer', 'minimum': 0}
BOOLEAN: Schema = {'type': 'boolean'}
DATE_TIME: Schema = {'type': 'string', 'format': 'date-time'}
UUID: Schema = {'type': 'string', 'format': 'uuid'}
# A name or a text in an answer. In a request, name() and text() limit them.
STRING: Schema = {'type': 'string'}


def closed(*required: str, **properties: Any) -> Schema:
    """An object that has these properties and no others."""
    return {
        'type': 'object',
        'properties': properties,
        'required': list(required),
        'additionalProperties': False,
    }


def name(field: type[fields.NameField]) -> Schema:
    """A value that a field for names accepts."""
    return {
        'type': 'string',
        'minLength': 1,
        'maxLength': field.AUTO_TYPE.longest,
        'pattern': f'^{fields.NAME.pattern}$',
    }


def text() -> Schema:
    """A value that a field for text accepts: no control characters."""
    return {
        'type': 'string',
        'maxLength': fields.TextField.AUTO_TYPE.longest,
        'pattern': '^[^\\x00-\\x1f\\x7f-\\x9f]*$',
    }


def nullable(schema: Schema) -> Schema:
    return {**schema, 'type': [schema['type'], 'null']}


def in_version(schema: Schema | History, version: Version | None) -> Schema:
    """The schema that is valid in a microversion.

    :param version: None where there are no microversions
    """
    if isinstance(schema, Mapping):
        return schema
    assert version is not None
    return [one for since, one in schema if since <= version][-1]


def validate(schema: Schema, value: Any, what: str) -> None:
    """
    :param what: what the value is, for the error message
    :raises InvalidInput: naming the place and what is wrong there
    """
    validator = jsonschema.Draft202012Validator(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if error is not None:
        place = ''.join(f' {name!r}' for name in error.absolute_path)
        raise exception.InvalidInput(
            f'{what}{place:.{_QUOTED}}: {error.message:.{_QUOTED}}'
        )


def read_query(
    schema: Schema, pairs: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """Convert the parameters of a query to the types of its schema.

    A parameter that is given several times and is not a list has its last
    value.

    :param pairs: names and values as they were sent
    :raises InvalidInput: naming the parameter and what is wrong with it
    """
    properties = schema['properties']
    query: dict[str, Any] = {}
    for name, text in pairs:
        kind = properties.get(name, {}).get('type')
        if kind == 'array':
            query.setdefault(name, []).append(text)
        else:
            query[name] = _convert(kind, text)
    validate(schema, query, 'query parameter')
    return query


def _convert(kind: str | None, text: str) -> Any:
    """Convert a string; one that cannot be converted fails validation."""
    if kind == 'integer' and text.isascii() and text.isdecimal():
        # A longer number exceeds every limit, and takes long to convert.
        return int(text[:20])
    if kind == 'boolean':
        return _BOOLEANS.get(text.lower(), text)
    return text
