"""Calls the bare RPC server, which is the limit."""

import argparse

from benchmarks import bare
from benchmarks import drive


def ping(options: argparse.Namespace) -> drive.Call:
    """Make a call that returns its argument."""
    client = bare.client(options.config)

    def call(number: int) -> int:
        host = f'node{number % options.rows + 1}'
        if client.call({}, 'ping', value=host) != host:
            raise AssertionError(host)
        return 1

    call(0)
    return call


if __name__ == '__main__':
    drive.main({'get': ping, 'join': ping})
