"""A caller of the release before: it reads services, pins and events, and
edits a service.

Runs under that release's python, so it may use only what that release had.
Arguments: a configuration file. Prints what it saw, as JSON.
"""

import json
import sys
from typing import Any

import sgconductor
from sgconductor import app
from sgconductor import exception
from sgconductor import objects
from sgconductor.cmd import configuration

UNKNOWN_UUID = '5d0dd9a1-33a0-4bca-a62b-1e8d79bb1b6c'
BINARY = 'acme-worker'


def shape(obj: Any) -> list[Any]:
    """An object's version, and the names of the fields that are set."""
    return [obj.VERSION, sorted(n for n in obj.fields if n in obj)]


def shapes(found: Any) -> list[Any]:
    """The same of a list: its own version, and the shapes of its items."""
    return [found.VERSION, *map(shape, found)]


def hosts(context: Any, **filters: Any) -> list[str]:
    return [s.host for s in objects.ServiceList.walk(context, **filters)]


def read_services(context: Any) -> dict[str, Any]:
    services = objects.ServiceList
    by_name = objects.Service.get_by_host_and_binary(context, 'node1', BINARY)
    by_uuid = objects.Service.get_by_uuid(context, by_name.uuid)
    first = services.get_page(context, 2)
    second = services.get_page(context, 2, first[-1].id)
    return {
        'found': [shape(by_name), shape(by_uuid)],
        'pages': [shapes(first), shapes(second)],
        'empty': shapes(services.get_page(context, binary='acme-api')),
        'walked': [shape(one) for one in services.walk(context)],
        'oldest': shapes(services.get_oldest(context, BINARY)),
        'lagging': services.get_lagging(context, 0).VERSION,
        'up': hosts(context, up=True),
        'down': hosts(context, up=False),
        'census': sum(row['total'] for row in services.census(context)),
        'compared': len(services.compare(context)['services']),
        'explained': by_name.explain()[-1]['speaks_for'],
    }


def read_pins(context: Any) -> dict[str, Any]:
    pin = objects.Pin.get_by_binary(context, BINARY)
    pin.hold(1)
    held = pin.held_version
    pin.release()
    return {
        'pin': shape(pin),
        'pins': shapes(objects.PinList.get_all(context)),
        'in_force': objects.PinList.in_force(context)['pins'][BINARY],
        'held': [held, pin.held_version],
    }


def read_events(context: Any) -> dict[str, Any]:
    events = objects.EventList.get_page(context)
    return {
        'events': shapes(events),
        'types': sorted({event.type for event in events}),
    }


def edit(context: Any) -> dict[str, Any]:
    service = objects.Service.get_by_host_and_binary(context, 'node1', BINARY)
    service.disabled = True
    service.disabled_reason = 'new fan'
    service.save()
    disabled = [service.disabled, service.disabled_reason]
    service.refresh()
    refreshed = shape(service)
    service.disabled = False
    service.save()
    enabled = [service.disabled, service.disabled_reason]
    service.disabled_reason = 'no reason'
    return {
        'disabled': disabled,
        'refreshed': refreshed,
        'enabled': enabled,
        'refused': error_of(service.save),
    }


def error_of(call: Any, *args: Any) -> list[str]:
    """The class and the message of the error that a call raises."""
    try:
        call(*args)
    except exception.SGConductorError as error:
        return [type(error).__name__, str(error)]
    return []


def main() -> None:
    conf = configuration.read('caller', ['--config-file', sys.argv[1]])
    with app.Remote(conf, timeout=20) as remote:
        context = remote.context()
        seen = {
            'release': sgconductor.__file__,
            **read_services(context),
            **read_pins(context),
            **edit(context),
            **read_events(context),
            'unknown': error_of(
                objects.Service.get_by_uuid, context, UNKNOWN_UUID
            ),
        }
    print(json.dumps(seen))


main()
