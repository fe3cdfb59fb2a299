"""Calls a conductor of sgconductor, as its members and callers do."""

import argparse
import uuid

from benchmarks import drive
from sgconductor import app
from sgconductor import objects

BINARY = 'acme-worker'
# The number of binaries of the services that join in a round.
BINARIES = 10
_TIMEOUT = 120.0


def _remote(options: argparse.Namespace) -> app.Remote:
    return app.connect(options.config, _TIMEOUT)


def get(options: argparse.Namespace) -> drive.Call:
    """Look one service up by its host and binary."""
    context = _remote(options).context()

    def call(number: int) -> int:
        host = f'node{number % options.rows + 1}'
        objects.Service.get_by_host_and_binary(context, host, BINARY)
        return 1

    call(0)
    return call


def list_(options: argparse.Namespace) -> drive.Call:
    """List all services, with is_up, in pages."""
    context = _remote(options).context()

    def call(_number: int) -> int:
        up = 0
        for service in objects.ServiceList.walk(context, binary=BINARY):
            up += bool(service.is_up)
        if up != options.rows:
            raise AssertionError(f'{up} of {options.rows} are up')
        return up

    objects.Service.get_by_host_and_binary(context, 'node1', BINARY)
    return call


def pin(options: argparse.Namespace) -> drive.Call:
    """Ask for the lowest version of a binary."""
    context = _remote(options).context()

    def call(_number: int) -> int:
        answer = objects.PinList.in_force(context)
        if answer['pins'][BINARY] != 1:
            raise AssertionError(answer)
        return 1

    call(0)
    return call


def minimum(options: argparse.Namespace) -> drive.Call:
    """Have the lowest version looked up in the table."""
    context = _remote(options).context()

    def call(_number: int) -> int:
        if objects.PinList.what_if(context, []).get(BINARY) != 1:
            raise AssertionError
        return 1

    call(0)
    return call


def join(options: argparse.Namespace) -> drive.Call:
    """Join, each time as a new service."""
    context = _remote(options).context()

    def call(number: int) -> int:
        service = objects.Service(
            context,
            host=f'{options.tag}-{number}',
            binary=f'{options.tag}-{number % BINARIES}',
            topic='worker',
            version=1,
            report_interval=10,
            down_after=86400,
        )
        service.join(str(uuid.uuid4()))
        return 1

    objects.PinList.in_force(context)
    return call


if __name__ == '__main__':
    drive.main(
        {
            'get': get,
            'list': list_,
            'pin': pin,
            'minimum': minimum,
            'join': join,
        }
    )
