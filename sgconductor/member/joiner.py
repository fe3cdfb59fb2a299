"""The joiner: asks a conductor to make this process a member."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from collections.abc import Collection

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.member import database_clock
from sgconductor.objects import service as service_objects
from sgconductor.rpcapi import pin_cache

LOG = logging.getLogger(__name__)

# Seconds between two attempts to join.
_RETRY_EVERY = 2.0


class Joiner:
    """Joins as one host and binary, as often as it is told to.

    :param new_context: makes a context that names a conductor
    :param pins: learns the pins from the answer
    :param listen: makes ``pins`` hear of changes; may be called again
    :param clock: is set by the answer
    :param drivers: the names of the drivers to which this process sends
        heartbeats
    :param host: see :class:`sgconductor.member.Membership`, for the rest too
    """

    def __init__(
        self,
        new_context: Callable[[], sg_context.RequestContext],
        pins: pin_cache.PinCache,
        listen: Callable[[], None],
        clock: database_clock.DatabaseClock,
        drivers: Collection[str],
        *,
        host: str,
        binary: str,
        topic: str,
        version: int,
        report_interval: int,
        down_after: int,
    ) -> None:
        self._new_context = new_context
        self._pins = pins
        self._listen = listen
        self._clock = clock
        self._drivers = drivers
        self._down_after = down_after
        self._fields = {
            'host': host,
            'binary': binary,
            'topic': topic,
            'version': version,
            'report_interval': report_interval,
            'down_after': down_after,
        }
        self._name = f'{binary} on {host}'

    def join(self) -> service_objects.Service:
        """Join, in one attempt.

        :raises Unreachable: if the broker, the conductor or its database
            cannot be reached
        :raises InvalidInput: if the conductor refuses a value
        :raises ServiceTooOld: if the pin is above the version
        """
        return self._join(str(uuid.uuid4()))

    def join_when_reachable(
        self, ended: threading.Event, timeout: float | None
    ) -> service_objects.Service | None:
        """Join, and try again while something cannot be reached.

        :param ended: stops the attempts when it is set
        :param timeout: seconds to keep trying; None for no limit
        :returns: None if ``ended`` was set first
        :raises Unreachable: at the end of the timeout
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        warned = False
        # All attempts are one join, for the conductor may have done it when
        # its answer is lost.
        token = str(uuid.uuid4())
        while True:
            try:
                return self._join(token)
            except exception.Unreachable as error:
                if deadline is not None and time.monotonic() >= deadline:
                    raise
                if not warned:
                    LOG.warning('Cannot join yet, will try again: %s', error)
                    warned = True
            if ended.wait(_RETRY_EVERY):
                return None

    def _join(self, token: str) -> service_objects.Service:
        try:
            service = service_objects.Service(
                self._new_context(), **self._fields
            )
        except ValueError as error:
            raise exception.InvalidInput(str(error)) from None
        # Before the join: a pin that moves after the answer is not missed.
        self._listen()
        asked = self._pins.monotonic()
        answer = self._clock.set_by(lambda: service.join(token))
        self._pins.update_from(answer, asked + self._down_after)
        self._check_driver(answer['driver'])
        return service

    def _check_driver(self, name: str) -> None:
        if name == 'db' or name in self._drivers:
            return
        LOG.warning(
            '%s will soon count as down: the conductors use the servicegroup '
            'driver %s, but this process sends it no heartbeats. Set '
            '[servicegroup] driver or shadow_driver to %s here too.',
            self._name,
            name,
            name,
        )
