"""What is sent reaches a queue, also when the queue is gone."""

from typing import Any

import fixtures
from kombu import entity

from sgconductor import exception
from sgconductor.messaging import notification
from sgconductor.messaging import shortcuts
from sgconductor.messaging import transports
from tests.functional import base

_QUEUE = 'things.info'


class DeliveryTest(base.DeploymentTest):
    scenarios = [base.ON_MARIADB]
    tables = False

    def setUp(self) -> None:
        super().setUp()
        if shortcuts.Shortcut.DELIVERY not in shortcuts.usable():
            self.skipTest(f'{shortcuts.VARIABLE} is set')
        transport = transports.rpc_transport(self.deployment.conf())
        self.addCleanup(transport.cleanup)
        self._sender = notification.sender(
            transport, 'messaging', ['things'], exchange='things'
        )
        self.vhost: str
        *_, self.vhost = self.deployment.transport_url.split('/')

    def send(self) -> None:
        message = dict.fromkeys(
            ('message_id', 'publisher_id', 'event_type', 'timestamp'), 'any'
        )
        self._sender.send({**message, 'priority': 'INFO', 'payload': {}}, {})

    def delete_queue(self) -> None:
        """Delete the queue, as if the node that has it had died."""
        self.broker.evaluate(
            f'{{ok, Queue}} = rabbit_amqqueue:lookup('
            f'rabbit_misc:r(<<"{self.vhost}">>, queue, <<"{_QUEUE}">>)),'
            f'rabbit_amqqueue:delete(Queue, false, false, <<"tests">>).'
        )

    def test_a_queue_that_is_gone_is_made_again(self) -> None:
        self.send()
        self.delete_queue()
        self.send()
        self.assertEqual(1, self.deployment.queue_depth(_QUEUE))

    def test_without_any_queue_the_sender_gets_an_error(self) -> None:
        self.send()
        self.delete_queue()
        self.broker.evaluate(
            f'rabbit_vhost_limit:set(<<"{self.vhost}">>, '
            f'[{{<<"max-queues">>, 0}}], <<"tests">>).'
        )
        self.assertRaises(exception.BrokerUnreachable, self.send)

    def test_a_confirm_of_what_was_returned_is_not_that_of_the_next(
        self,
    ) -> None:
        declare: Any = entity.Queue.declare

        def declare_in_vain(queue: Any, *args: Any, **kwargs: Any) -> None:
            declare(queue, *args, **kwargs)
            self.delete_queue()

        with fixtures.MonkeyPatch(
            'kombu.entity.Queue.declare', declare_in_vain
        ):
            self.assertRaises(exception.BrokerUnreachable, self.send)
        self.send()
        self.assertEqual(1, self.deployment.queue_depth(_QUEUE))
