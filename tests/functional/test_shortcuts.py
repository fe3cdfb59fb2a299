"""All works without the shortcuts through the libraries' inside."""

import os
import pathlib
import signal
import threading
from typing import Any

import fixtures
import oslo_messaging as messaging
from oslo_utils import uuidutils

from sgconductor import app
from sgconductor import objects
from sgconductor.app import conductor as conductor_app
from sgconductor.messaging import shortcuts
from tests import program
from tests.functional import base

_MEMBER = str(pathlib.Path(__file__).parent / 'member_process.py')
_SUBSCRIBED: Any = {
    'oslo_messaging_notifications__driver': ['messagingv2'],
}


class Subscriber:
    """Keeps the types of the events that it gets."""

    def __init__(self) -> None:
        self.types: list[str] = []

    def info(
        self,
        ctxt: dict[str, Any],
        publisher_id: str,
        event_type: str,
        payload: dict[str, Any],
        metadata: dict[str, Any],
    ) -> None:
        self.types.append(event_type)


class WithoutTest(base.DeploymentTest):
    scenarios = [base.ON_MARIADB]

    def leave_out(self, *left_out: shortcuts.Shortcut) -> None:
        """Have this process go without some shortcuts from now on."""
        used = shortcuts.usable() - {*left_out}
        self.useFixture(
            fixtures.MonkeyPatch(
                'sgconductor.messaging.shortcuts.usable', lambda: used
            )
        )

    def subscribe(self) -> Subscriber:
        subscriber = Subscriber()
        transport = messaging.get_notification_transport(
            self.deployment.conf()
        )
        listener = messaging.get_notification_listener(
            transport, [messaging.Target(topic='notifications')], [subscriber]
        )
        listener.start()
        self.addCleanup(transport.cleanup)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)
        return subscriber

    def conductor(self) -> conductor_app.Conductor:
        return self.deployment.conductor(**_SUBSCRIBED)

    def join(self, remote: app.Remote) -> objects.Service:
        """A service that has joined, without a process that beats."""
        service = objects.Service(
            remote.context(),
            host='node1',
            binary='acme-worker',
            topic='worker',
            version=1,
            report_interval=10,
            down_after=60,
        )
        service.join(uuidutils.generate_uuid())
        return service

    def see_a_call_a_beat_and_an_event(self, remote: app.Remote) -> None:
        subscriber = self.subscribe()
        service = self.join(remote)
        self.deployment.beat(remote, service)

        def count() -> int:
            service.refresh()
            return int(service.report_count)

        self.wait_for('the beat', count)
        self.wait_for('the event', lambda: 'service.up' in subscriber.types)


class TestOne(WithoutTest):
    """Each shortcut is left out once, and all others are used."""

    scenarios = [
        (
            f'mariadb,{shortcut.name.lower()}',
            {**base.ON_MARIADB[1], 'left_out': shortcut},
        )
        for shortcut in shortcuts.Shortcut
    ]
    left_out: shortcuts.Shortcut

    def test_a_call_a_beat_and_an_event_arrive(self) -> None:
        self.leave_out(self.left_out)
        conductor = self.conductor()
        self.see_a_call_a_beat_and_an_event(self.deployment.remote())
        conductor.stop()
        self.assertNotIn('Traceback', self.log.output)


class TestAll(WithoutTest):
    """No shortcut is used."""

    scenarios = base.EMBEDDED_AND_MARIADB

    def setUp(self) -> None:
        super().setUp()
        self.leave_out(*shortcuts.Shortcut)

    def test_a_call_a_beat_and_an_event_arrive(self) -> None:
        self.conductor()
        self.see_a_call_a_beat_and_an_event(self.deployment.remote())

    def test_a_call_that_runs_when_a_conductor_stops_is_answered(self) -> None:
        conductor = self.deployment.conductor()
        remote = self.deployment.remote()
        objects.ServiceList.get_page(remote.context())
        arrived, go_on = threading.Event(), threading.Event()
        calls: Any = conductor._intake._calls.dispatcher
        dispatch = calls.dispatch

        def slowly(incoming: Any) -> Any:
            arrived.set()
            go_on.wait(base.PATIENCE)
            return dispatch(incoming)

        self.useFixture(fixtures.MockPatchObject(calls, 'dispatch', slowly))
        answers: list[Any] = []
        caller = threading.Thread(
            target=lambda: answers.append(
                objects.ServiceList.get_page(remote.context())
            )
        )
        caller.start()
        self.assertTrue(arrived.wait(base.PATIENCE))
        stopping = threading.Thread(target=conductor.stop)
        stopping.start()
        self.wait_for('the stop', lambda: conductor._stopped)
        go_on.set()
        caller.join(base.PATIENCE)
        stopping.join(base.PATIENCE)
        self.assertEqual(1, len(answers))


class TestProcesses(WithoutTest):
    """Real processes, to which the environment variable tells it."""

    def start(self, *args: str) -> program.Program:
        env = {**os.environ, shortcuts.VARIABLE: '1'}
        return self.useFixture(program.Program(*args, env=env))

    def test_beats_are_written_and_both_stop_cleanly(self) -> None:
        config = self.deployment.config_file(conductor__workers=1)
        conductor = self.start(
            'sgconductor-conductor', '--config-file', config
        )
        self.wait_for('the worker', lambda: 'is ready' in conductor.output)
        self.assertIn(f'{shortcuts.VARIABLE} is set', conductor.output)
        member = self.start('python', _MEMBER, config, 'node1')
        self.wait_for('the join', lambda: 'joined' in member.output)
        context = self.deployment.remote().context()

        def look() -> objects.Service:
            return objects.Service.get_by_host_and_binary(
                context, 'node1', 'acme-worker'
            )

        self.wait_for('beats', lambda: look().report_count >= 2)
        member.signal(signal.SIGTERM)
        self.assertEqual(0, member.wait())
        self.assertIsNotNone(look().left_at)
        conductor.signal(signal.SIGTERM)
        self.assertEqual(0, conductor.wait())
        self.assertNotIn('Traceback', conductor.output)
