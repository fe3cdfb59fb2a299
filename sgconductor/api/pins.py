"""``/v1/pins`` and ``/v1/what-if``."""

from collections.abc import Mapping
from typing import Any

from sgconductor import exception
from sgconductor import objects
from sgconductor.api import faults
from sgconductor.api import json_schema
from sgconductor.api import operation
from sgconductor.api import services
from sgconductor.objects import fields

# Of those that hold a pin, and of those that do not follow it.
_NAMED = 100

PIN: json_schema.Schema = {
    'type': 'object',
    'description': 'What may be spoken to the services of a binary: version '
    'is in force, the lower of min_version and held_version. services counts '
    'those that count, by version; following of live members go by the '
    'epoch or a newer one.',
    'properties': {
        'binary': json_schema.WORDS,
        'version': json_schema.COUNT,
        'min_version': json_schema.COUNT,
        'held_version': json_schema.or_null(json_schema.COUNT),
        'epoch': json_schema.COUNT,
        'since': json_schema.MOMENT,
        'cause': json_schema.WORDS,
        'services': {
            'type': 'object',
            'additionalProperties': json_schema.COUNT,
        },
        'following': json_schema.COUNT,
        'live': json_schema.COUNT,
    },
    'required': ['binary', 'version', 'min_version', 'held_version', 'epoch'],
    'additionalProperties': False,
}
INDEX_ANSWER: json_schema.Schema = {
    'type': 'object',
    'properties': {'pins': {'type': 'array', 'items': PIN}},
    'required': ['pins'],
}
_SOME = {'type': 'array', 'items': services.SERVICE, 'maxItems': _NAMED}
SHOW_ANSWER: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'pin': PIN,
        'oldest': {
            **_SOME,
            'description': 'The first of the services of the lowest version.',
        },
        'lagging': {
            **_SOME,
            'description': 'The first of the live members, of all binaries, '
            'that do not go by its epoch yet.',
        },
    },
    'required': ['pin', 'oldest', 'lagging'],
}
HOLD_BODY = json_schema.closed(
    'version', version={**json_schema.COUNT, 'maximum': fields.MAX_INT}
)
WHAT_IF_QUERY = json_schema.closed(
    'without',
    without={
        'type': 'array',
        'items': json_schema.name(fields.HostField),
        'minItems': 1,
        # So that they go into a URL.
        'maxItems': 200,
        'description': 'A host; as often as there are hosts.',
    },
)
WHAT_IF_ANSWER: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'pins': {
            'type': 'object',
            'description': 'The version in force then, by binary.',
            'additionalProperties': json_schema.COUNT,
        }
    },
    'required': ['pins'],
}


def index(call: operation.Call) -> Mapping[str, Any]:
    found = objects.PinList.get_all(call.context)
    return {'pins': [_view(pin) for pin in found]}


def show(call: operation.Call, binary: str) -> Mapping[str, Any]:
    pin = _get(call, binary)
    oldest = objects.ServiceList.get_oldest(call.context, pin.binary, _NAMED)
    lagging = objects.ServiceList.get_lagging(call.context, pin.epoch, _NAMED)
    return {
        'pin': _view(pin),
        'oldest': [services.view(call, one) for one in oldest],
        'lagging': [services.view(call, one) for one in lagging],
    }


def hold(call: operation.Call, binary: str) -> Mapping[str, Any]:
    pin = _get(call, binary)
    # JSON may write it with a fraction of nothing.
    pin.hold(int(call.body['version']))
    return _view(pin)


def release(call: operation.Call, binary: str) -> Mapping[str, Any]:
    pin = _get(call, binary)
    pin.release()
    return _view(pin)


def what_if(call: operation.Call) -> Mapping[str, Any]:
    without = call.query['without']
    try:
        return {'pins': objects.PinList.what_if(call.context, without)}
    except exception.InvalidInput as error:
        # These are names, but not of hosts that are there.
        raise faults.NotFound(error.args[0]) from None


def _view(pin: objects.Pin) -> dict[str, Any]:
    return {
        name: field.to_primitive(pin, name, getattr(pin, name))
        for name, field in pin.fields.items()
    }


def _get(call: operation.Call, binary: str) -> objects.Pin:
    try:
        return objects.Pin.get_by_binary(call.context, binary)
    except exception.InvalidInput:
        # No binary can have such a name.
        known = [pin.binary for pin in objects.PinList.get_all(call.context)]
        raise exception.UnknownBinary(f'{binary:.80}', known) from None
