"""The client of the conductor."""

import time
from typing import Any

import oslo_messaging as messaging
from oslo_messaging import transport as transport_types
from oslo_versionedobjects import base as ovo_base

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.messaging import broker
from sgconductor.messaging import polling
from sgconductor.messaging import remote_error
from sgconductor.messaging import serializer
from sgconductor.messaging import topics

# How often, in seconds, the reply thread checks for shutdown.
_CHECK_EVERY = 0.2

# Seconds. A conductor whose database is away stops to take calls within this
# time, so that a call that is repeated reaches another conductor.
_REPEAT_AFTER = 0.25
_REPEAT_FOR = 10.0
# Methods that may have been done although the database did not say so, and
# whose repetition would then be refused.
_ONCE = ('destroy', 'save', 'update')


class ConductorAPI(ovo_base.VersionedObjectIndirectionAPI):
    """Calls a conductor to run the remote methods of objects.

    Errors are raised as those of :mod:`sgconductor.exception` and of
    oslo.versionedobjects, without the conductor's tracebacks. Where a
    conductor cannot reach its database, most calls are repeated within the
    timeout, for another conductor may reach it.

    Version history of the RPC API:

    * 1.0 - Initial version: object_action, object_class_action_versions,
      object_backport_versions

    :param transport: of :func:`sgconductor.messaging.transports.rpc_transport`
    :param timeout: seconds to wait for a reply; None for
        ``rpc_response_timeout``
    :ivar timeout: seconds
    """

    def __init__(
        self,
        transport: transport_types.RPCTransport,
        timeout: float | None = None,
    ) -> None:
        self._transport = transport
        self._reached = False
        self._client = messaging.get_rpc_client(
            transport,
            messaging.Target(
                exchange=topics.EXCHANGE,
                topic=topics.RPC_TOPIC,
                version='1.0',
            ),
            timeout=timeout,
            # Each broker is tried once, and an error names it: a caller that
            # wants to wait for it can call again.
            retry=broker.retries(transport),
            serializer=serializer.Serializer(conductor=self),
        )
        # The client has registered the option.
        self.timeout = (
            transport.conf.rpc_response_timeout if timeout is None else timeout
        )

    def object_class_action_versions(
        self,
        context: sg_context.RequestContext,
        objname: str,
        objmethod: str,
        object_versions: dict[str, str],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        return self._call(
            context,
            'object_class_action_versions',
            objname=objname,
            objmethod=objmethod,
            object_versions=object_versions,
            args=args,
            kwargs=kwargs,
        )

    def object_action(
        self,
        context: sg_context.RequestContext,
        objinst: ovo_base.VersionedObject,
        objmethod: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> tuple[dict[str, Any], Any]:
        updates, result = self._call(
            context,
            'object_action',
            objinst=objinst,
            objmethod=objmethod,
            args=args,
            kwargs=kwargs,
        )
        return updates, result

    def object_backport_versions(
        self,
        context: sg_context.RequestContext,
        objinst: Any,
        object_versions: dict[str, str],
    ) -> Any:
        return self._call(
            context,
            'object_backport_versions',
            objinst=objinst,
            object_versions=object_versions,
        )

    def object_class_action(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def object_backport(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _call(
        self, context: sg_context.RequestContext, method: str, **args: Any
    ) -> Any:
        end = time.monotonic() + min(self.timeout, _REPEAT_FOR)
        try:
            return self._call_once(self._client, context, method, args)
        except exception.DatabaseUnreachable as error:
            if args.get('objmethod') in _ONCE:
                raise
            reason = error
        while True:
            time.sleep(_REPEAT_AFTER)
            left = end - time.monotonic()
            if left <= 0:
                raise reason
            try:
                return self._call_once(
                    self._client.prepare(timeout=left), context, method, args
                )
            except exception.DatabaseUnreachable:
                continue
            except exception.ConductorUnreachable:
                raise reason from None

    def _call_once(
        self,
        client: Any,
        context: sg_context.RequestContext,
        method: str,
        args: dict[str, Any],
    ) -> Any:
        # For its first call, oslo.messaging opens a connection for replies,
        # and retries for ever: it must not begin while there is no broker.
        if not self._reached:
            broker.ping(self._transport)
            with broker.clear_errors(self._transport):
                polling.speed_up_replies(self._transport, _CHECK_EVERY)
            self._reached = True
        try:
            with broker.clear_errors(self._transport):
                return client.call(context, method, **args)
        except exception.BrokerUnreachable:
            self._reached = False
            raise
        except messaging.MessagingTimeout:
            raise exception.ConductorUnreachable(
                topics.RPC_TOPIC, self.timeout
            ) from None
        except messaging.RemoteError as error:
            raise exception.UnexpectedFailure(context.request_id) from error
        except Exception as error:
            original = remote_error.original(error)
            if original is None:
                raise
            raise original from None
