"""Calls that come back in time, whatever the broker does."""

import threading
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

from oslo_versionedobjects import base as ovo_base

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.messaging import transports


class Deadline(ovo_base.VersionedObjectIndirectionAPI):
    """Asks a conductor, and gives up after some time.

    A broker that stands still holds a call for as long as its connection
    takes to be given up, up to a minute. Such a call goes on in its thread,
    and what it was to do may be done later; one that had not begun never is.

    :param api: the client of the conductor
    :param seconds: how long an answer may take
    :param most: calls at once
    :param failed: is told of each error that says that something is away
    """

    def __init__(
        self,
        api: ovo_base.VersionedObjectIndirectionAPI,
        seconds: float,
        most: int,
        failed: Callable[[exception.Unreachable], None],
    ) -> None:
        self._api = api
        self._seconds = seconds
        self._free = threading.BoundedSemaphore(most)
        self._failed = failed

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

    def _ask(self, *call: Any) -> Any:
        try:
            return self._answer(*call)
        except exception.Unreachable as error:
            self._failed(error)
            raise

    def _answer(
        self,
        context: sg_context.RequestContext,
        call: Callable[..., Any],
        *args: Any,
    ) -> Any:
        answer: futures.Future[Any] = futures.Future()

        def ask() -> None:
            try:
                # What is logged meanwhile is of this request.
                context.update_store()
                answer.set_result(call(context, *args))
            except BaseException as error:
                answer.set_exception(error)
            finally:
                self._free.release()

        end = time.monotonic() + self._seconds
        if self._free.acquire(timeout=self._seconds):
            # A pool would have the process wait for those that stand still.
            thread = threading.Thread(target=ask, name='call', daemon=True)
            try:
                thread.start()
            except RuntimeError:
                self._free.release()
                raise
            futures.wait([answer], end - time.monotonic())
        if not answer.done():
            raise exception.ConductorUnreachable(
                transports.RPC_TOPIC, self._seconds
            )
        return answer.result()
