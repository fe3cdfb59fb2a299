"""What subscribers get of an event."""

import datetime
from typing import Any

import fixtures
import oslo_messaging as messaging

from sgconductor import exception
from sgconductor.messaging import shortcuts
from sgconductor.messaging import transports
from sgconductor.rpcapi import events
from tests.functional import base

EVENT: dict[str, Any] = {
    'uuid': '5d0dd9a1-33a0-4bca-a62b-1e8d79bb1b6c',
    'type': 'service.update',
    'at': datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
    'payload': '{"a": 1}',
    'request_id': 'req-1',
    'user_id': 'ann',
}


class Subscriber:
    """Keeps all that it gets."""

    def __init__(self) -> None:
        self.contexts: list[Any] = []
        self.messages: list[Any] = []

    def info(
        self,
        ctxt: dict[str, Any],
        publisher_id: str,
        event_type: str,
        payload: dict[str, Any],
        metadata: dict[str, Any],
    ) -> None:
        self.contexts.append(
            {k: v for k, v in ctxt.items() if k in ('request_id', 'user_id')}
        )
        self.messages.append((publisher_id, event_type, payload, metadata))


class NotificationTest(base.DeploymentTest):
    scenarios = base.EMBEDDED_AND_MARIADB

    def setUp(self) -> None:
        super().setUp()
        conf = self.deployment.conf(
            oslo_messaging_notifications__driver=['messagingv2']
        )
        self.transport = transports.event_transport(conf)
        self.addCleanup(self.transport.cleanup)
        self.subscriber = Subscriber()
        listener = messaging.get_notification_listener(
            self.transport,
            [messaging.Target(topic='notifications')],
            [self.subscriber],
        )
        listener.start()
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)

    def send(self, *events_: dict[str, Any]) -> None:
        api = events.EventAPI(self.transport, 'conductor1')
        for event in events_:
            api.send(event)
        self.wait_for(
            'them', lambda: len(self.subscriber.messages) == len(events_)
        )


class TestEvent(NotificationTest):
    def test_it_says_who_asked(self) -> None:
        nobody = {**EVENT, 'request_id': None, 'user_id': None}
        older = {k: v for k, v in nobody.items() if not k.endswith('_id')}
        self.send(EVENT, nobody, older)
        self.assertEqual(
            [{'request_id': 'req-1', 'user_id': 'ann'}, {}, {}],
            self.subscriber.contexts,
        )

    def test_it_keeps_its_id_and_time(self) -> None:
        if shortcuts.Shortcut.SEND_NOTIFICATION not in shortcuts.usable():
            self.skipTest(f'{shortcuts.VARIABLE} is set')
        self.send(EVENT, EVENT)
        self.assertEqual(
            2
            * [
                (
                    'sgconductor.conductor1',
                    'service.update',
                    {'a': 1},
                    {
                        'message_id': EVENT['uuid'],
                        'timestamp': '2026-01-02 03:04:05',
                    },
                )
            ],
            self.subscriber.messages,
        )


class TestPlainEvent(NotificationTest):
    """Sent by oslo.messaging's Notifier."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(
            fixtures.MonkeyPatch(
                'sgconductor.messaging.shortcuts.usable', frozenset
            )
        )

    def test_it_says_who_asked(self) -> None:
        self.send(EVENT)
        self.assertEqual(
            [{'request_id': 'req-1', 'user_id': 'ann'}],
            self.subscriber.contexts,
        )
        ((publisher, type_, payload, _),) = self.subscriber.messages
        self.assertEqual('sgconductor.conductor1', publisher)
        self.assertEqual(('service.update', {'a': 1}), (type_, payload))


class TestFailure(base.DeploymentTest):
    scenarios = [base.EMBEDDED]

    def test_the_sender_learns_that_the_broker_is_away(self) -> None:
        nobody = 'rabbit://guest:secret@127.0.0.1:1/'
        conf = self.deployment.conf(
            oslo_messaging_notifications__driver=['messagingv2'],
            oslo_messaging_notifications__transport_url=nobody,
        )
        transport = transports.event_transport(conf)
        self.addCleanup(transport.cleanup)
        for used in (shortcuts.usable(), frozenset()):
            self.useFixture(
                fixtures.MonkeyPatch(
                    'sgconductor.messaging.shortcuts.usable',
                    lambda used=used: used,
                )
            )
            api = events.EventAPI(transport, 'conductor1')
            error = self.assertRaises(
                exception.BrokerUnreachable, api.send, EVENT
            )
            self.assertIn('rabbit://127.0.0.1:1/', str(error))
            self.assertNotIn('secret', str(error))
