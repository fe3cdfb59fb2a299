"""Receiving and acknowledging notifications in batches."""

import abc
import logging
import threading
from collections.abc import Sequence
from typing import Any

import oslo_messaging as messaging
from oslo_messaging import dispatcher as msg_dispatcher
from oslo_messaging import transport as transport_types
from oslo_messaging.notify import listener

from sgconductor.messaging import graceful_server
from sgconductor.messaging import polling
from sgconductor.messaging import shortcuts

LOG = logging.getLogger(__name__)

# Seconds: how long acknowledgements may wait, and how long to wait for more
# messages to read together.
_INTERVAL = 0.02
_MOMENT = 0.001
# Seconds to wait for the last acknowledgements when a listener closes.
_LAST_ACKS_WITHIN = 1.0


class BatchDispatcher(msg_dispatcher.DispatcherBase):
    """Handles batches of notifications of the priority ``info``.

    It takes the place of oslo.messaging's own batch dispatcher, which gives a
    whole batch back for one message that it cannot read.
    """

    supported_priorities = ('info',)

    @abc.abstractmethod
    def dispatch(self, incoming: Sequence[Any]) -> Sequence[Any]:
        """Handle a batch.

        :param incoming: oslo.messaging's incoming messages
        :returns: the messages to give back to the broker: all or none
        """


class BatchListener(listener.BatchNotificationServer):
    """A listener that handles one batch after the other.

    It is to be started with ``override_pool_size=1``: a second worker could
    acknowledge what the first has not written yet.

    :param batch_size: the most messages of a batch
    :param batch_timeout: the longest, in seconds, that a message waits for
        others
    """

    # The base class gives it no type.
    listener: Any

    def __init__(
        self,
        transport: transport_types.NotificationTransport,
        targets: Sequence[messaging.Target],
        dispatcher: BatchDispatcher,
        batch_size: int,
        batch_timeout: float,
    ) -> None:
        super().__init__(
            transport,
            targets,
            dispatcher,
            batch_size=batch_size,
            batch_timeout=batch_timeout,
        )
        graceful_server.stop_workers_at_once(self)

    def give_back(self) -> None:
        """Stop, and give to the broker at once what is not acknowledged.

        ``wait()`` then waits for the batch that is being handled: it may be
        handled again, by another listener.
        """
        graceful_server.drain(self)
        # Closing its connection gives everything back.
        made, self.listener = self.listener, None
        made.cleanup()

    def _create_listener(self) -> Any:
        made = super()._create_listener()
        polling.speed_up(made, _INTERVAL, _MOMENT)
        graceful_server.close_soon(made)
        if shortcuts.Shortcut.LAST_ACKS in shortcuts.usable():
            _acknowledge_before_closing(made)
        return made

    def _process_incoming(self, incoming: Sequence[Any]) -> None:
        if shortcuts.Shortcut.ACK_BATCH not in shortcuts.usable():
            super()._process_incoming(incoming)
            return
        try:
            back = self.dispatcher.dispatch(incoming)
        except Exception:
            LOG.exception('A batch could not be handled, and goes back.')
            back = incoming
        for message in back:
            message.requeue()
        if not back:
            _acknowledge(incoming)


def _acknowledge(incoming: Sequence[Any]) -> None:
    """Acknowledge the last message of a batch and all before it at once.

    oslo.messaging 18.3 acknowledges them one by one.
    """
    last = incoming[-1]
    operations = getattr(last, '_message_operations_handler', None)
    if operations is None:
        # The bus in memory.
        for message in incoming:
            message.acknowledge()
        return

    def acknowledge() -> None:
        try:
            last.message._raw_message.ack(multiple=True)
        except Exception as error:
            # The connection is lost, and the broker will send them again.
            LOG.warning('Beats are not acknowledged: %s', error)

    operations.do(acknowledge)
    for message in incoming:
        message.listener.msg_id_cache.add(message.unique_id)


def _acknowledge_before_closing(made: Any) -> None:
    """Have a listener send its last acknowledgements before it closes.

    oslo.messaging 18.3 may end the thread that sends them before that.
    """
    polled = made._poll_style_listener
    operations = getattr(polled, '_message_operations_handler', None)
    if operations is None:
        # The bus in memory.
        return
    cleanup = polled.cleanup

    def acknowledge_and_clean_up() -> None:
        sent = threading.Event()
        operations.do(sent.set)
        sent.wait(_LAST_ACKS_WITHIN)
        cleanup()

    polled.cleanup = acknowledge_and_clean_up
