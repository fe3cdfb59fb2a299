"""Members in workers that are forked from one process, until SIGTERM.

Arguments: a configuration file, and a host for each worker.
"""

import os
import signal
import sys
import threading

from sgconductor import app
from sgconductor.cmd import configuration


def main() -> None:
    conf = configuration.read('forked', ['--config-file', sys.argv[1]])
    for host in sys.argv[2:]:
        if not os.fork():
            app.Remote(conf, timeout=20).membership(
                host, 'acme-worker', 'worker', 1
            ).join()
            print(f'{host} is {os.getpid()}', flush=True)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit())
            threading.Event().wait()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    while True:
        os.wait()


main()
