"""``/v1/pins`` and ``/v1/what-if``."""

from collections.abc import Mapping
from typing import Any

from sgconductor import exception
from sgconductor import objects
from sgconductor.api import faults
from sgconductor.api import json_schema
from sgconductor.api import operation
from sgconductor.api import policies
from sgconductor.api import services
from sgconductor.objects import fields

# How many of the oldest and of the lagging services an answer names.
_NAMED = 100

_FIELDS: Mapping[str, json_schema.Schema] = {
    'binary': json_schema.STRING,
    'version': json_schema.NATURAL,
    'min_version': json_schema.NATURAL,
    'held_version': json_schema.nullable(json_schema.NATURAL),
    'epoch': json_schema.NATURAL,
    'since': json_schema.DATE_TIME,
    'cause': json_schema.STRING,
    'services': {
        'type': 'object',
        'additionalProperties': json_schema.NATURAL,
    },
    'following': json_schema.NATURAL,
    'live': json_schema.NATURAL,
}
PIN: json_schema.Schema = {
    **json_schema.closed(*_FIELDS, **_FIELDS),
    'description': 'Up to which version RPC clients may call the services of '
    'a binary: version, which is the lower of min_version and held_version. '
    'services has the number of services of each version that count for the '
    'pin. Of the live members, following use the epoch or a newer one.',
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
            'description': 'The first services of the lowest version.',
        },
        'lagging': {
            **_SOME,
            'description': 'The first live members, of all binaries, that do '
            'not use its epoch yet.',
        },
    },
    'required': ['pin', 'oldest', 'lagging'],
}
HOLD_BODY = json_schema.closed(
    'version', version={**json_schema.NATURAL, 'maximum': fields.MAX_INT}
)
WHAT_IF_QUERY = json_schema.closed(
    'without',
    without={
        'type': 'array',
        'items': json_schema.name(fields.HostField),
        'minItems': 1,
        # More would not fit into a URL.
        'maxItems': 200,
        'description': 'A host; repeat it for several hosts.',
    },
)
WHAT_IF_ANSWER: json_schema.Schema = {
    'type': 'object',
    'properties': {
        'pins': {
            'type': 'object',
            'description': 'The version of each pin then, by binary.',
            'additionalProperties': json_schema.NATURAL,
        }
    },
    'required': ['pins'],
}


def index(call: operation.Call) -> Mapping[str, Any]:
    found = objects.PinList.get_all(call.context)
    return {'pins': [_view(pin) for pin in found]}


def show(call: operation.Call, binary: str) -> Mapping[str, Any]:
    name = _of_binary(call, binary).binary
    pin = objects.Pin.get_by_binary(call.context, name)
    oldest = objects.ServiceList.get_oldest(call.context, pin.binary, _NAMED)
    lagging = objects.ServiceList.get_lagging(call.context, pin.epoch, _NAMED)
    return {
        'pin': _view(pin),
        'oldest': [services.view(call, one) for one in oldest],
        'lagging': [services.view(call, one) for one in lagging],
    }


def hold(call: operation.Call, binary: str) -> Mapping[str, Any]:
    pin = _of_binary(call, binary)
    # In JSON, 3.0 is an integer too.
    pin.hold(int(call.body['version']))
    return _view(pin)


def release(call: operation.Call, binary: str) -> Mapping[str, Any]:
    pin = _of_binary(call, binary)
    pin.release()
    return _view(pin)


def what_if(call: operation.Call) -> Mapping[str, Any]:
    without = call.query['without']
    try:
        return {'pins': objects.PinList.what_if(call.context, without)}
    except exception.InvalidInput as error:
        # The schema has checked the names, so a host does not exist.
        raise faults.NotFound(error.args[0]) from None


def _view(pin: objects.Pin) -> dict[str, Any]:
    return {
        name: pin.fields[name].to_primitive(pin, name, getattr(pin, name))
        for name in _FIELDS
    }


def _of_binary(call: operation.Call, binary: str) -> objects.Pin:
    """A pin of which only the binary is set; nothing is read."""
    try:
        return objects.Pin.named(call.context, binary=binary)
    except exception.InvalidInput as error:
        raise faults.NotFound(f'No such pin: {error.args[0]:.200}.') from None


OPERATIONS = (
    operation.Operation(
        'GET',
        '/v1/pins',
        index,
        policies.PINS_READ,
        'List the pins',
        answer=INDEX_ANSWER,
    ),
    operation.Operation(
        'GET',
        '/v1/pins/{binary}',
        show,
        policies.PINS_READ,
        'Explain a pin: the services that hold it down, and the members that '
        'do not follow it yet',
        answer=SHOW_ANSWER,
    ),
    operation.Operation(
        'PUT',
        '/v1/pins/{binary}/hold',
        hold,
        policies.PINS_UPDATE,
        'Hold a pin: it cannot exceed a version',
        body=HOLD_BODY,
        answer=PIN,
    ),
    operation.Operation(
        'DELETE',
        '/v1/pins/{binary}/hold',
        release,
        policies.PINS_UPDATE,
        'Release a pin: its services alone decide its version',
        answer=PIN,
    ),
    operation.Operation(
        'GET',
        '/v1/what-if',
        what_if,
        policies.PINS_READ,
        'Compute the pins as if the services of some hosts did not count',
        query=WHAT_IF_QUERY,
        answer=WHAT_IF_ANSWER,
        looks_up=True,
    ),
)
