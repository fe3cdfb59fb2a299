"""A client of acme that calls one worker after the other, until SIGTERM.

It is a member too, so that a pin is lowered only when it follows. PYTHONPATH
decides which release of acme it is. Arguments: a configuration file, a name,
a journal, seconds between two calls.
"""

import contextlib
import logging
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from acme import history
from acme import rpcapi

from sgconductor import app
from sgconductor import context as sg_context
from sgconductor import objects
from sgconductor.cmd import configuration
from tests.upgrade import records

# Seconds; enough for a worker that restarts on a loaded machine.
_TIMEOUT = 60.0

_SIZE = (800, 600)


class RecordedAPI(rpcapi.WorkerAPI):
    """Remembers the RPC version of its last call."""

    version = ''

    @contextlib.contextmanager
    def prepare(self, **target: Any) -> Iterator[Any]:
        with super().prepare(**target) as rpc:
            self.version = rpc.release.rpc
            yield rpc


class Client:
    """Makes one call after the other, and records each."""

    def __init__(
        self, remote: app.Remote, name: str, journal: records.Journal
    ) -> None:
        self._remote = remote
        self._name = name
        self._journal = journal
        self._method = self._host = ''
        self._api = RecordedAPI(remote.transport, remote.pins, _TIMEOUT)

    def call(self) -> bool:
        """Call a worker that is up.

        :returns: whether the call succeeded
        """
        context = self._remote.context()
        at = time.monotonic()
        self._api.version = self._host = failure = ''
        self._method = 'look-up'
        try:
            self._host = self._worker(context)
            if not self._do(context):
                failure = 'the answer is wrong'
        except Exception as error:
            failure = f'{type(error).__name__}: {error}'.partition('\n')[0]
        self._journal.write(
            records.Call(
                id=context.request_id,
                at=at,
                client=self._name,
                release=history.HISTORY.version,
                method=self._method,
                host=self._host,
                version=self._api.version,
                failure=failure,
            )
        )
        return not failure

    def _worker(self, context: sg_context.RequestContext) -> str:
        workers = objects.ServiceList.walk(
            context, binary=rpcapi.BINARY, disabled=False, up=True
        )
        return random.choice([worker.host for worker in workers])

    def _do(self, context: sg_context.RequestContext) -> bool:
        """
        :returns: whether the answer is right
        """
        if history.HISTORY.version > 1 and random.random() < 0.5:
            self._method = 'rotate'
            with contextlib.suppress(rpcapi.NotYet):
                turned = self._api.rotate(context, self._host, _SIZE, 90)
                return turned == (600, 800)
        self._method = 'resize'
        fitted = self._api.resize(context, self._host, _SIZE, (100, 100))
        return fitted == (100, 75)


def main() -> None:
    config, name, path, pause = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    conf = configuration.read('client', ['--config-file', config])
    with (
        app.Remote(conf, _TIMEOUT) as remote,
        remote.membership(
            name, 'acme-client', 'client', 1, on_lost=lambda _: done.set()
        ),
    ):
        client = Client(remote, name, records.Journal(path))
        while not done.is_set():
            # A failure that lasts must not fill the journal.
            done.wait(float(pause) if client.call() else 1)


main()
