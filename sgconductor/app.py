"""The composition root: the only place where the parts are put together.

A :class:`Remote` is all that a process needs to look services up and to be a
member; a :class:`Conductor` is what a conductor worker runs.
"""

import datetime
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any
from typing import Self

import oslo_messaging as messaging
import sqlalchemy as sa
from oslo_config import cfg
from oslo_messaging import transport as transport_types

from sgconductor import backend
from sgconductor import conf as sg_conf
from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor import roster
from sgconductor.conductor import beats
from sgconductor.conductor import dispatcher
from sgconductor.conductor import manager
from sgconductor.db import clock
from sgconductor.db import database
from sgconductor.db import schema
from sgconductor.member import heart
from sgconductor.member import membership
from sgconductor.rpcapi import announce
from sgconductor.rpcapi import base as rpc_base
from sgconductor.rpcapi import beats as beats_api
from sgconductor.rpcapi import conductor as conductor_api
from sgconductor.rpcapi import drain
from sgconductor.rpcapi import pins as sg_pins
from sgconductor.servicegroup import driver as sg_driver
from sgconductor.servicegroup import hearing
from sgconductor.servicegroup import liveness

# Seconds; it finds something only where somebody else wrote the table.
_SETTLE_EVERY = 30.0
_SETTLES_WITHIN = 10.0


class Remote:
    """A process that reaches a conductor by the message bus alone.

    :param conf: with ``transport_url`` and the options of
        :mod:`sgconductor.conf`
    :param timeout: seconds to wait for an answer; None for
        ``rpc_response_timeout``
    :raises ConfigError: for a configuration that cannot work
    """

    def __init__(
        self, conf: cfg.ConfigOpts, timeout: float | None = 10
    ) -> None:
        sg_conf.validate(conf)
        self._conf = conf
        self._driver = sg_driver.load(conf)
        self._rpc = rpc_base.rpc_transport(conf)
        self._conductor = conductor_api.ConductorAPI(self._rpc, timeout)
        self._beats = beats_api.BeatAPI(self._rpc)
        self._pins = sg_pins.Pins(
            lambda: objects.PinList.in_force(self.context())
        )
        # See the listener.
        in_memory = conf.transport_url.startswith('fake:')
        self._listens_as = str(uuid.uuid4()) if in_memory else 'members'
        self._closed = False
        self._listening = threading.Lock()
        self._listener: drain.Server | None = None

    @property
    def transport(self) -> transport_types.RPCTransport:
        """The connection, on which a project may serve and call its own API.

        :meth:`close` closes it.
        """
        return self._rpc

    @property
    def pins(self) -> sg_pins.Pins:
        """What this process may speak, for :class:`sgconductor.rpcapi.
        PinnedAPI`.

        While it has a membership they move at once, and a pin is lowered
        only when the process follows. Otherwise the conductor is asked at
        most every few seconds, and nobody waits for this process.
        """
        return self._pins

    def context(self, **who: Any) -> sg_context.RequestContext:
        """A context for calls to the conductor.

        :param who: of oslo.context's RequestContext: user_id, roles, …
        """
        return sg_context.RequestContext(conductor=self._conductor, **who)

    def membership(
        self, host: str, binary: str, topic: str, version: int, **more: Any
    ) -> membership.Membership:
        """A membership, not yet joined.

        :param more: of :class:`sgconductor.member.Membership`; intervals not
            given are those of ``[servicegroup]``
        """
        group = self._conf.servicegroup
        report_interval, down_after = sg_conf.pace(self._conf)
        options = {
            'report_interval': report_interval,
            'down_after': down_after,
            'sync_interval': group.sync_interval,
            'on_deleted': group.on_deleted,
            **more,
        }
        return membership.Membership(
            self.context,
            self._beats,
            self._pins,
            self._listen,
            self._driver,
            host,
            binary,
            topic,
            version,
            **options,
        )

    def close(self) -> None:
        """Give the connections back."""
        with self._listening:
            self._closed = True
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()
            listener.wait()
        self._driver.close()
        self._rpc.cleanup()

    def _listen(self) -> None:
        with self._listening:
            if self._listener is None and not self._closed:
                # Without a broker, oslo.messaging would try for ever.
                rpc_base.ping(self._rpc)
                listener = announce.listener(
                    self._rpc, self._pins.learn, self._listens_as
                )
                listener.start(override_pool_size=1)
                self._listener = listener

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Conductor:
    """One conductor worker: it answers calls and writes beats.

    :param conf: with ``[database]``, ``transport_url`` and the options of
        :mod:`sgconductor.conf`
    :raises ConfigError: for a configuration that cannot work
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        sg_conf.validate(conf)
        self._conf = conf
        self._db = database.Database.from_conf(conf)
        self._driver = sg_driver.load(conf)
        self._rpc = rpc_base.rpc_transport(conf)
        self.backend = backend.Backend(
            self._db,
            liveness.Liveness(self._driver),
            hearing.Hearing(),
            announce.PinsAPI(self._rpc).pins_changed,
        )
        self._settling = heart.Heart(
            'settling of the pins',
            _SETTLE_EVERY,
            lambda: roster.settle(self.backend),
        )
        self._notifications = rpc_base.beat_transport(conf)
        self._stopped = False
        self.beats = beats.Beats(self._db, self.backend.hearing)
        # What waits for the database waits with the broker, not in memory.
        rpc_base.limit_prefetch(conf, 4 * conf.conductor.beat_batch_size)
        self._rpc_server = drain.Server(
            self._rpc,
            messaging.Target(
                exchange=rpc_base.EXCHANGE,
                topic=rpc_base.RPC_TOPIC,
                server=conf.conductor.host,
            ),
            dispatcher.Dispatcher(
                [manager.ConductorManager()],
                rpc_base.Serializer(backend=self.backend),
                messaging.ExplicitRPCAccessPolicy,
            ),
        )
        self._beat_server = beats.server(
            self._notifications,
            self.beats,
            conf.conductor.beat_batch_size,
            conf.conductor.beat_batch_timeout,
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
        rpc_base.ping(self._rpc)

    def start(self) -> None:
        """Serve, in threads, until :meth:`stop`."""
        # Before anybody asks: in an upgrade, the services are there already,
        # and the pins not yet.
        self._settling.start(at_once=True)
        roster.listen(self.backend)
        self._rpc_server.start()
        # One thread writes; a second batch meanwhile waits with the broker.
        self._beat_server.start(override_pool_size=1)

    def stop(self) -> None:
        """Finish what was taken from the broker, and take no more.

        Again does no harm.
        """
        if self._stopped:
            return
        self._stopped = True
        self._settling.stop()
        try:
            drain.drain(self._rpc_server)
            self._beat_server.stop()
            self.beats.stop()
            self._rpc_server.wait()
            self._beat_server.wait()
            self._settling.wait(_SETTLES_WITHIN)
        finally:
            self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._driver.close()
        self._rpc.cleanup()
        self._notifications.cleanup()
        self._db.close()


class Local:
    """The database by itself, for a look at it on a conductor's host.

    No conductor is asked, and no member is told of anything.

    :param conf: with ``[database]`` and the options of
        :mod:`sgconductor.conf`
    :raises ConfigError: for a configuration that cannot work
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._db = database.Database.from_conf(conf)
        self._driver = sg_driver.load(conf)

    def check(self) -> None:
        """Reach the database, and see that its tables fit.

        :raises DatabaseUnreachable: naming it
        :raises SchemaMismatch: naming the command to run
        """
        self._db.ping()
        schema.check(self._db)

    def context(self) -> sg_context.RequestContext:
        """A context in which objects are read here."""
        return sg_context.RequestContext(
            backend=backend.Backend(
                self._db,
                liveness.Liveness(self._driver),
                hearing.Hearing(),
                lambda epoch, versions: None,
            )
        )

    def now(self) -> datetime.datetime:
        """The moment by the database's clock, as all of its moments are."""
        with self._db.reader() as conn:
            return conn.execute(sa.select(clock.utcnow())).scalar_one()

    def close(self) -> None:
        """Give the connections back."""
        self._driver.close()
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def wait_until_ready(
    check: Callable[[], None],
    timeout: float,
    tell: Callable[[exception.Unreachable], None],
    interval: float = 2,
) -> None:
    """Run ``check`` until nothing is unreachable any more.

    :param timeout: seconds to keep trying; negative for ever
    :param tell: called with each failure that is not as the one before
    :raises Unreachable: when the time is over
    """
    deadline = time.monotonic() + timeout
    told = ''
    while True:
        try:
            return check()
        except exception.Unreachable as error:
            if timeout >= 0 and time.monotonic() >= deadline:
                raise
            if str(error) != told:
                tell(error)
            told = str(error)
        time.sleep(interval)


def remote(conf: cfg.ConfigOpts, timeout: float | None = 10) -> Remote:
    """What a member or a caller needs, from a project's configuration.

    :param conf: parsed already; sgconductor's options are added to it
    """
    sg_conf.register_opts(conf)
    return Remote(conf, timeout)


def connect(transport_url: str, timeout: float | None = 10) -> Remote:
    """The same, with nothing but a transport URL."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    sg_conf.register_opts(conf)
    rpc_base.use_url(conf, transport_url)
    return Remote(conf, timeout)
