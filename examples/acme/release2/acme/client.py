"""acme: find a worker that is up, and call it."""

import argparse
import random
import sys
from collections.abc import Sequence

import oslo_messaging as messaging
from sgconductor import app
from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects

from acme import rpcapi

_TIMEOUT = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='acme', description=__doc__)
    parser.add_argument('--transport-url', required=True, metavar='URL')
    commands = parser.add_subparsers(dest='command', required=True)
    resize = commands.add_parser(
        'resize', help='the size of an image that must fit into another size'
    )
    resize.add_argument('width', type=int)
    resize.add_argument('height', type=int)
    resize.add_argument('--fit', type=_size, required=True, metavar='WxH')
    rotate = commands.add_parser(
        'rotate', help='the size of an image that is turned'
    )
    rotate.add_argument('width', type=int)
    rotate.add_argument('height', type=int)
    rotate.add_argument('--by', type=int, required=True, metavar='DEGREES')
    options = parser.parse_args(argv)
    try:
        with app.connect(options.transport_url, _TIMEOUT) as remote:
            _run(remote, options)
    except (exception.SGConductorError, rpcapi.NotYet, _Failed) as error:
        print(f'acme: {error}', file=sys.stderr)
        return 1
    return 0


class _Failed(Exception):
    """The command failed; the message says why."""


def _run(remote: app.Remote, options: argparse.Namespace) -> None:
    context = remote.context()
    host = _worker(context)
    api = rpcapi.WorkerAPI(remote.transport, remote.pins, _TIMEOUT, retry=1)
    try:
        width, height = _call(api, context, host, options)
    except (exception.SGConductorError, rpcapi.NotYet):
        raise
    except (messaging.MessagingTimeout, messaging.MessageDeliveryFailure):
        raise _Failed(
            f'{host} did not answer within {_TIMEOUT:g} s; it may have died '
            f'just now, so try again'
        ) from None
    except Exception as error:
        # An error of the worker. Below the first line is its traceback.
        why = str(error).partition('\n')[0]
        word = 'refused' if isinstance(error, ValueError) else 'failed'
        raise _Failed(f'{host} {word}: {why}') from None
    print(f'{host}: {width} x {height}')


def _call(
    api: rpcapi.WorkerAPI,
    context: sg_context.RequestContext,
    host: str,
    options: argparse.Namespace,
) -> rpcapi.Size:
    size = (options.width, options.height)
    if options.command == 'rotate':
        return api.rotate(context, host, size, options.by)
    return api.resize(context, host, size, options.fit)


def _worker(context: sg_context.RequestContext) -> str:
    """The host of a worker that is up."""
    workers = list(
        objects.ServiceList.walk(
            context, binary=rpcapi.BINARY, disabled=False, up=True
        )
    )
    if not workers:
        raise _Failed(
            f'no {rpcapi.BINARY} is up and enabled; start one, or see '
            f'"sgconductor-manage service list --binary {rpcapi.BINARY}"'
        )
    return random.choice(workers).host  # noqa: S311


def _size(text: str) -> rpcapi.Size:
    try:
        width, height = map(int, text.split('x'))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'give a size as 100x100, not {text!r}'
        ) from None
    return width, height


if __name__ == '__main__':
    sys.exit(main())
