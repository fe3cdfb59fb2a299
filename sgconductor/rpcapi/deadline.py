"""Calls that come back in time, whatever the broker does."""

from collections.abc import Callable
from concurrent import futures
from typing import Any

from oslo_versionedobjects import base as ovo_base

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.rpcapi import base


class Deadline(ovo_base.VersionedObjectIndirectionAPI):
    """Asks a conductor, and gives up after some time.

    A broker that stands still holds a call for as long as its connection
    takes to be given up, up to a minute. Such a call goes on in its thread,
    and what it was to do may be done later; one that had not begun never is.

    :param api: the client of the conductor
    :param seconds: how long an answer may take
    :param most: calls at once
    """

    def __init__(
        self,
        api: ovo_base.VersionedObjectIndirectionAPI,
        seconds: float,
        most: int,
    ) -> None:
        self._api = api
        self._seconds = seconds
        self._threads = futures.ThreadPoolExecutor(most, 'conductor')

    def object_class_action_versions(
        self, context: sg_context.RequestContext, *args: Any
    ) -> Any:
        return self._ask(
            context, self._api.object_class_action_versions, *args
        )

    def object_action(
        self, context: sg_context.RequestContext, *args: Any
    ) -> Any:
        return self._ask(context, self._api.object_action, *args)

    def object_backport_versions(
        self, context: sg_context.RequestContext, *args: Any
    ) -> Any:
        return self._ask(context, self._api.object_backport_versions, *args)

    def object_class_action(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def object_backport(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """Begin no more calls."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ask(
        self,
        context: sg_context.RequestContext,
        call: Callable[..., Any],
        *args: Any,
    ) -> Any:
        def ask() -> Any:
            # What is logged meanwhile is of this request.
            context.update_store()
            return call(context, *args)

        asked = self._threads.submit(ask)
        if not futures.wait([asked], self._seconds).done:
            asked.cancel()
            raise exception.ConductorUnreachable(base.RPC_TOPIC, self._seconds)
        return asked.result()
