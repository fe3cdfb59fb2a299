"""What is taken from the broker is taken together.

These fail too where oslo.messaging or kombu have changed what our shortcuts
rely on.
"""

import threading
from typing import Any
from unittest import mock

import fixtures
from amqp import channel
from oslo_messaging._drivers import impl_rabbit

from sgconductor import exception
from sgconductor import objects
from sgconductor.app import conductor as conductor_app
from sgconductor.app import local as local_app
from sgconductor.messaging import polling
from tests.functional import base

WAITING = 200


class IntakeTest(base.DeploymentTest):
    scenarios = [base.ON_MARIADB]

    def counted(self, owner: Any, name: str) -> list[Any]:
        """A list that gets one more with each call of a method."""
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

    def have_beats_wait(self) -> objects.Service:
        """Send beats of a service that no conductor takes."""
        conductor = self.deployment.conductor()
        remote = self.deployment.remote()
        member = remote.membership('node1', 'acme-worker', 'worker', 1)
        service = member.join()
        member.stop()
        conductor.stop()
        for _ in range(WAITING):
            self.deployment.beat(remote, service)
        return service


class TestBeats(IntakeTest):
    def test_what_waits_takes_few_steps_and_few_acks(self) -> None:
        service = self.have_beats_wait()
        acks = self.counted(channel.Channel, 'basic_ack')
        steps = self.counted(impl_rabbit.Connection, 'consume')
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
        self.assertLess(len(steps), WAITING / 2)
        self.assertTrue(any(call.get('multiple') for call in acks), acks)


class TestStop(IntakeTest):
    def test_the_last_batch_is_acknowledged(self) -> None:
        service = self.have_beats_wait()
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
        # Its own beats come here too, and one of them may be left.
        self.assertLess(WAITING, service.report_count + left + 2)
        self.assertGreater(WAITING + 2, service.report_count + left)

    def read(self, service: objects.Service) -> objects.Service:
        local = local_app.Local(self.deployment.conf())
        self.addCleanup(local.close)
        return objects.Service.get_by_uuid(local.context(), service.uuid)


class Otherwise:
    """A driver that has nothing of what is relied on but its name."""

    def _get_reply_q(self) -> None:
        pass


class TestCalls(IntakeTest):
    def test_who_waits_for_answers_sleeps(self) -> None:
        self.deployment.conductor()
        remote = self.deployment.remote()
        remote.membership('node1', 'acme-worker', 'worker', 1).join()
        driver = remote.transport._driver
        mine = driver._waiter.conn.connection
        waits: list[float] = []
        wait = mine.connection.drain_events

        def count(timeout: float) -> None:
            # Another thread looks for heartbeats now and then.
            if threading.current_thread() is driver._waiter._thread:
                waits.append(timeout)
            wait(timeout=timeout)

        mine.connection.drain_events = count
        self.wait_for('some', lambda: len(waits) >= 5)
        # Else it would wake up after 1, 2, 4, … ms.
        self.assertGreaterEqual(min(waits), 0.1)

    def test_a_library_that_is_made_otherwise_is_left_alone(self) -> None:
        polling.hasten_answers(mock.Mock(_driver=Otherwise()), 0.2)
        self.assertEqual(1, self.logged('one by one'))

    def test_who_gets_no_queue_for_answers_learns_why(self) -> None:
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

    def test_who_waits_for_calls_sleeps(self) -> None:
        waits = self.counted(impl_rabbit.Connection, 'consume')
        conductor = self.deployment.conductor()
        base.silence(conductor)
        begin = len(waits)
        self.wait_for('some', lambda: len(waits) >= begin + 30)
        # Else they would wake up after 1, 2, 4, … ms.
        shortest = min(call['timeout'] for call in waits)
        self.assertGreaterEqual(shortest, 0.02)
