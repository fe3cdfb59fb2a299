"""A worker of acme that records each call it gets, until SIGTERM.

PYTHONPATH decides which release of acme it is. Arguments: a configuration
file, a host, a journal.
"""

import contextlib
import logging
import signal
import sys
from typing import Any
from unittest import mock

import oslo_messaging as messaging
from acme import history
from acme import worker
from oslo_messaging.rpc import dispatcher

from sgconductor import app
from sgconductor.cmd import configuration
from tests.upgrade import records


def record(
    host: str, journal: records.Journal
) -> contextlib.AbstractContextManager[Any]:
    """Record each call that the worker gets, before it is answered."""
    dispatch = messaging.RPCDispatcher.dispatch

    def recorded(self: Any, incoming: Any) -> Any:
        above = False
        try:
            return dispatch(self, incoming)
        except dispatcher.UnsupportedVersion:
            above = True
            raise
        finally:
            # The process also gets messages of conductors.
            if isinstance(self.endpoints[0], worker.Worker):
                journal.write(
                    records.Receipt(
                        id=incoming.ctxt['request_id'],
                        host=host,
                        release=history.HISTORY.version,
                        version=incoming.message.get('version', '1.0'),
                        above=above,
                    )
                )

    return mock.patch.object(messaging.RPCDispatcher, 'dispatch', recorded)


def main() -> None:
    config, host, path = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    # SystemExit leaves the group on its way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    conf = configuration.read('worker', ['--config-file', config])
    with record(host, records.Journal(path)), app.Remote(conf) as remote:
        worker.serve(remote, host)


main()
