"""A project's own RPC client that speaks no newer than its pin."""

import contextlib
from collections.abc import Iterator
from typing import Any
from typing import ClassVar

import oslo_messaging as messaging
from oslo_messaging import transport as transport_types
from oslo_versionedobjects import base as ovo_base

from sgconductor import versions
from sgconductor.objects import base
from sgconductor.rpcapi import pin_cache


class PinnedAPI:
    """The base of RPC clients of services that are in the group.

    ::

        class WorkerAPI(rpcapi.PinnedAPI):
            BINARY = 'acme-worker'
            HISTORY = versions.History('1.0', '1.0', '1.1')
            TARGET = messaging.Target(exchange='acme', topic='worker')

            def resize(self, context, host, size, mode):
                args = {'size': size}
                with self.prepare(server=host) as rpc:
                    if rpc.can_send('1.1'):
                        args['mode'] = mode
                    return rpc.call(context, 'resize', **args)

    Each call goes out at the version that the pin of ``BINARY`` allows at
    that moment; nothing has to be told, rebuilt or restarted when it moves.
    Where the conductor is of a release that keeps no pins, that is the oldest
    of ``HISTORY``.

    :cvar BINARY: whose services are called
    :cvar HISTORY: of that binary
    :cvar TARGET: where they are, without a version
    :param transport: of :class:`sgconductor.app.Remote`
    :param pins: of the same
    :param timeout: seconds to wait for an answer; None for
        ``rpc_response_timeout``
    :param more: of ``oslo_messaging.get_rpc_client``: retry, serializer
    """

    BINARY: ClassVar[str]
    HISTORY: ClassVar[versions.History]
    TARGET: ClassVar[messaging.Target]

    def __init__(
        self,
        transport: transport_types.RPCTransport,
        pins: pin_cache.PinCache,
        timeout: float | None = None,
        **more: Any,
    ) -> None:
        self._pins = pins
        self._client = messaging.get_rpc_client(
            transport, self.TARGET, timeout=timeout, **more
        )

    def can_send(self, version: str) -> bool:
        """Whether the pin allows an RPC version now.

        For a call, ask within :meth:`prepare` instead: there the answer
        holds until its end.

        :raises UnknownBinary: if no such service has ever joined
        :raises Unreachable: if no conductor has told the pins yet
        """
        with self.prepare() as rpc:
            return rpc.can_send(version)

    @contextlib.contextmanager
    def prepare(self, **target: Any) -> Iterator['PinnedCall']:
        """Calls under one pin, whatever becomes of it meanwhile.

        Until its end, the process confirms no newer pins.

        :param target: of ``RPCClient.prepare``: server, fanout, timeout, …
        :raises UnknownBinary: if no such service has ever joined
        :raises Unreachable: if no conductor has told the pins yet
        """
        with self._pins.using(self.BINARY) as pin:
            history = self.HISTORY
            release = history.oldest if pin is None else history.at(pin)
            yield PinnedCall(
                release,
                self._client.prepare(
                    version=release.rpc, version_cap=release.rpc, **target
                ),
            )


class PinnedCall:
    """What :meth:`PinnedAPI.prepare` gives.

    :ivar release: what may be spoken
    """

    def __init__(self, release: versions.Release, client: Any) -> None:
        self.release = release
        self._client = client
        self._objects = _Objects(release)

    def can_send(self, version: str) -> bool:
        """Whether the pin allows an RPC version."""
        allowed: bool = self._client.can_send_version(version)
        return allowed

    def call(self, context: Any, method: str, **args: Any) -> Any:
        """Call, at the version that the pin allows, and wait.

        Objects among the arguments go in the versions that the release has
        for them.

        :raises Exception: what ``RPCClient.call`` raises
        """
        return self._client.call(context, method, **self._pinned(args))

    def cast(self, context: Any, method: str, **args: Any) -> None:
        """Call, at the version that the pin allows, and do not wait."""
        self._client.cast(context, method, **self._pinned(args))

    def _pinned(self, args: dict[str, Any]) -> dict[str, Any]:
        pinned: dict[str, Any] = self._objects.serialize_entity(None, args)
        return pinned


class _Objects(ovo_base.VersionedObjectSerializer):
    """Objects to their primitives, in the versions of a release."""

    def __init__(self, release: versions.Release) -> None:
        super().__init__()
        self._versions = release.objects

    def serialize_entity(self, context: Any, entity: Any) -> Any:
        if not isinstance(entity, ovo_base.VersionedObject):
            return super().serialize_entity(context, entity)
        manifest = dict(self._versions)
        for one in base.tree(entity):
            # One that came from an older peer stays as old as it is.
            name = one.obj_name()
            manifest[name] = base.older(
                manifest.get(name, one.VERSION), one.VERSION
            )
        return entity.obj_to_primitive(
            target_version=manifest[entity.obj_name()],
            version_manifest=manifest,
        )
