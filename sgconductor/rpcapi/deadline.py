"""Calls that end in time, even if the broker does not answer."""

import threading
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

from oslo_versionedobjects import base as ovo_base

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.messaging import topics


class Deadline(ovo_base.VersionedObjectIndirectionAPI):
    """Calls a conductor, and raises ConductorUnreachable after some time.

    A broker that hangs blocks a call until its connection is given up, up to
    a minute. Such a call goes on in its thread, so the conductor may still run
    it later. A call that was not sent in time is never sent.

    :param api: the client of the conductor
    :param seconds: how long a call may take
    :param most: the most calls at once; further ones wait
    :param failed: is called with each :class:`exception.Unreachable`
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
        return self._call(
            context, self._api.object_class_action_versions, *args
        )

    def object_action(
        self, context: sg_context.RequestContext, *args: Any
    ) -> Any:
        return self._call(context, self._api.object_action, *args)

    def object_backport_versions(
        self, context: sg_context.RequestContext, *args: Any
    ) -> Any:
        return self._call(context, self._api.object_backport_versions, *args)

    def object_class_action(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def object_backport(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _call(self, *call: Any) -> Any:
        try:
            return self._call_in_thread(*call)
        except exception.Unreachable as error:
            self._failed(error)
            raise

    def _call_in_thread(
        self,
        context: sg_context.RequestContext,
        call: Callable[..., Any],
        *args: Any,
    ) -> Any:
        answer: futures.Future[Any] = futures.Future()

        def run() -> None:
            try:
                # For the request id in log lines.
                context.update_store()
                answer.set_result(call(context, *args))
            except BaseException as error:
                answer.set_exception(error)
            finally:
                self._free.release()

        end = time.monotonic() + self._seconds
        if self._free.acquire(timeout=self._seconds):
            # At its exit, a process would wait for a pool's hanging threads.
            thread = threading.Thread(target=run, name='call', daemon=True)
            try:
                thread.start()
            except RuntimeError:
                self._free.release()
                raise
            futures.wait([answer], end - time.monotonic())
        if not answer.done():
            raise exception.ConductorUnreachable(
                topics.RPC_TOPIC, self._seconds
            )
        return answer.result()
