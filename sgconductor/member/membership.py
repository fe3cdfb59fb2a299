"""The membership of a process in its group, from join to leave."""

import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from types import TracebackType
from typing import Literal
from typing import Self

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import host_clock
from sgconductor.member import database_clock
from sgconductor.member import driver_heartbeat
from sgconductor.member import joiner
from sgconductor.member import periodic_task
from sgconductor.member import session as sg_session
from sgconductor.objects import service as service_objects
from sgconductor.rpcapi import beats as beats_api
from sgconductor.rpcapi import pin_cache
from sgconductor.servicegroup import driver as sg_driver

LOG = logging.getLogger(__name__)


class Membership:
    """A process's membership in its group.

    ::

        with remote.membership('node1', 'acme-worker', 'worker', 1):
            serve_until_told_to_stop()

    It joins (the service is up at once), beats and syncs in its own threads,
    and leaves (the service is down at once). Create it after a fork.

    :param new_context: makes a context that names a conductor
    :param beats: sends the beats
    :param pins: the pins that this process uses; joins and syncs update
        them, and beats confirm them
    :param listen: makes ``pins`` hear of changes; may be called again
    :param drivers: the servicegroup drivers of the deployment
    :param host: unique host name, up to 190 characters
    :param binary: name of the program, up to 64 characters
    :param topic: topic of the service's own RPC API
    :param version: the service version, an index of the project's history
    :param report_interval: seconds between two beats
    :param down_after: seconds without a beat after which it is down
    :param beat_interval: seconds between two beats, if it is to beat more
        often than at ``report_interval``
    :param sync_interval: seconds between two syncs
    :param on_deleted: what to do when its service is deleted
    :param quiet_drivers: log failures of drivers at debug level, because
        another part of the process warns of them
    :param on_lost: called once, from the thread that syncs, with a
        MembershipLost, when the conductor no longer counts this process as
        a member
    :param monotonic: the host's monotonic clock
    :param others: clocks that go on while the host is paused; see
        :class:`sgconductor.host_clock.HostClock`
    :raises InvalidInput: for an argument that cannot work
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
        quiet_drivers: bool = False,
        on_lost: Callable[[exception.MembershipLost], None] | None = None,
        monotonic: host_clock.Clock = time.monotonic,
        others: Sequence[host_clock.Clock] | None = None,
    ) -> None:
        if sync_interval <= 0:
            raise exception.InvalidInput(
                f'sync_interval must be greater than 0, not {sync_interval}'
            )
        if on_deleted not in ('stop', 'rejoin'):
            raise exception.InvalidInput(
                f"on_deleted must be 'stop' or 'rejoin', not {on_deleted!r}"
            )
        self._beats = beats
        self._pins = pins
        self._drivers = [driver for driver in drivers if driver.detects]
        self._host = host
        self._binary = binary
        self._name = f'{binary} on {host}'
        self._beat_interval = beat_interval or report_interval
        self._down_after = down_after
        self._sync_interval = sync_interval
        self._on_deleted = on_deleted
        self._quiet_drivers = quiet_drivers
        self._on_lost = on_lost
        self._clock = database_clock.DatabaseClock(monotonic, others)
        self._joiner = joiner.Joiner(
            new_context,
            pins,
            listen,
            self._clock,
            [driver.name for driver in self._drivers],
            host=host,
            binary=binary,
            topic=topic,
            version=version,
            report_interval=report_interval,
            down_after=down_after,
        )
        # Guards the current session. No server is called under it.
        self._lock = threading.Lock()
        self._session: sg_session.Session | None = None

    @property
    def service(self) -> service_objects.Service:
        """The service as it joined last.

        :raises RuntimeError: while this process is not a member
        """
        service = self.joined
        if service is None:
            raise RuntimeError('not a member: call join() first')
        return service

    @property
    def joined(self) -> service_objects.Service | None:
        """The service as it joined last; None while it is not a member."""
        session = self._session
        return None if session is None else session.service

    def join(self, timeout: float | None = None) -> service_objects.Service:
        """Join, and beat from now on.

        :param timeout: seconds to keep trying while the broker, the
            conductor or its database cannot be reached; None for no limit
        :returns: the service, which is up
        :raises Unreachable: at the end of the timeout
        :raises InvalidInput: if the conductor refuses a value
        :raises ServiceTooOld: if the pin is above its version
        :raises MembershipLost: if leave() is called before it has joined
        """
        session = sg_session.Session()
        with self._lock:
            if self._session is not None:
                raise RuntimeError('already a member: call leave() first')
            self._session = session
        try:
            service = self._joiner.join_when_reachable(session.ended, timeout)
        except BaseException:
            self._end(session)
            raise
        if service is None:
            raise self._lost('left')
        self._start(session, service)
        return service

    def leave(self) -> None:
        """Stop beating, and tell a conductor: the service is down at once.

        If no conductor can be told, a warning is logged, and the service is
        down after ``down_after``.
        """
        session = self._end(self._session)
        if session is not None and session.service is not None:
            self._deregister(session, session.service)

    def stop(self) -> None:
        """Stop beating without telling a conductor, as a crash would."""
        self._end(self._session)

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

    def _start(
        self, session: sg_session.Session, service: service_objects.Service
    ) -> None:
        """Start to beat and sync, unless the session has ended already."""
        with self._lock:
            ended = session.ended.is_set()
            if not ended:
                session.service = service
                session.tasks = self._tasks(session)
                session.driver_heartbeats = self._heartbeats(session)
                for task in session.tasks:
                    task.start()
        if ended:
            self._deregister(session, service)
            raise self._lost('left')
        for heartbeat in session.driver_heartbeats:
            heartbeat.start()
        if session.ended.is_set():
            session.deregister()
        self._log_join(service)

    def _tasks(
        self, session: sg_session.Session
    ) -> list[periodic_task.PeriodicTask]:
        return [
            periodic_task.PeriodicTask(
                f'beat of {self._name}',
                self._beat_interval,
                lambda: self._beat(session),
            ),
            periodic_task.PeriodicTask(
                f'sync of {self._name}',
                self._sync_interval,
                lambda: self._sync(session),
            ),
        ]

    def _heartbeats(
        self, session: sg_session.Session
    ) -> list[driver_heartbeat.DriverHeartbeat]:
        return [
            driver_heartbeat.DriverHeartbeat(
                driver,
                self._name,
                lambda: session.joined,
                self._quiet_drivers,
            )
            for driver in self._drivers
        ]

    def _end(
        self, session: sg_session.Session | None
    ) -> sg_session.Session | None:
        """End a session.

        :returns: the session; None if it has ended already
        """
        with self._lock:
            if session is None or session.ended.is_set():
                return None
            session.end()
            if self._session is session:
                self._session = None
        # Conductors no longer wait until this process confirms a pin.
        self._pins.invalidate()
        return session

    def _beat(self, session: sg_session.Session) -> None:
        service = session.joined
        sent = self._pins.monotonic()
        self._beats.beat(
            service.id,
            service.incarnation,
            self._clock.now(),
            self._pins.epoch,
        )
        # For so long, a conductor counts this process as live, and waits
        # until it confirms a pin.
        self._pins.extend(sent + self._down_after)
        if self._clock.uncertain:
            session.sync_soon()

    def _sync(self, session: sg_session.Session) -> None:
        asked = self._pins.monotonic()
        answer = self._clock.set_by(session.joined.sync)
        state = answer['word']
        if session.ended.is_set():
            return
        # A later conductor may answer another state, which ends nothing.
        if state == 'rejoin' or (
            state == 'deleted' and self._on_deleted == 'rejoin'
        ):
            self._rejoin(session, state)
            return
        if state in ('superseded', 'deleted'):
            self._lose(session, state)
            return
        self._pins.update_from(answer, asked + pin_cache.MAX_AGE)
        if (state == 'forced down') != session.forced_down:
            session.forced_down = not session.forced_down
            LOG.warning(
                '%s is %s.',
                self._name,
                'forced down by an operator'
                if session.forced_down
                else 'no longer forced down',
            )

    def _rejoin(self, session: sg_session.Session, state: str) -> None:
        LOG.warning(
            '%s joins again: the conductor answered %r.', self._name, state
        )
        try:
            service = self._joiner.join()
        except exception.ServiceTooOld as error:
            LOG.error('%s', error)
            self._lose(session, 'too old')
            return
        with self._lock:
            ended = session.ended.is_set()
            if not ended:
                session.service = service
                session.forced_down = False
        if ended:
            self._deregister(session, service)
        else:
            self._log_join(service)

    def _lose(self, session: sg_session.Session, state: str) -> None:
        if self._end(session) is None:
            return
        lost = self._lost(state)
        LOG.error('%s It stops beating.', lost)
        # Only this process removes what it has registered in the drivers.
        session.deregister()
        if self._on_lost is not None:
            self._on_lost(lost)

    def _deregister(
        self, session: sg_session.Session, service: service_objects.Service
    ) -> None:
        """Tell a conductor and the drivers that the service has left."""
        try:
            service.leave()
        except exception.SGConductorError as error:
            LOG.warning(
                'No conductor could be told that %s leaves, so it counts as '
                'down only after %d s: %s',
                self._name,
                self._down_after,
                error,
            )
        session.deregister()

    def _log_join(self, service: service_objects.Service) -> None:
        LOG.info(
            'Joined as %s, service %s, incarnation %d',
            self._name,
            service.uuid,
            service.incarnation,
        )

    def _lost(self, state: str) -> exception.MembershipLost:
        return exception.MembershipLost(self._host, self._binary, state)
