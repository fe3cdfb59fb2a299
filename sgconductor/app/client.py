"""The parts of a process that reaches a conductor over the message bus."""

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
from sgconductor.rpcapi import deadline
from sgconductor.rpcapi import pin_cache
from sgconductor.rpcapi import pin_listener
from sgconductor.servicegroup import driver as sg_driver

Wrap = Callable[
    [conductor_api.ConductorAPI], ovo_base.VersionedObjectIndirectionAPI
]

# Seconds that a call gets beyond its timeout to report that timeout itself.
_GRACE = 0.2
# While the broker hangs, so many calls wait for it; further ones wait too.
_MAX_CALLS = 1000


class Remote:
    """A connection to the conductors, for members and other callers.

    :param conf: with ``transport_url`` and the options of
        :mod:`sgconductor.conf`
    :param timeout: seconds to wait for an answer; None for
        ``rpc_response_timeout``
    :param wrap: wraps the client through which all calls go, and bounds their
        time; by default, in a thread for each call
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
        self._conductor = (wrap or _bound)(conductor)
        self._beats = beats_api.BeatAPI(self._rpc)
        self._pins = pin_cache.PinCache(
            lambda: objects.PinList.in_force(self.context())
        )
        self._pin_listener = pin_listener.PinListener(self._rpc, self._pins)

    @property
    def transport(self) -> transport_types.RPCTransport:
        """The transport, which a project may use for its own RPC as well.

        :meth:`close` closes it.
        """
        return self._rpc

    @property
    def pins(self) -> pin_cache.PinCache:
        """The pins, for clients that derive from
        :class:`sgconductor.rpcapi.PinnedAPI`.

        In a process with a membership, changes arrive at once, and a
        downgrade waits until the process follows. In any other process, they
        are refreshed every few seconds, and a downgrade does not wait.
        """
        return self._pins

    def context(self, **values: Any) -> sg_context.RequestContext:
        """A context for calls to the conductor.

        :param values: arguments of oslo.context's RequestContext, such as
            user_id and roles
        """
        return sg_context.RequestContext(conductor=self._conductor, **values)

    def membership(
        self, host: str, binary: str, topic: str, version: int, **more: Any
    ) -> membership.Membership:
        """A membership that has not joined yet.

        :param more: further arguments of
            :class:`sgconductor.member.Membership`; the defaults of the
            intervals are the options of ``[servicegroup]``
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
            self._pin_listener.listen,
            self._load_drivers(),
            host,
            binary,
            topic,
            version,
            **options,
        )

    def close(self) -> None:
        """Close the connections."""
        self._pin_listener.close()
        for driver in self._drivers or ():
            driver.close()
        self._beats.close()
        self._rpc.cleanup()

    def _load_drivers(self) -> list[sg_driver.Driver]:
        """The drivers; loaded only for a member, for callers need none."""
        with self._loading:
            if self._drivers is None:
                self._drivers = sg_driver.load(self._conf)
            return self._drivers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _bound(
    api: conductor_api.ConductorAPI,
) -> ovo_base.VersionedObjectIndirectionAPI:
    return deadline.Deadline(
        api, api.timeout + _GRACE, _MAX_CALLS, lambda error: None
    )


def remote(conf: cfg.ConfigOpts, timeout: float | None = 10) -> Remote:
    """Connect to the conductors with the configuration of a project.

    :param conf: parsed already; sgconductor's options are registered in it
    :param timeout: seconds to wait for an answer; None for
        ``rpc_response_timeout``
    :raises ConfigError: for a configuration that cannot work
    """
    sg_conf.register_opts(conf)
    return Remote(conf, timeout)


def connect(transport_url: str, timeout: float | None = 10) -> Remote:
    """Connect to the conductors with a transport URL, and defaults else.

    :param timeout: seconds to wait for an answer; None for
        ``rpc_response_timeout``
    :raises ConfigError: for a URL that cannot work
    """
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    sg_conf.register_opts(conf)
    transports.use_url(conf, transport_url)
    return Remote(conf, timeout)
