"""What is taken from the broker is taken together.

These fail too where oslo.messaging or kombu have changed what our shortcuts
rely on.
"""

from typing import Any

import fixtures
from amqp import channel
from oslo_messaging._drivers import impl_rabbit

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


class TestBeats(IntakeTest):
    def test_what_waits_takes_few_steps_and_few_acks(self) -> None:
        conductor = self.deployment.conductor()
        remote = self.deployment.remote()
        member = remote.membership('node1', 'acme-worker', 'worker', 1)
        service = member.join()
        member.stop()
        conductor.stop()
        for _ in range(WAITING):
            self.deployment.beat(remote, service)
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


class TestCalls(IntakeTest):
    def test_who_waits_for_calls_sleeps(self) -> None:
        waits = self.counted(impl_rabbit.Connection, 'consume')
        conductor = self.deployment.conductor()
        base.silence(conductor)
        begin = len(waits)
        self.wait_for('some', lambda: len(waits) >= begin + 30)
        # Else they would wake up after 1, 2, 4, … ms.
        shortest = min(call['timeout'] for call in waits)
        self.assertGreaterEqual(shortest, 0.05)
