"""What the shortcuts save, on RabbitMQ.

These tests also fail if oslo.messaging, kombu or amqp change how something
works that a shortcut relies on, and not only what it is called.
"""

import threading
from typing import Any

import fixtures
from amqp import channel
from oslo_messaging._drivers import impl_rabbit

from sgconductor import exception
from sgconductor import objects
from sgconductor.app import conductor as conductor_app
from sgconductor.app import local as local_app
from sgconductor.messaging import shortcuts
from tests.functional import base

WAITING = 200


class ShortcutTest(base.DeploymentTest):
    scenarios = [base.ON_MARIADB]

    def needs(self, *used: shortcuts.Shortcut) -> None:
        """Skip this test if a shortcut is left out."""
        if not shortcuts.usable().issuperset(used):
            self.skipTest(f'{shortcuts.VARIABLE} is set')

    def counted(self, owner: Any, name: str) -> list[Any]:
        """A list that gets the arguments of each call of a method."""
        calls: list[Any] = []
        original = getattr(owner, name)

        def count(*args: Any, **kwargs: Any) -> Any:
            calls.append(kwargs)
            return original(*args, **kwargs)

        self.useFixture(
            fixtures.MonkeyPatch(
                f'{owner.__module__}.{owner.__name__}.{name}', count
            )
        )
        return calls

    def leave_beats_in_the_queue(self) -> objects.Service:
        """Send beats while no conductor runs."""
        conductor = self.deployment.conductor()
        remote = self.deployment.remote()
        member = remote.membership('node1', 'acme-worker', 'worker', 1)
        service = member.join()
        member.stop()
        conductor.stop()
        for _ in range(WAITING):
            self.deployment.beat(remote, service)
        return service


class TestBeats(ShortcutTest):
    def test_waiting_beats_take_few_reads_and_few_acks(self) -> None:
        self.needs(shortcuts.Shortcut.READ_ALL, shortcuts.Shortcut.ACK_BATCH)
        service = self.leave_beats_in_the_queue()
        acks = self.counted(channel.Channel, 'basic_ack')
        reads = self.counted(impl_rabbit.Connection, 'consume')
        self.deployment.conductor()

        def count() -> int:
            service.refresh()
            return int(service.report_count)

        self.wait_for('the beats', lambda: count() >= WAITING)
        self.wait_for(
            'the acks',
            lambda: not self.deployment.queue_depth('sgconductor-beats.info'),
        )
        self.assertLess(len(acks), WAITING / 2)
        self.assertLess(len(reads), WAITING / 2)
        self.assertTrue(any(call.get('multiple') for call in acks), acks)


class TestStop(ShortcutTest):
    def test_the_last_batch_is_acknowledged(self) -> None:
        self.needs(shortcuts.Shortcut.LAST_ACKS)
        service = self.leave_beats_in_the_queue()
        last = conductor_app.Conductor(self.deployment.conf())
        self.addCleanup(last.stop)
        dispatch, written = last.beats.dispatch, threading.Event()

        def slowly(incoming: Any) -> Any:
            back = dispatch(incoming)
            written.set()
            last.beats._stopping.wait(base.PATIENCE)
            return back

        self.useFixture(
            fixtures.MockPatchObject(last.beats, 'dispatch', slowly)
        )
        last.start()
        self.assertTrue(written.wait(base.PATIENCE))
        last.stop()
        service = self.read(service)
        left = self.deployment.queue_depth('sgconductor-beats.info')
        # The conductor beats too, and one of its beats may be left.
        self.assertLess(WAITING, service.report_count + left + 2)
        self.assertGreater(WAITING + 2, service.report_count + left)

    def read(self, service: objects.Service) -> objects.Service:
        local = local_app.Local(self.deployment.conf())
        self.addCleanup(local.close)
        return objects.Service.get_by_uuid(local.context(), service.uuid)


class TestCalls(ShortcutTest):
    def test_the_reply_thread_sleeps_until_a_reply_arrives(self) -> None:
        self.needs(shortcuts.Shortcut.READ_REPLIES)
        self.deployment.conductor()
        remote = self.deployment.remote()
        remote.membership('node1', 'acme-worker', 'worker', 1).join()
        driver = remote.transport._driver
        mine = driver._waiter.conn.connection
        waits: list[float] = []
        wait = mine.connection.drain_events

        def count(timeout: float) -> None:
            # The thread that checks for heartbeats reads too.
            if threading.current_thread() is driver._waiter._thread:
                waits.append(timeout)
            wait(timeout=timeout)

        mine.connection.drain_events = count
        self.wait_for('some', lambda: len(waits) >= 5)
        # Without the shortcut, it wakes up after 1, 2, 4, … ms.
        self.assertGreaterEqual(min(waits), 0.1)

    def test_a_refused_reply_queue_is_an_error(
        self,
    ) -> None:
        self.deployment.conductor()
        remote = self.deployment.remote()
        *_, vhost = self.deployment.transport_url.split('/')
        self.broker.evaluate(
            f'rabbit_vhost_limit:set(<<"{vhost}">>, '
            f'[{{<<"max-queues">>, 1}}], <<"tests">>).'
        )
        self.assertRaises(
            exception.BrokerUnreachable,
            objects.ServiceList.get_page,
            remote.context(),
        )

    def test_conductors_sleep_until_a_message_arrives(self) -> None:
        self.needs(shortcuts.Shortcut.SLEEP)
        waits = self.counted(impl_rabbit.Connection, 'consume')
        conductor = self.deployment.conductor()
        base.stop_beats_of(conductor)
        begin = len(waits)
        self.wait_for('some', lambda: len(waits) >= begin + 30)
        # Without the shortcut, they wake up after 1, 2, 4, … ms.
        shortest = min(call['timeout'] for call in waits)
        self.assertGreaterEqual(shortest, 0.02)
