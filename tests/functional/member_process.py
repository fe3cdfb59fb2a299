"""A member in a process of its own, until SIGTERM.

Arguments: a configuration file, a host.
"""

import signal
import sys
import threading

from sgconductor import app
from sgconductor.cmd import configuration


def main() -> None:
    conf = configuration.read('member', ['--config-file', sys.argv[1]])
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    with (
        app.Remote(conf, timeout=20) as remote,
        remote.membership(sys.argv[2], 'acme-worker', 'worker', 1),
    ):
        print('joined', flush=True)
        done.wait()


main()
