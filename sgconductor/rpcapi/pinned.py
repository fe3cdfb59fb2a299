"""A project's own RPC client that sends no newer versions than its pin."""

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
    """The base of RPC clients of services that are members of the group.

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

    Each call is sent in the version that the pin of ``BINARY`` allows at that
    moment; nothing has to be notified, rebuilt or restarted when it moves.
    Inside ``with``, the pin cannot change between ``can_send`` and the call.

    :cvar BINARY: of the services that are called
    :cvar HISTORY: of that binary
    :cvar TARGET: of the services, without a version
    :param transport: of :class:`sgconductor.app.Remote`
    :param pins: of the same
    :param timeout: seconds to wait for a reply; None for
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

        Before a call, use :meth:`PinnedCall.can_send` inside :meth:`prepare`
        instead, where the pin cannot change.

        :raises UnknownBinary: if no such service has ever joined
        :raises Unreachable: if no pins are known and no conductor answers
        """
        with self.prepare() as rpc:
            return rpc.can_send(version)

    @contextlib.contextmanager
    def prepare(self, **target: Any) -> Iterator['PinnedCall']:
        """Calls under one pin, even if it changes meanwhile.

        Until the end of ``with``, the process confirms no newer pins.

        :param target: of ``RPCClient.prepare``: server, fanout, timeout, …
        :raises UnknownBinary: if no such service has ever joined
        :raises Unreachable: if no pins are known and no conductor answers
        """
        with self._pins.using(self.BINARY) as pin:
            release = self.HISTORY.at(pin)
            yield PinnedCall(
                release,
                self._client.prepare(
                    version=release.rpc, version_cap=release.rpc, **target
                ),
            )


class PinnedCall:
    """Calls in the versions of one release: see :meth:`PinnedAPI.prepare`.

    :ivar release: with the versions that may be sent
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
        """Call in the version that the pin allows, and wait for the reply.

        Objects among the arguments are sent in their versions of the release.

        :raises Exception: what ``RPCClient.call`` raises
        """
        return self._client.call(context, method, **self._pinned(args))

    def cast(self, context: Any, method: str, **args: Any) -> None:
        """Call in the version that the pin allows, and do not wait."""
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
            # An object that came from an older peer keeps its version.
            name = one.obj_name()
            manifest[name] = base.older(
                manifest.get(name, one.VERSION), one.VERSION
            )
        return entity.obj_to_primitive(
            target_version=manifest[entity.obj_name()],
            version_manifest=manifest,
        )
