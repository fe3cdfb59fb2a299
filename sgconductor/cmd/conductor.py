"""sgconductor-conductor: the daemon."""

import gc
import logging
import sys
import threading
from typing import Self

from oslo_config import cfg
from oslo_service import service

from sgconductor import exception
from sgconductor.app import conductor as conductor_app
from sgconductor.app import wait
from sgconductor.cmd import configuration

LOG = logging.getLogger(__name__)

# As of gc.set_threshold(): so many new objects before a collection.
_GC_THRESHOLD = 5_000


class ConductorService(service.ServiceBase):
    """One worker process.

    Until it is started it keeps only the configuration, so that it can be
    forked or spawned.

    :param worker: its number on this host
    """

    def __init__(self, conf: cfg.ConfigOpts, worker: int = 0) -> None:
        self._conf = conf
        self._worker = worker
        self._stopped = threading.Event()
        self._conductor: conductor_app.Conductor | None = None

    def __reduce__(self) -> tuple[type[Self], tuple[cfg.ConfigOpts, int]]:
        return type(self), (self._conf, self._worker)

    def start(self) -> None:
        self._conductor = conductor_app.Conductor(self._conf, self._worker)
        self._conductor.start()
        # What is here now stays for good, and most objects that a call makes
        # are freed without a search for cycles: collect less often.
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD)
        LOG.info('Conductor worker is ready.')

    def stop(self) -> None:
        try:
            if self._conductor is not None:
                self._conductor.stop()
        finally:
            self._stopped.set()
        LOG.info('Conductor worker has stopped.')

    def wait(self) -> None:
        self._stopped.wait()

    def reset(self) -> None:
        """Nothing to do.

        On SIGHUP the parent process reads the mutable options again and
        replaces each worker, which first finishes the messages it has taken.
        """


def main() -> int:
    try:
        conf = configuration.read('sgconductor-conductor')
        configuration.set_up_logging(conf)
        conductor = conductor_app.Conductor(conf)
        try:
            wait.wait_until_ready(
                conductor.check,
                conf.conductor.startup_timeout,
                lambda error: LOG.warning(
                    'Not ready; trying again: %s', error
                ),
            )
        finally:
            # No connection may cross the fork; the workers open their own.
            conductor.close()
    except exception.SGConductorError as error:
        print(f'sgconductor-conductor: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    # Each worker is a member of its own, so each needs its number.
    first, *more = (
        ConductorService(conf, worker)
        for worker in range(conf.conductor.workers)
    )
    launcher = service.launch(conf, first, restart_method='mutate')
    for each in more:
        launcher.launch_service(each)
    return launcher.wait() or 0
