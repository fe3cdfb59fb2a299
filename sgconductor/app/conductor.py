"""What a conductor worker runs."""

import contextlib
import logging
import threading

import oslo_messaging as messaging
from oslo_config import cfg

from sgconductor import backend
from sgconductor import conf as sg_conf
from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import metrics as sg_metrics
from sgconductor import objects
from sgconductor import roster
from sgconductor.conductor import beat_writer
from sgconductor.conductor import dispatcher
from sgconductor.conductor import exporter
from sgconductor.conductor import manager
from sgconductor.conductor import metrics
from sgconductor.conductor import rounds
from sgconductor.db import database
from sgconductor.db import models
from sgconductor.db import reception
from sgconductor.db import schema
from sgconductor.member import membership
from sgconductor.member import periodic_task
from sgconductor.messaging import graceful_server
from sgconductor.messaging import transports
from sgconductor.rpcapi import events as events_api
from sgconductor.rpcapi import pin_cache
from sgconductor.rpcapi import pin_fanout
from sgconductor.rpcapi import pin_listener
from sgconductor.servicegroup import driver as sg_driver

LOG = logging.getLogger(__name__)

# Seconds; it finds something only where somebody else wrote the table.
_SETTLE_EVERY = 30.0
_ROUND_EVERY = 1.0
_HEARTS_END_WITHIN = 10.0

# Seconds. What was sent since a conductor's last beat is not known to have
# been heard yet; and that long nobody is heard only where something is away.
_BEAT_EVERY = 0.5
_GAP = 3.0

# As what conductors are members themselves.
_VERSION = 1


class Conductor:
    """One conductor worker: it answers calls and writes beats.

    :param conf: with ``[database]``, ``transport_url`` and the options of
        :mod:`sgconductor.conf`
    :param worker: its number on this host
    :raises ConfigError: for a configuration that cannot work
    """

    def __init__(self, conf: cfg.ConfigOpts, worker: int = 0) -> None:
        sg_conf.validate(conf)
        self._conf = conf
        host = conf.conductor.host
        self._host = f'{host}:{worker}' if worker else host
        self._db = database.Database.from_conf(conf)
        self._drivers = sg_driver.load(conf)
        self._rpc = transports.rpc_transport(conf)
        self.backend = backend.make(
            self._db,
            self._drivers,
            pin_fanout.PinFanout(self._rpc).pins_changed,
        )
        self._pins = pin_cache.PinCache(
            lambda: objects.PinList.in_force(self._context())
        )
        self._ear = pin_listener.PinListener(self._rpc, self._pins)
        late = conf.servicegroup.down_after / 4
        gap = min(_GAP, late)
        self._membership = self._member(gap)
        self._events = transports.event_transport(conf)
        self._rounds = rounds.Rounds(
            self.backend,
            events_api.EventAPI(self._events, self._host).send,
        )
        self._walking = periodic_task.PeriodicTask(
            'looking after the group', _ROUND_EVERY, self._rounds.go
        )
        # Apart, for it may wait for another broker.
        self._telling = periodic_task.PeriodicTask(
            'telling of events', _ROUND_EVERY, self._rounds.tell
        )
        self._settling = periodic_task.PeriodicTask(
            'settling of the pins',
            _SETTLE_EVERY,
            lambda: roster.settle(self.backend),
        )
        self._notifications = transports.beat_transport(conf)
        self._started = self._stopped = False
        self.beats = beat_writer.BeatWriter(self._db, gap, late)
        # What waits for the database waits with the broker, not in memory.
        transports.limit_prefetch(conf, 4 * conf.conductor.beat_batch_size)
        calls = dispatcher.Dispatcher(
            [manager.ConductorManager()],
            transports.Serializer(backend=self.backend),
            messaging.ExplicitRPCAccessPolicy,
        )
        self._rpc_server = graceful_server.Server(
            self._rpc,
            messaging.Target(
                exchange=transports.EXCHANGE,
                topic=transports.RPC_TOPIC,
                server=conf.conductor.host,
            ),
            calls,
        )
        self._beat_server = beat_writer.server(
            self._notifications,
            self.beats,
            conf.conductor.beat_batch_size,
            conf.conductor.beat_batch_timeout,
        )
        first = conf.conductor.metrics_port
        self._exporter = exporter.Exporter(
            str(conf.conductor.metrics_host),
            None if first is None else first + worker,
            sg_metrics.Group(self._context),
            metrics.Work(
                self.beats,
                calls,
                [judge.voice for judge in self.backend.judges],
            ),
        )

    def sync_schema(self) -> None:
        """Bring the database's tables up to this release.

        :raises DatabaseUnreachable: naming it
        :raises SchemaTooNew: if a newer release has been here
        """
        self._db.ping()
        schema.sync(self._db)

    def check(self) -> None:
        """Reach what a conductor needs, and see that it fits.

        :raises DatabaseUnreachable: naming it
        :raises BrokerUnreachable: naming it
        :raises SchemaMismatch: naming the command to run
        """
        self._db.ping()
        schema.check(self._db)
        transports.ping(self._rpc)

    def start(self) -> None:
        """Serve, in threads, until :meth:`stop`."""
        self._started = True
        for judge in self.backend.judges:
            judge.voice.watch()
        # Before anybody asks: in an upgrade, the services are there already,
        # and the pins not yet.
        self._settling.start(at_once=True)
        with contextlib.suppress(exception.Unreachable):
            # Before anything is heard here.
            self._db.write(reception.catch_up)
        self._rpc_server.start()
        self._beat_server.start()
        try:
            self._join(timeout=0)
        except exception.Unreachable:
            # It serves all the same, and need not be waited for.
            threading.Thread(target=self._join_later, daemon=True).start()
        self._walking.start()
        self._telling.start()
        self._exporter.start()

    def stop(self) -> None:
        """Finish what was taken from the broker, and take no more.

        Again does no harm.
        """
        if self._stopped:
            return
        self._stopped = True
        if not self._started:
            self.close()
            return
        self._exporter.stop()
        self._settling.stop()
        self._walking.stop()
        self._telling.stop()
        self._rounds.stop()
        try:
            self._membership.leave()
            self._ear.stop()
            graceful_server.drain(self._rpc_server)
            self._beat_server.stop()
            self.beats.stop()
            self._rpc_server.wait()
            self._beat_server.wait()
            self._ear.close()
            for each in (self._settling, self._walking, self._telling):
                each.wait(_HEARTS_END_WITHIN)
            with contextlib.suppress(exception.Unreachable):
                self._rounds.give_back()
        finally:
            self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._ear.close()
        for driver in self._drivers:
            driver.close()
        self._rpc.cleanup()
        self._events.cleanup()
        self._notifications.cleanup()
        self._db.close()

    def _context(self) -> sg_context.RequestContext:
        return sg_context.RequestContext(backend=self.backend)

    def _member(self, gap: float) -> membership.Membership:
        """Its own place in the group, as a member like any other.

        Its beats go the way of all, and often, so that they prove that this
        way is open.
        """
        group = self._conf.servicegroup
        return membership.Membership(
            self._context,
            beat_writer.OwnBeats(self._rpc, self._db, gap),
            self._pins,
            self._ear.listen,
            self._drivers,
            self._host,
            models.CONDUCTOR,
            transports.RPC_TOPIC,
            _VERSION,
            report_interval=group.report_interval,
            down_after=group.down_after,
            beat_interval=min(_BEAT_EVERY, gap / 4),
            sync_interval=group.sync_interval,
            on_deleted='rejoin',
            quiet_drivers=True,
        )

    def _join(self, timeout: float | None = None) -> None:
        try:
            self._membership.join(timeout)
        except (exception.Unreachable, exception.MembershipLost):
            raise
        except exception.SGConductorError as error:
            LOG.error('This conductor is no member: %s', error)

    def _join_later(self) -> None:
        # It may be told to stop meanwhile.
        with contextlib.suppress(exception.MembershipLost):
            self._join()
