"""acme-worker: a member that serves its own RPC API."""

import argparse
import logging
import queue
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

import oslo_messaging as messaging
from sgconductor import app
from sgconductor import exception
from sgconductor.rpcapi import drain

from acme import history
from acme import rpcapi

LOG = logging.getLogger(__name__)


class Worker:
    """Answers :class:`acme.rpcapi.WorkerAPI`."""

    target = messaging.Target(version='1.0')

    @messaging.expected_exceptions(ValueError)  # type: ignore[untyped-decorator]
    def resize(
        self, context: dict[str, Any], size: list[int], fit: list[int]
    ) -> list[int]:
        if min(*size, *fit) < 1:
            raise ValueError(f'cannot fit {size} into {fit}')
        LOG.info('Fitting %s into %s', size, fit)
        scale = min(room / side for side, room in zip(size, fit, strict=True))
        return [max(1, round(side * scale)) for side in size]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='acme-worker', description=__doc__)
    parser.add_argument('--transport-url', required=True, metavar='URL')
    parser.add_argument('--host', default=socket.gethostname())
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    # SystemExit leaves the group on its way out.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit())
    try:
        with app.connect(options.transport_url) as remote:
            serve(remote, options.host)
    except exception.SGConductorError as error:
        print(f'acme-worker: {error}', file=sys.stderr)
    return 1


def serve(remote: app.Remote, host: str) -> None:
    """Serve until the membership is lost.

    :raises MembershipLost: when it is lost
    """
    lost: queue.SimpleQueue[exception.MembershipLost] = queue.SimpleQueue()
    server = messaging.get_rpc_server(
        remote.transport,
        messaging.Target(
            exchange=rpcapi.EXCHANGE, topic=rpcapi.TOPIC, server=host
        ),
        [Worker()],
    )
    # A service that is up must answer calls: so it serves before it joins,
    # and leaves before it stops serving.
    server.start()
    try:
        with remote.membership(
            host,
            rpcapi.BINARY,
            rpcapi.TOPIC,
            history.HISTORY.version,
            on_lost=lost.put,
        ):
            raise lost.get()
    finally:
        # Calls that have arrived are answered. Later ones stay in the queue,
        # for the next process.
        drain.drain(server)
        server.wait()


if __name__ == '__main__':
    sys.exit(main())
