"""Calls Nova's conductor, as Nova's services do.

It runs in an environment of its own, which has Nova and not sgconductor.
"""

import argparse
import contextlib

# First, as in Nova's own programs.
from benchmarks import peer_threads  # noqa: F401

# isort: split
from nova import config
from nova import context as nova_context
from nova import exception
from nova import objects
from nova import servicegroup
from nova.conductor import rpcapi
from nova.db.main import api as nova_db
from nova.objects import base

from benchmarks import drive
from benchmarks import stand_ins

BINARY = 'nova-compute'


def _remote(options: argparse.Namespace) -> nova_context.RequestContext:
    """Have Nova's objects call the conductor, as in nova-compute."""
    _configure(options)
    nova_db.DISABLE_DB_ACCESS = True
    objects.register_all()
    base.NovaObject.indirection_api = rpcapi.ConductorAPI()
    objects.Service.enable_min_version_cache()
    return nova_context.get_admin_context()


def _configure(options: argparse.Namespace) -> None:
    config.parse_args(['benchmark', '--config-file', options.config])


def beat(options: argparse.Namespace) -> drive.Call:
    """Beat as servicegroup.drivers.db does, with stand-ins for numbers.

    The call is a template of others; there is no service with its id.
    """
    context = _remote(options)
    service = objects.Service.get_by_host_and_binary(context, 'node1', BINARY)
    setattr(service, base.get_attrname('id'), stand_ins.ID)
    service.report_count = stand_ins.COUNT - 1
    service.obj_reset_changes()

    def call(_number: int) -> int:
        service.report_count += 1
        with contextlib.suppress(exception.ServiceNotFound):
            service.save()
        return 1

    return call


def get(options: argparse.Namespace) -> drive.Call:
    """Look one service up by its host and binary."""
    context = _remote(options)

    def call(number: int) -> int:
        host = f'node{number % options.rows + 1}'
        objects.Service.get_by_host_and_binary(context, host, BINARY)
        return 1

    call(0)
    return call


def list_(options: argparse.Namespace) -> drive.Call:
    """List all services, and ask for each whether it is up."""
    context = _remote(options)
    group = servicegroup.API()

    def call(_number: int) -> int:
        services = objects.ServiceList.get_all(context)
        up: int = sum(
            group.service_is_up(service)
            for service in services
            if service.binary == BINARY
        )
        if up != options.rows:
            raise AssertionError(f'{up} of {options.rows} are up')
        return up

    objects.Service.get_by_host_and_binary(context, 'node1', BINARY)
    return call


def pin(options: argparse.Namespace) -> drive.Call:
    """Ask for the lowest version of a binary.

    The conductor looks it up once, and returns the same until it is restarted.
    """
    context = _remote(options)

    def call(_number: int) -> int:
        objects.Service.get_minimum_version(context, BINARY)
        return 1

    call(0)
    return call


def minimum(options: argparse.Namespace) -> drive.Call:
    """Look the lowest version up in the table, as the conductor does once."""
    _configure(options)
    context = nova_context.get_admin_context()

    def call(_number: int) -> int:
        nova_db.service_get_minimum_version(context, [BINARY])
        return 1

    call(0)
    return call


def join(options: argparse.Namespace) -> drive.Call:
    """Create a service, each time a new one.

    All are of one binary: Nova's notifications know only Nova's binaries.
    """
    context = _remote(options)

    def call(number: int) -> int:
        service = objects.Service(context)
        service.host = f'{options.tag}-{number}'
        service.binary = BINARY
        service.topic = 'compute'
        service.report_count = 0
        service.create()
        return 1

    objects.Service.get_by_host_and_binary(context, 'node1', BINARY)
    return call


if __name__ == '__main__':
    drive.main(
        {
            'beat': beat,
            'get': get,
            'list': list_,
            'pin': pin,
            'minimum': minimum,
            'join': join,
        }
    )
