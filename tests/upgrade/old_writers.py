"""Callers of the release before that write without a pause, until SIGTERM.

Runs under that release's python, so it may use only what that release had.
Arguments: a configuration file. Prints several times a second, as JSON, how
much of each kind of work is done, and what has failed.
"""

import json
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from oslo_utils import uuidutils

from sgconductor import app
from sgconductor import objects
from sgconductor.cmd import configuration
from sgconductor.rpcapi import beats as beats_api

# Seconds between two lines, and between two works of the same kind.
_LINE = 0.2
_PAUSE = 0.01


class Writers:
    def __init__(self, remote: Any) -> None:
        self._remote = remote
        self._edited = self._new('edited', 'acme-worker')
        self._edited.join(uuidutils.generate_uuid())
        # Only a service that is disabled has a reason.
        self._edited.disabled = True
        self._beaten = self._new('beaten', 'acme-worker')
        answer = self._beaten.join(uuidutils.generate_uuid())
        self._now, self._epoch = answer['now'], answer['epoch']
        self._beats = beats_api.BeatAPI(remote.transport)
        self._member = remote.membership('member', 'acme-member', 'member', 3)
        self.done = {'joins': 0, 'saves': 0, 'looks': 0, 'beats': 0}
        self.failed: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        threads = [
            threading.Thread(target=self._repeat, args=(name, work))
            for name, work in (
                ('joins', self._join_and_leave),
                ('saves', self._save),
                ('looks', self._look),
                ('beats', self._beat),
            )
        ]
        with self._member:
            for thread in threads:
                thread.start()
            while not self.over.wait(_LINE):
                self.report()
            for thread in threads:
                thread.join()
        self.report()

    def report(self) -> None:
        print(json.dumps({**self.done, 'failed': self.failed}), flush=True)

    def _repeat(self, name: str, work: Callable[[int], None]) -> None:
        while not self.over.is_set():
            try:
                work(self.done[name])
            except Exception as error:
                self.failed.append(f'{name}: {type(error).__name__}: {error}')
            self.done[name] += 1
            self.over.wait(_PAUSE)

    def _new(self, host: str, binary: str) -> Any:
        return objects.Service(
            self._remote.context(),
            host=host,
            binary=binary,
            topic='writer',
            version=2,
            report_interval=1,
            down_after=30,
        )

    def _join_and_leave(self, count: int) -> None:
        # Each host joins twice: a new row, and a row that is taken over.
        service = self._new(f'joining{count // 2}', 'acme-joiner')
        service.join(uuidutils.generate_uuid())
        service.sync()
        if not service.leave():
            raise RuntimeError('the leave did not count')

    def _beat(self, count: int) -> None:
        # The beats of a member, but so many that the loss of one shows.
        self._beats.beat(
            self._beaten.id, self._beaten.incarnation, self._now, self._epoch
        )

    def _save(self, count: int) -> None:
        self._edited.disabled_reason = f'edit {count}'
        self._edited.save()

    def _look(self, count: int) -> None:
        uuid = self._edited.uuid
        found = objects.Service.get_by_uuid(self._remote.context(), uuid)
        listed = objects.ServiceList.get_page(
            self._remote.context(), 20, binary='acme-joiner'
        )
        if found.uuid != uuid or len(listed) > 20:
            raise RuntimeError('another service, or too many')


def main() -> None:
    conf = configuration.read('writers', ['--config-file', sys.argv[1]])
    with app.Remote(conf, timeout=60) as remote:
        writers = Writers(remote)
        signal.signal(signal.SIGTERM, lambda *_: writers.over.set())
        writers.run()


main()
