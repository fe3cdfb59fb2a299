"""A caller of the release before: it looks up, lists and edits.

Runs under that release's python, so it may use only what that release had.
Arguments: a configuration file. Prints what it saw.
"""

import json
import sys
from typing import Any

import sgconductor
from sgconductor import app
from sgconductor import exception
from sgconductor import objects
from sgconductor.cmd import configuration

NOBODY = '5d0dd9a1-33a0-4bca-a62b-1e8d79bb1b6c'


def shape(obj: Any) -> list[Any]:
    """An object's version, and what it has."""
    return [obj.VERSION, sorted(n for n in obj.fields if n in obj)]


def look(context: Any) -> dict[str, Any]:
    by_name = objects.Service.get_by_host_and_binary(
        context, 'node1', 'acme-worker'
    )
    by_uuid = objects.Service.get_by_uuid(context, by_name.uuid)
    page = objects.ServiceList.get_page(context, 2)
    rest = objects.ServiceList.get_page(context, 2, page[-1].id)
    nobody = objects.ServiceList.get_page(context, binary='acme-api')
    return {
        'found': [shape(by_name), shape(by_uuid)],
        'page': [page.VERSION, *(shape(one) for one in (*page, *rest))],
        'nobody': [nobody.VERSION, len(nobody)],
        'up': [s.host for s in objects.ServiceList.walk(context, up=True)],
        'down': [s.host for s in objects.ServiceList.walk(context, up=False)],
    }


def edit(context: Any) -> dict[str, Any]:
    service = objects.Service.get_by_host_and_binary(
        context, 'node1', 'acme-worker'
    )
    service.disabled = True
    service.disabled_reason = 'new fan'
    service.save()
    saved = [service.disabled, service.updated_at is not None]
    service.refresh()
    return {'saved': saved, 'refreshed': shape(service)}


def be_refused(context: Any) -> dict[str, str]:
    try:
        objects.Service.get_by_uuid(context, NOBODY)
    except exception.ServiceNotFound as error:
        return {'refused': str(error)}
    return {}


def main() -> None:
    conf = configuration.read('caller', ['--config-file', sys.argv[1]])
    with app.Remote(conf, timeout=20) as remote:
        told = {
            'release': sgconductor.__file__,
            **look(remote.context()),
            **edit(remote.context()),
            **be_refused(remote.context()),
        }
    json.dump(told, sys.stdout)


main()
