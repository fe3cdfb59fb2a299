"""A member: it joins its group, beats in a thread, and leaves at the end."""

import logging
import queue
import signal
import sys

from sgconductor import app
from sgconductor import exception


def main(transport_url: str, host: str) -> None:
    lost: queue.SimpleQueue[exception.MembershipLost] = queue.SimpleQueue()
    with (
        app.connect(transport_url) as remote,
        remote.membership(host, 'acme-worker', 'worker', 1, on_lost=lost.put),
    ):
        raise lost.get()  # A real service works until then.


if __name__ == '__main__':
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit())
    if len(sys.argv) != 3:
        sys.exit('usage: member.py TRANSPORT_URL HOST')
    try:
        main(*sys.argv[1:])
    except exception.SGConductorError as error:
        sys.exit(str(error))
