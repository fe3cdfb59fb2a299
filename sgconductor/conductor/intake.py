"""Taking messages from the broker by the batch, not one by one.

oslo.messaging 18.3 goes through all of its layers for each message, and
acknowledges each by itself; that is more than half of what a beat costs. This
module alone relies on how its listener is made. On the bus in memory, which
has none of that, all goes the library's way.
"""

import logging
from collections.abc import Sequence
from typing import Any

from oslo_messaging.notify import listener

from sgconductor.rpcapi import drain

LOG = logging.getLogger(__name__)

# What has arrived is taken together, up to so many frames' events, and what
# comes within so many seconds.
_AT_ONCE = 250
_MOMENT = 0.001


class Intake(listener.BatchNotificationServer):
    """A listener whose batches are taken, and acknowledged, as one.

    Its dispatcher answers with those messages that are to go back, and
    raises nothing. It runs one batch at a time.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # It would acknowledge with a batch those that this has overtaken.
        drain.be_prompt(self, workers=1)

    def _create_listener(self) -> Any:
        made = super()._create_listener()
        connection = getattr(made._poll_style_listener, 'conn', None)
        if connection is not None:
            _take_what_is_there(connection.connection.connection)
        return made

    def _process_incoming(self, incoming: Sequence[Any]) -> None:
        back = self.dispatcher.dispatch(incoming)
        for message in back:
            message.requeue()
        if not back:
            _acknowledge(incoming)


def _take_what_is_there(connection: Any) -> None:
    """Have a kombu connection take all that has arrived, once it waits.

    :param connection: the same one after each reconnect
    """
    take_one = connection.drain_events

    def take(timeout: float | None = None) -> None:
        take_one(timeout=timeout)
        # Set once: else py-amqp sets it for each frame.
        with connection.connection.transport.having_timeout(_MOMENT):
            try:
                for _ in range(_AT_ONCE):
                    take_one(timeout=_MOMENT)
            except TimeoutError:
                return

    connection.drain_events = take


def _acknowledge(incoming: Sequence[Any]) -> None:
    """Acknowledge a batch, the newest that was taken, by its last message."""
    last = incoming[-1]
    operations = getattr(last, '_message_operations_handler', None)
    if operations is None:
        for message in incoming:
            message.acknowledge()
        return

    def acknowledge() -> None:
        try:
            last.message._raw_message.ack(multiple=True)
        except Exception as error:
            # The broker is away, and will send them again.
            LOG.warning('Beats are not acknowledged: %s', error)

    operations.do(acknowledge)
    for message in incoming:
        message.listener.msg_id_cache.add(message.unique_id)
