"""A conductor worker: its parts, their start and their stop."""

import contextlib
import logging
import threading

import oslo_messaging as messaging
from oslo_config import cfg

from sgconductor import conf as sg_conf
from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import metrics as sg_metrics
from sgconductor import objects
from sgconductor.conductor import backend
from sgconductor.conductor import beat_writer
from sgconductor.conductor import clock_steps
from sgconductor.conductor import conductor_beats
from sgconductor.conductor import dispatcher
from sgconductor.conductor import event_publisher
from sgconductor.conductor import exporter
from sgconductor.conductor import intake
from sgconductor.conductor import leader
from sgconductor.conductor import manager
from sgconductor.conductor import metrics
from sgconductor.conductor import sweep
from sgconductor.conductor import write_state
from sgconductor.db import database
from sgconductor.db import models
from sgconductor.db import schema
from sgconductor.db import services
from sgconductor.member import membership
from sgconductor.member import periodic_task
from sgconductor.messaging import broker
from sgconductor.messaging import graceful_server
from sgconductor.messaging import serializer
from sgconductor.messaging import topics
from sgconductor.messaging import transports
from sgconductor.rpcapi import events as events_api
from sgconductor.rpcapi import pin_cache
from sgconductor.rpcapi import pin_fanout
from sgconductor.rpcapi import pin_listener
from sgconductor.servicegroup import driver as sg_driver

LOG = logging.getLogger(__name__)

# Seconds. It finds something only where others wrote the table.
_SETTLE_EVERY = 30.0
_SWEEP_EVERY = 1.0
_PUBLISH_EVERY = 1.0
_CHECK_CLOCK_EVERY = 1.0
_TASKS_END_WITHIN = 10.0

# Seconds. Beats sent after a conductor's last beat may still be in flight, so
# it beats often; only an outage keeps all beats away for as long as a gap.
_BEAT_EVERY = 0.5
_GAP = 3.0

# The service version with which conductors join.
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
        self._worker = worker
        host = conf.conductor.host
        self._host = f'{host}:{worker}' if worker else host
        self._db = database.Database.from_conf(conf)
        self._drivers = sg_driver.load(conf)
        # What waits for the database waits with the broker, not in memory.
        transports.limit_prefetch(conf, 4 * conf.conductor.beat_batch_size)
        self._rpc = transports.rpc_transport(conf)
        self.backend = backend.Backend(
            self._db,
            self._drivers,
            pin_fanout.PinFanout(self._rpc).pins_changed,
        )
        self._pins = pin_cache.PinCache(
            lambda: objects.PinList.in_force(self._context())
        )
        self._pin_listener = pin_listener.PinListener(self._rpc, self._pins)
        late = conf.servicegroup.down_after / 4
        gap = min(_GAP, late)
        self._own_beats = conductor_beats.ConductorBeats(
            self._rpc,
            self._db,
            gap,
            transports.noticed_within(conf),
            lambda: self.beats.received,
        )
        self._membership = self._member(gap)
        self._events = transports.event_transport(conf)
        self._leader = leader.Leader(self._db)
        self._publisher = event_publisher.EventPublisher(
            self._db,
            self._leader,
            events_api.EventAPI(self._events, self._host).send,
        )
        sweeping = sweep.Sweep(
            self._db,
            self.backend.judges,
            self._leader,
            self.backend.deregistrations,
            self.backend.changes,
        )
        steps = clock_steps.ClockSteps(
            self._db, gap, conf.servicegroup.sync_interval
        )
        self._tasks = (
            # Quiet, for the sweep warns where the database is away.
            periodic_task.PeriodicTask(
                "check of the database's clock",
                _CHECK_CLOCK_EVERY,
                steps.check_clock,
                quiet=True,
            ),
            periodic_task.PeriodicTask('sweep', _SWEEP_EVERY, sweeping.run),
            # A task of its own: it may wait for another broker.
            periodic_task.PeriodicTask(
                'publishing of events', _PUBLISH_EVERY, self._publisher.publish
            ),
        )
        self._settling = periodic_task.PeriodicTask(
            'settling of the pins',
            _SETTLE_EVERY,
            self.backend.roster.settle,
        )
        self._notifications = transports.beat_transport(conf)
        self._started = self._stopped = False
        state = write_state.WriteState(self._db.name)
        self.beats = beat_writer.BeatWriter(
            self._db, gap, late, state, translate=steps.translate
        )
        calls = dispatcher.Dispatcher(
            [manager.ConductorManager()],
            serializer.Serializer(backend=self.backend),
            messaging.ExplicitRPCAccessPolicy,
            state=state,
        )
        self._intake = intake.Intake(
            graceful_server.Server(
                self._rpc,
                messaging.Target(
                    exchange=topics.EXCHANGE,
                    topic=topics.RPC_TOPIC,
                    server=conf.conductor.host,
                ),
                calls,
            ),
            beat_writer.listener(
                self._notifications,
                self.beats,
                conf.conductor.beat_batch_size,
                conf.conductor.beat_batch_timeout,
            ),
            self.beats,
            state,
            self._probe,
            gap,
        )
        first = conf.conductor.metrics_port
        self._exporter = exporter.Exporter(
            str(conf.conductor.metrics_host),
            None if first is None else first + worker,
            sg_metrics.Group(self._context),
            metrics.WorkerMetrics(
                self.beats,
                calls,
                state,
                self.backend.judges.drivers,
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
        """Reach the servers that a conductor needs, and check the tables.

        :raises DatabaseUnreachable: naming it
        :raises BrokerUnreachable: naming it
        :raises SchemaMismatch: naming the command to run
        """
        self._db.ping()
        schema.check(self._db)
        broker.ping(self._rpc)

    def start(self) -> None:
        """Serve, in threads, until :meth:`stop`."""
        self._started = True
        if not self._worker:
            transports.warn_of_late_notice(self._conf)
        for driver in self.backend.judges.drivers:
            driver.watch()
        # Before the first call: the table may be that of a backup.
        self._settling.start(at_once=True)
        self._intake.start()
        try:
            self._join(timeout=0)
        except exception.Unreachable:
            # It serves all the same; nothing has to wait for its join.
            threading.Thread(target=self._join_later, daemon=True).start()
        for task in self._tasks:
            task.start()
        self._exporter.start()

    def stop(self) -> None:
        """Finish what was taken from the broker, and take no more.

        A second call does nothing.
        """
        if self._stopped:
            return
        self._stopped = True
        if not self._started:
            self.close()
            return
        self._exporter.stop()
        for task in (self._settling, *self._tasks):
            task.stop()
        self._leader.stop()
        try:
            self._membership.leave()
            self._pin_listener.stop()
            self._intake.stop()
            self._intake.wait()
            self._pin_listener.close()
            for task in (self._settling, *self._tasks):
                task.wait(_TASKS_END_WITHIN)
            self.backend.changes.flush(everything=True)
            with contextlib.suppress(exception.Unreachable):
                self._leader.release()
        finally:
            self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._pin_listener.close()
        for driver in self._drivers:
            driver.close()
        self._own_beats.close()
        self._rpc.cleanup()
        self._events.cleanup()
        self._notifications.cleanup()
        self._db.close()

    def _probe(self) -> None:
        """Check that calls and beats can be taken, by writing an own beat.

        :raises SGConductorError: saying why they cannot
        """
        beats = []
        joined = self._membership.joined
        if joined is not None:
            beats.append(services.Beat(joined.id, joined.incarnation, 0))
        # Without a beat, the statement still needs the right to write.
        self._db.write(lambda conn: services.beat_many(conn, beats))
        broker.ping(self._rpc)

    def _context(self) -> sg_context.RequestContext:
        return sg_context.RequestContext(backend=self.backend)

    def _member(self, gap: float) -> membership.Membership:
        """The conductor's own membership: it is a member like any other.

        Its beats go the same way as all others, and often, so that they
        prove that this way is open.
        """
        group = self._conf.servicegroup
        return membership.Membership(
            self._context,
            self._own_beats,
            self._pins,
            self._pin_listener.listen,
            self._drivers,
            self._host,
            models.CONDUCTOR,
            topics.RPC_TOPIC,
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
            LOG.error('This conductor cannot join the group: %s', error)

    def _join_later(self) -> None:
        # It may be told to stop meanwhile.
        with contextlib.suppress(exception.MembershipLost):
            self._join()
