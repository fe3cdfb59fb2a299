"""Being a member: from join to leave."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from collections.abc import Sequence
from types import TracebackType
from typing import Any
from typing import Literal
from typing import Self

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.member import database_clock
from sgconductor.member import driver_heartbeat
from sgconductor.member import periodic_task
from sgconductor.member import session
from sgconductor.objects import service as service_objects
from sgconductor.rpcapi import beats as beats_api
from sgconductor.rpcapi import pin_cache
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
    :param pins: what this process may speak; fed by joins and syncs, and
        confirmed by beats
    :param listen: has ``pins`` hear of changes at once; again does no harm
    :param drivers: the servicegroup drivers of the deployment
    :param host: where; up to 190 characters
    :param binary: what; up to 64 characters
    :param topic: its group
    :param version: the service version, see the project's history
    :param report_interval: seconds between two beats
    :param down_after: seconds without one after which it is down
    :param beat_interval: seconds between two beats, if it is to beat more
        often than it promises
    :param sync_interval: seconds between two syncs
    :param on_deleted: what to do if its service is deleted
    :param quiet_feeds: whether somebody else tells that a driver is away
    :param on_lost: called once, from the thread that syncs, with a
        MembershipLost, when the conductor counts this process no more
    :param monotonic: the host's clock that only goes forward
    :raises InvalidInput: for a value that cannot work
    """

    def __init__(
        self,
        new_context: Callable[[], sg_context.RequestContext],
        beats: beats_api.BeatAPI,
        pins: pin_cache.PinCache,
        listen: Callable[[], None],
        drivers: Sequence[sg_driver.Driver],
        host: str,
        binary: str,
        topic: str,
        version: int,
        *,
        report_interval: int = 10,
        down_after: int = 60,
        beat_interval: float | None = None,
        sync_interval: float = 60,
        on_deleted: Literal['stop', 'rejoin'] = 'stop',
        quiet_feeds: bool = False,
        on_lost: Callable[[exception.MembershipLost], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if sync_interval <= 0:
            raise exception.InvalidInput(
                f'sync_interval must be greater than 0, not {sync_interval}'
            )
        if on_deleted not in ('stop', 'rejoin'):
            raise exception.InvalidInput(
                f"on_deleted must be 'stop' or 'rejoin', not {on_deleted!r}"
            )
        self._new_context = new_context
        self._beats = beats
        self._pins = pins
        self._listen = listen
        self._drivers = [driver for driver in drivers if driver.detects]
        self._host = host
        self._binary = binary
        self._joins_with = {
            'topic': topic,
            'version': version,
            'report_interval': report_interval,
            'down_after': down_after,
        }
        self._beat_interval = beat_interval or report_interval
        self._down_after = down_after
        self._sync_interval = sync_interval
        self._on_deleted = on_deleted
        self._quiet = quiet_feeds
        self._on_lost = on_lost
        self._clock = database_clock.DatabaseClock(monotonic)
        # Guards which term is on. No call to anybody is made under it.
        self._lock = threading.Lock()
        self._term: session.Session | None = None

    @property
    def service(self) -> service_objects.Service:
        """The service as it was joined.

        :raises RuntimeError: while it is not
        """
        term = self._term
        if term is None or term.service is None:
            raise RuntimeError('not a member: call join() first')
        return term.service

    def join(self, timeout: float | None = None) -> service_objects.Service:
        """Join, and beat from now on.

        :param timeout: seconds to keep trying while the broker, the
            conductor or its database cannot be reached; None for as long as
            it takes
        :returns: the service, which is up
        :raises Unreachable: when the time is over
        :raises InvalidInput: if the conductor cannot take it
        :raises ServiceTooOld: if the pin is beyond its version
        :raises MembershipLost: if leave() was called meanwhile
        """
        term = session.Session()
        with self._lock:
            if self._term is not None:
                raise RuntimeError('a member already: leave() first')
            self._term = term
        try:
            service = self._join_when_reachable(term, timeout)
        except BaseException:
            self._end(term)
            raise
        return self._begin(term, service)

    def leave(self) -> None:
        """Stop beating and say so: the service is down at once.

        If nobody can be told, the service is down after ``down_after``
        instead, and a warning says so.
        """
        term = self._end(self._term)
        if term is not None and term.service is not None:
            self._tell_of_leave(term, term.service)

    def stop(self) -> None:
        """Stop beating and tell nobody, as a process that dies."""
        self._end(self._term)

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

    def _join_when_reachable(
        self, term: session.Session, timeout: float | None
    ) -> service_objects.Service:
        deadline = None if timeout is None else time.monotonic() + timeout
        warned = False
        token = str(uuid.uuid4())
        while True:
            try:
                return self._join(token)
            except exception.Unreachable as error:
                if deadline is not None and time.monotonic() >= deadline:
                    raise
                if not warned:
                    LOG.warning('Cannot join yet, trying on: %s', error)
                    warned = True
            if term.over.wait(_TRY_AGAIN):
                raise self._left()

    def _join(self, token: str) -> service_objects.Service:
        try:
            service = service_objects.Service(
                self._new_context(),
                host=self._host,
                binary=self._binary,
                **self._joins_with,
            )
        except ValueError as error:
            raise exception.InvalidInput(str(error)) from None
        # What changes from here on is heard, so nothing is missed.
        self._listen()
        asked = self._pins.monotonic()
        answer = self._ask(lambda: service.join(token))
        self._pins.update_from(answer, asked + self._down_after)
        self._check_driver(answer.get('driver', 'db'))
        return service

    def _check_driver(self, name: str) -> None:
        if name != 'db' and name not in [d.name for d in self._drivers]:
            LOG.warning(
                '%s on %s will soon count as down: the conductors go by the '
                'servicegroup driver %s, and this process feeds it not. Set '
                '[servicegroup] driver, or shadow_driver, to it here too.',
                self._binary,
                self._host,
                name,
            )

    def _ask(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Ask a conductor, whose answer tells the database's now."""
        answer: dict[str, Any] = {}

        def now() -> int:
            answer.update(ask())
            return int(answer['now'])

        self._clock.set(now)
        return answer

    def _begin(
        self, term: session.Session, service: service_objects.Service
    ) -> service_objects.Service:
        """Let the term begin, unless it is over already."""
        name = f'{self._binary} on {self._host}'
        with self._lock:
            left = term.over.is_set()
            if not left:
                term.service = service
                term.hearts = [
                    periodic_task.PeriodicTask(
                        f'beat of {name}',
                        self._beat_interval,
                        lambda: self._beat(term),
                    ),
                    periodic_task.PeriodicTask(
                        f'sync of {name}',
                        self._sync_interval,
                        lambda: self._sync(term),
                    ),
                ]
                term.feeds = [
                    driver_heartbeat.DriverHeartbeat(
                        driver, name, lambda: _joined(term), self._quiet
                    )
                    for driver in self._drivers
                ]
                for each in term.hearts:
                    each.start()
        if left:
            self._tell_of_leave(term, service)
            raise self._left()
        for each_feed in term.feeds:
            each_feed.start()
        if term.over.is_set():
            term.forget()
        self._log_join(service)
        return service

    def _end(self, term: session.Session | None) -> session.Session | None:
        """End a term; None if that is done already."""
        with self._lock:
            if term is None or term.over.is_set():
                return None
            term.over.set()
            for each in term.hearts:
                each.stop()
            for each_feed in term.feeds:
                each_feed.stop()
            if self._term is term:
                self._term = None
        # From here on, nobody waits for what this process speaks.
        self._pins.invalidate()
        return term

    def _beat(self, term: session.Session) -> None:
        service = _joined(term)
        sent = self._pins.monotonic()
        self._beats.beat(
            service.id,
            service.incarnation,
            self._clock.now(),
            self._pins.epoch,
        )
        # A conductor takes it for alive, and waits for its word, until then.
        self._pins.extend(sent + self._down_after)

    def _sync(self, term: session.Session) -> None:
        service = _joined(term)
        asked = self._pins.monotonic()
        answer = self._ask(service.sync)
        word = answer['word']
        if term.over.is_set():
            return
        # A word that a later conductor may add is none of these.
        if word == 'rejoin' or (
            word == 'deleted' and self._on_deleted == 'rejoin'
        ):
            self._rejoin(term, word)
            return
        if word in ('superseded', 'deleted'):
            self._lose(term, word)
            return
        self._pins.update_from(answer, asked + pin_cache.MAX_AGE)
        if (word == 'forced down') != term.forced_down:
            term.forced_down = not term.forced_down
            LOG.warning(
                '%s on %s is %s.',
                self._binary,
                self._host,
                'forced down by an operator'
                if term.forced_down
                else 'no longer forced down',
            )

    def _rejoin(self, term: session.Session, word: str) -> None:
        LOG.warning(
            '%s on %s joins again: the conductor said %r.',
            self._binary,
            self._host,
            word,
        )
        try:
            service = self._join(str(uuid.uuid4()))
        except exception.ServiceTooOld as error:
            LOG.error('%s', error)
            self._lose(term, 'too old')
            return
        with self._lock:
            left = term.over.is_set()
            if not left:
                term.service = service
                term.forced_down = False
        if left:
            self._tell_of_leave(term, service)
        else:
            self._log_join(service)

    def _lose(self, term: session.Session, word: str) -> None:
        if self._end(term) is None:
            return
        lost = exception.MembershipLost(self._host, self._binary, word)
        LOG.error('%s Beating stops.', lost)
        # Drivers' records of an older incarnation are its own to remove.
        term.forget()
        if self._on_lost is not None:
            self._on_lost(lost)

    def _tell_of_leave(
        self, term: session.Session, service: service_objects.Service
    ) -> None:
        try:
            service.leave()
        except exception.SGConductorError as error:
            LOG.warning('Left without telling anybody: %s', error)
        term.forget()

    def _left(self) -> exception.MembershipLost:
        return exception.MembershipLost(self._host, self._binary, 'left')

    def _log_join(self, service: service_objects.Service) -> None:
        LOG.info(
            'Joined as %s on %s, service %s, incarnation %d',
            self._binary,
            self._host,
            service.uuid,
            service.incarnation,
        )


def _joined(term: session.Session) -> service_objects.Service:
    assert term.service is not None
    return term.service
