"""Delivering notifications to a queue, or learning that there is none."""

from typing import Any

import oslo_messaging as messaging
from amqp import spec

from sgconductor.messaging import shortcuts

# To AMQP: the broker returns what it cannot put into any queue.
_MANDATORY = messaging.TransportOptions(at_least_once=True)


def deliver_or_fail(transport: Any) -> None:
    """Have a transport notice when a notification reaches no queue.

    oslo.messaging 18.3 declares the queue of a notification once for each
    connection. When the node dies that had the queue, other connections stay
    open, and the broker confirms what they send after that, and drops it.

    :param transport: one that has no connection yet
    """
    if shortcuts.Shortcut.DELIVERY not in shortcuts.usable():
        return
    pool = getattr(transport._driver, '_connection_pool', None)
    # The other drivers have none.
    if pool is not None:
        base = pool.connection_cls
        pool.connection_cls = type(base.__name__, (_Delivering, base), {})


class _Delivering:
    """What our connections do in another way than oslo.messaging's."""

    # Those of the base class.
    _declared_queues: set[Any]
    channel: Any
    _notifies = False

    def _publish_and_creates_default_queue(
        self, *args: Any, **kwargs: Any
    ) -> None:
        base: Any = super()
        self._notifies = True
        try:
            try:
                base._publish_and_creates_default_queue(*args, **kwargs)
            except messaging.MessageUndeliverable:
                # The queue was there; now it is declared again.
                self._declared_queues.clear()
                base._publish_and_creates_default_queue(*args, **kwargs)
        finally:
            self._notifies = False

    def _publish(self, *args: Any, **kwargs: Any) -> None:
        base: Any = super()
        if self._notifies:
            kwargs['transport_options'] = _MANDATORY
        try:
            base._publish(*args, **kwargs)
        except messaging.MessageUndeliverable:
            # Its confirm comes next. If it stayed unread, the next message
            # on this channel would take it for its own.
            self.channel.wait([spec.Basic.Ack, spec.Basic.Nack])
            raise
