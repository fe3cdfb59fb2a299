"""Many members in one process, until SIGTERM.

Arguments: a configuration file, and the members' hosts.
"""

import sys
import threading

from sgconductor import app
from sgconductor.cmd import configuration


def main() -> None:
    conf = configuration.read('members', ['--config-file', sys.argv[1]])
    remote = app.Remote(conf, timeout=20)
    for host in sys.argv[2:]:
        remote.membership(host, 'acme-worker', 'worker', 1).join()
    print('all have joined', flush=True)
    # A signal ends it, and no member leaves: as in a crash.
    threading.Event().wait()


main()
