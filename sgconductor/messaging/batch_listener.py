"""Taking and acknowledging messages by the batch, not one by one."""

import logging
from collections.abc import Sequence
from typing import Any

from oslo_messaging.notify import listener

from sgconductor.messaging import graceful_server
from sgconductor.messaging import polling

LOG = logging.getLogger(__name__)

# Seconds: acknowledgements wait for as long; and what comes within a moment
# is taken together.
_SLEEP = 0.02
_MOMENT = 0.001


class BatchListener(listener.BatchNotificationServer):
    """A listener whose batches are taken, and acknowledged, as one.

    Its dispatcher answers with those messages that are to go back: all, or
    none. It runs one batch at a time.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A second worker could acknowledge what the first has not written.
        graceful_server.end_promptly(self, workers=1)

    def _create_listener(self) -> Any:
        made = super()._create_listener()
        polling.hasten(made, _SLEEP, _MOMENT)
        polling.finish(made)
        return made

    def _process_incoming(self, incoming: Sequence[Any]) -> None:
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
    """Acknowledge a batch by its last message, and all before it.

    oslo.messaging 18.3 does it one by one.
    """
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
