"""Deadline: a call ends in time, even if its transport hangs."""

import threading
from typing import Any

from oslo_versionedobjects import base as ovo_base

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.rpcapi import deadline
from tests import base


class Stuck(ovo_base.VersionedObjectIndirectionAPI):
    """Hangs until ``go_on`` is set, like a call while the broker hangs.

    :ivar started: the names of the methods that were called
    """

    def __init__(self) -> None:
        self.started: list[str] = []
        self.go_on = threading.Event()
        self.ended = threading.Event()

    def object_action(self, context: Any, *args: Any) -> Any:
        self.started.append(args[1])
        self.go_on.wait(base.PATIENCE)
        self.ended.set()
        return {}, 'done'


class TestDeadline(base.TestCase):
    def test_a_call_that_hangs_ends_in_time(self) -> None:
        stuck = Stuck()
        failed: list[exception.Unreachable] = []
        api = deadline.Deadline(stuck, 0.05, 1, failed.append)
        self.addCleanup(stuck.go_on.set)
        context = sg_context.RequestContext(conductor=api)

        def call(method: str) -> Any:
            return api.object_action(context, None, method, (), {})

        for method in ('first', 'second'):
            self.assertRaises(exception.ConductorUnreachable, call, method)
        self.assertEqual(2, len(failed))
        stuck.go_on.set()
        stuck.ended.wait(base.PATIENCE)
        # The second call was given up before it started, and never starts.
        self.wait_for('a call to be answered', lambda: self.is_answered(call))
        self.assertNotIn('second', stuck.started)
        self.assertEqual('first', stuck.started[0])

    def is_answered(self, call: Any) -> bool:
        try:
            return bool(call('third') == ({}, 'done'))
        except exception.ConductorUnreachable:
            return False
