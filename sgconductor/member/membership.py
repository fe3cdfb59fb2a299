"""Being a member: from join to leave."""

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal
from typing import Self

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.member import clock
from sgconductor.member import heart
from sgconductor.objects import service as service_objects
from sgconductor.rpcapi import beats as beats_api
from sgconductor.servicegroup import driver as sg_driver

LOG = logging.getLogger(__name__)

# Between two tries to join, in seconds.
_TRY_AGAIN = 2.0


class Membership:
    """A process's place in its group.

    ::

        with remote.membership('node1', 'acme-worker', 'worker', 1):
            serve_until_told_to_stop()

    It joins (the service is up at once), beats and syncs in threads of its
    own, and leaves (the service is down at once). Make it after a fork.

    :param new_context: makes a context that names a conductor
    :param beats: sends the beats
    :param driver: the servicegroup driver of the deployment
    :param host: where; up to 190 characters
    :param binary: what; up to 64 characters
    :param topic: its group
    :param version: the service version, see the project's history
    :param report_interval: seconds between two beats
    :param down_after: seconds without one after which it is down
    :param sync_interval: seconds between two syncs
    :param on_deleted: what to do if its service is deleted
    :param on_lost: called once, from a thread of its own, with a
        MembershipLost, when the conductor counts this process no more
    :param monotonic: the host's clock that only goes forward
    """

    def __init__(
        self,
        new_context: Callable[[], sg_context.RequestContext],
        beats: beats_api.BeatAPI,
        driver: sg_driver.Driver,
        host: str,
        binary: str,
        topic: str,
        version: int,
        *,
        report_interval: int = 10,
        down_after: int = 60,
        sync_interval: float = 60,
        on_deleted: Literal['stop', 'rejoin'] = 'stop',
        on_lost: Callable[[exception.MembershipLost], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._new_context = new_context
        self._beats = beats
        self._driver = driver
        self._identity = {'host': host, 'binary': binary}
        self._joins_with = {
            'topic': topic,
            'version': version,
            'report_interval': report_interval,
            'down_after': down_after,
        }
        self._report_interval = report_interval
        self._sync_interval = sync_interval
        self._on_deleted = on_deleted
        self._on_lost = on_lost
        self._clock = clock.DatabaseClock(monotonic)
        self._service: service_objects.Service | None = None
        self._hearts: list[heart.Heart] = []
        self._stopping = threading.Event()
        self._forced_down = False

    @property
    def service(self) -> service_objects.Service:
        """The service as it was joined.

        :raises RuntimeError: before that
        """
        if self._service is None:
            raise RuntimeError('not a member: call join() first')
        return self._service

    def join(self, timeout: float | None = None) -> service_objects.Service:
        """Join, and beat from now on.

        :param timeout: seconds to keep trying while the broker or the
            conductor cannot be reached; None for as long as it takes
        :returns: the service, which is up
        :raises Unreachable: when the time is over, or leave() is called
        :raises InvalidInput: if the conductor cannot take it
        """
        if self._hearts:
            raise RuntimeError('a member already: leave() first')
        self._stopping.clear()
        self._join_when_reachable(timeout)
        name = f'{self._identity["binary"]} on {self._identity["host"]}'
        self._hearts = [
            heart.Heart(f'beat of {name}', self._report_interval, self._beat),
            heart.Heart(f'sync of {name}', self._sync_interval, self._sync),
        ]
        for each in self._hearts:
            each.start()
        return self.service

    def leave(self) -> None:
        """Stop beating and say so: the service is down at once.

        If nobody can be told, the service is down after ``down_after``
        instead, and a warning says so.
        """
        self._stop()
        if self._service is None:
            return
        service, self._service = self._service, None
        try:
            self._driver.leave(self._member(service))
            service.leave()
        except exception.SGConductorError as error:
            LOG.warning('Left without telling anybody: %s', error)

    def stop(self) -> None:
        """Stop beating and tell nobody, as a process that dies."""
        self._stop()
        self._service = None

    def __enter__(self) -> Self:
        self.join()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()

    def _stop(self) -> None:
        self._stopping.set()
        for each in self._hearts:
            each.stop()
        self._hearts = []

    def _join_when_reachable(self, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        warned = False
        while True:
            try:
                return self._join()
            except exception.Unreachable as error:
                if deadline is not None and time.monotonic() >= deadline:
                    raise
                if not warned:
                    LOG.warning('Cannot join yet, trying on: %s', error)
                    warned = True
                if self._stopping.wait(_TRY_AGAIN):
                    raise

    def _join(self) -> None:
        try:
            service = service_objects.Service(
                self._new_context(), **self._identity, **self._joins_with
            )
        except ValueError as error:
            raise exception.InvalidInput(str(error)) from None
        self._clock.set(lambda: int(service.join()['now']))
        self._forced_down = False
        self._driver.join(self._member(service))
        self._service = service
        LOG.info(
            'Joined as %s on %s, service %s, incarnation %d',
            service.binary,
            service.host,
            service.uuid,
            service.incarnation,
        )

    def _beat(self) -> None:
        service = self._service
        if service is None:
            return
        self._driver.beat(self._member(service))
        self._beats.beat(
            self._new_context(),
            service.id,
            service.incarnation,
            self._clock.now(),
        )

    def _sync(self) -> None:
        service = self._service
        if service is None:
            return
        word = 'fine'

        def ask() -> int:
            nonlocal word
            answer = service.sync()
            word = answer['word']
            return int(answer['now'])

        self._clock.set(ask)
        if word in ('superseded', 'deleted'):
            self._lose(service, word)
        elif (word == 'forced down') != self._forced_down:
            self._forced_down = not self._forced_down
            LOG.warning(
                '%s on %s is %s.',
                service.binary,
                service.host,
                'forced down by an operator'
                if self._forced_down
                else 'no longer forced down',
            )

    def _lose(self, service: service_objects.Service, word: str) -> None:
        if self._stopping.is_set():
            return
        if word == 'deleted' and self._on_deleted == 'rejoin':
            LOG.warning('Service %s was deleted; joining again.', service.uuid)
            self._join()
            return
        lost = exception.MembershipLost(service.host, service.binary, word)
        LOG.error('%s Beating stops.', lost)
        self._stop()
        # The driver's record of an older incarnation is its own to remove.
        self._driver.leave(self._member(service))
        if self._on_lost is not None:
            self._on_lost(lost)

    @staticmethod
    def _member(service: service_objects.Service) -> sg_driver.Member:
        return sg_driver.Member(
            service.uuid,
            service.host,
            service.binary,
            service.topic,
            service.incarnation,
        )
