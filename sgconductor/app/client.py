"""What a process is that reaches a conductor by the message bus alone."""

import threading
from collections.abc import Callable
from typing import Any
from typing import Self

from oslo_config import cfg
from oslo_messaging import transport as transport_types
from oslo_versionedobjects import base as ovo_base

from sgconductor import conf as sg_conf
from sgconductor import context as sg_context
from sgconductor import objects
from sgconductor.member import membership
from sgconductor.messaging import transports
from sgconductor.rpcapi import beats as beats_api
from sgconductor.rpcapi import conductor as conductor_api
from sgconductor.rpcapi import pin_cache
from sgconductor.rpcapi import pin_listener
from sgconductor.servicegroup import driver as sg_driver

Wrap = Callable[
    [conductor_api.ConductorAPI], ovo_base.VersionedObjectIndirectionAPI
]


class Remote:
    """A process that reaches a conductor by the message bus alone.

    :param conf: with ``transport_url`` and the options of
        :mod:`sgconductor.conf`
    :param timeout: seconds to wait for an answer; None for
        ``rpc_response_timeout``
    :param wrap: what calls go through before they are sent
    :raises ConfigError: for a configuration that cannot work
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        timeout: float | None = 10,
        wrap: Wrap | None = None,
    ) -> None:
        sg_conf.validate(conf)
        self._conf = conf
        self._drivers: list[sg_driver.Driver] | None = None
        self._loading = threading.Lock()
        self._rpc = transports.rpc_transport(conf)
        conductor = conductor_api.ConductorAPI(self._rpc, timeout)
        self._conductor = wrap(conductor) if wrap else conductor
        self._beats = beats_api.BeatAPI(self._rpc)
        self._pins = pin_cache.PinCache(
            lambda: objects.PinList.in_force(self.context())
        )
        self._ear = pin_listener.PinListener(self._rpc, self._pins)

    @property
    def transport(self) -> transport_types.RPCTransport:
        """The connection, on which a project may serve and call its own API.

        :meth:`close` closes it.
        """
        return self._rpc

    @property
    def pins(self) -> pin_cache.PinCache:
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
        :raises ConfigError: for a driver that cannot work
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
            self._ear.listen,
            self._loaded(),
            host,
            binary,
            topic,
            version,
            **options,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._ear.close()
        for driver in self._drivers or ():
            driver.close()
        self._beats.close()
        self._rpc.cleanup()

    def _loaded(self) -> list[sg_driver.Driver]:
        """What members feed: whoever is none needs no server for it."""
        with self._loading:
            if self._drivers is None:
                self._drivers = sg_driver.load(self._conf)
            return self._drivers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


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
    transports.use_url(conf, transport_url)
    return Remote(conf, timeout)
