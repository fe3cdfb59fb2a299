"""JSON Schemas, and the taking of input by them."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import jsonschema
from microversion_parse import Version

from sgconductor import exception
from sgconductor.objects import fields

Schema = Mapping[str, Any]
# Which schema is in force from which microversion on, in their order.
History = Sequence[tuple[Version, Schema]]

_SHOWN = 300
_WORDS = {'true': True, 'false': False}


COUNT: Schema = {'type': 'integer', 'minimum': 0}
TRUTH: Schema = {'type': 'boolean'}
MOMENT: Schema = {'type': 'string', 'format': 'date-time'}
UUID: Schema = {'type': 'string', 'format': 'uuid'}
# What is told of a name or of words; what is taken of them, the functions
# below say.
WORDS: Schema = {'type': 'string'}


def closed(*required: str, **properties: Any) -> Schema:
    """An object that has these properties and no others."""
    return {
        'type': 'object',
        'properties': properties,
        'required': list(required),
        'additionalProperties': False,
    }


def name(field: type[fields.NameField]) -> Schema:
    """What a field of a name takes."""
    return {
        'type': 'string',
        'minLength': 1,
        'maxLength': field.AUTO_TYPE.longest,
        'pattern': f'^{fields.NAME.pattern}$',
    }


def text() -> Schema:
    """What a field of words takes: no control characters."""
    return {
        'type': 'string',
        'maxLength': fields.TextField.AUTO_TYPE.longest,
        'pattern': '^[^\\x00-\\x1f\\x7f-\\x9f]*$',
    }


def or_null(schema: Schema) -> Schema:
    return {**schema, 'type': [schema['type'], 'null']}


def at(schema: Schema | History, version: Version | None) -> Schema:
    """The schema of a version; where there are no versions, the only one."""
    if isinstance(schema, Mapping):
        return schema
    assert version is not None
    return [one for since, one in schema if since <= version][-1]


def check(schema: Schema, value: Any, what: str) -> None:
    """
    :param what: what the value is, for the message
    :raises InvalidInput: saying where it is wrong, and how
    """
    validator = jsonschema.Draft202012Validator(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if error is not None:
        where = ''.join(f' {name!r}' for name in error.absolute_path)
        raise exception.InvalidInput(
            f'{what}{where:.{_SHOWN}}: {error.message:.{_SHOWN}}'
        )


def read_query(
    schema: Schema, pairs: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """The parameters of a query, as its schema has them.

    A number and a truth value have to look like one. Of what is given
    several times, where that has no meaning, the last counts.

    :param pairs: names and texts, as they came
    :raises InvalidInput: saying which is wrong, and how
    """
    properties = schema['properties']
    found: dict[str, Any] = {}
    for name, text in pairs:
        kind = properties.get(name, {}).get('type')
        if kind == 'array':
            found.setdefault(name, []).append(text)
        else:
            found[name] = _value(kind, text)
    check(schema, found, 'query parameter')
    return found


def _value(kind: str | None, text: str) -> Any:
    if kind == 'integer' and text.isascii() and text.isdecimal():
        # Longer ones are beyond any limit, and slow to convert.
        return int(text[:20])
    if kind == 'boolean':
        return _WORDS.get(text.lower(), text)
    return text
