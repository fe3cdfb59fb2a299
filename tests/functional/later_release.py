"""A caller of a later release: its Service has one more field.

It is run as a process, with a configuration file, and prints JSON: what it
read, how its join went, and with which error its new field was refused.
"""

import json
import sys
from typing import Any

from oslo_utils import uuidutils
from oslo_versionedobjects import base as ovo_base

from sgconductor import app
from sgconductor import exception
from sgconductor import objects
from sgconductor.cmd import configuration
from sgconductor.objects import fields


def later_service() -> type[Any]:
    """Service 1.5, which replaces this release's Service."""
    service: type[Any] = objects.Service
    service.VERSION = '1.5'
    service.ADDED = {**service.ADDED, 'mood': '1.5'}
    service.fields['mood'] = fields.TextField()
    return ovo_base.VersionedObjectRegistry.register(service)


def main() -> None:
    Service = later_service()
    conf = configuration.read('later', ['--config-file', sys.argv[1]])
    with app.Remote(conf, timeout=10) as remote:
        context = remote.context()
        found = Service.get_by_host_and_binary(context, 'node1', 'acme-worker')
        read = [found.VERSION, found.is_up, found.obj_attr_is_set('mood')]
        found.disabled = True
        found.save()
        new = Service(
            context,
            host='node2',
            binary='acme-worker',
            topic='worker',
            version=2,
            report_interval=10,
            down_after=60,
        )
        new.join(uuidutils.generate_uuid())
        joined = [new.is_up, new.incarnation]
        new.mood = 'good'
        refused = ''
        try:
            new.save()
        except exception.UnknownField as error:
            refused = str(error)
    json.dump({'read': read, 'joined': joined, 'refused': refused}, sys.stdout)


main()
