"""A broker that a part of the processes cannot hear any more."""

import itertools
import time
from collections.abc import Sequence
from typing import Any

import oslo_messaging as messaging

from sgconductor import exception
from sgconductor import objects
from sgconductor.messaging import batch_listener
from sgconductor.messaging import notification
from sgconductor.messaging import transports
from tests.functional import base
from tests.servers import process
from tests.servers import proxy

_DOWN_AFTER = 12


class _Beats(batch_listener.BatchDispatcher):
    def __init__(self) -> None:
        self.numbers: set[int] = set()

    def dispatch(self, incoming: Sequence[Any]) -> Sequence[Any]:
        for each in incoming:
            self.numbers.add(each.message['payload']['number'])
        return []


class SilentBrokerTest(base.DeploymentTest):
    scenarios = [base.ON_MARIADB]

    def setUp(self) -> None:
        super().setUp()
        self.proxy = self.useFixture(
            proxy.Proxy(process.LOOPBACK, self.broker.port)
        )
        *_, vhost = self.deployment.transport_url.split('/')
        self.through_proxy = (
            f'rabbit://guest:guest@{self.proxy.address}/{vhost}'
        )

    def conf(self, **more: Any) -> Any:
        return self.deployment.conf(
            servicegroup__down_after=_DOWN_AFTER, **more
        )


class TestBeats(SilentBrokerTest):
    tables = False

    def listen(self, **more: Any) -> _Beats:
        beats = _Beats()
        transport = transports.beat_transport(self.conf(**more))
        self.addCleanup(transport.cleanup)
        listener = batch_listener.BatchListener(
            transport,
            [messaging.Target(exchange='beats', topic='beats')],
            beats,
            batch_size=10,
            batch_timeout=0.05,
        )
        listener.start(override_pool_size=1)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)
        return beats

    def test_beats_that_a_silent_conductor_was_given_go_to_others(
        self,
    ) -> None:
        silent = self.listen(transport_url=self.through_proxy)
        others = self.listen()
        rpc = transports.rpc_transport(self.conf())
        self.addCleanup(rpc.cleanup)
        sender = notification.sender(
            rpc, 'messaging', ['beats'], exchange='beats'
        )
        fields = ('message_id', 'publisher_id', 'event_type', 'timestamp')
        numbers = itertools.count()

        def send() -> int:
            number = next(numbers)
            message = {**dict.fromkeys(fields, 'any'), 'priority': 'INFO'}
            sender.send({**message, 'payload': {'number': number}}, {})
            return number

        def is_dealt_to_both() -> bool:
            send()
            return bool(silent.numbers and others.numbers)

        self.wait_for('beats for both', is_dealt_to_both)
        self.proxy.freeze()
        sent = {send() for _ in range(20)}
        self.assertFalse(sent <= others.numbers)
        self.wait_for('all beats', lambda: sent <= others.numbers, _DOWN_AFTER)
        self.proxy.heal()


class TestCalls(SilentBrokerTest):
    def test_a_call_ends_after_its_timeout(self) -> None:
        self.deployment.conductor()
        remote = self.deployment.remote(
            timeout=2,
            transport_url=self.through_proxy,
            servicegroup__down_after=_DOWN_AFTER,
        )
        self.assertEqual([], base.services(remote.context()))
        self.proxy.freeze()
        begin = time.monotonic()
        self.assertRaises(
            exception.Unreachable,
            objects.ServiceList.get_page,
            remote.context(),
        )
        self.assertLess(time.monotonic() - begin, 10)
        self.proxy.heal()

        def answers() -> bool:
            try:
                objects.ServiceList.get_page(remote.context())
            except exception.Unreachable:
                return False
            return True

        self.wait_for('an answer', answers)
