"""The sender of beats."""

import uuid

import oslo_messaging as messaging
from oslo_messaging import transport as transport_types
from oslo_utils import timeutils

from sgconductor.messaging import transports


class BeatAPI:
    """Sends beats as notifications: nothing comes back.

    :param transport: of
        :func:`sgconductor.messaging.transports.rpc_transport`: a member
        needs no second connection for its beats
    """

    def __init__(self, transport: transport_types.RPCTransport) -> None:
        self._transport = transport
        self._target = messaging.Target(
            exchange=transports.EXCHANGE,
            topic=f'{transports.BEATS_TOPIC}.info',
        )

    def beat(self, id_: int, incarnation: int, stamp: int, epoch: int) -> None:
        """Send one beat.

        :param stamp: microseconds since 1970 in the database's clock
        :param epoch: of the pins that the sender goes by; 0 for none
        :raises BrokerUnreachable: at once; the next beat may find it
        """
        # The shape that oslo.messaging's Notifier sends. Its own driver logs
        # a traceback for each failure and tells the caller nothing, so this
        # goes one step lower, to the transport.
        message = {
            'message_id': str(uuid.uuid4()),
            'publisher_id': f'service.{id_}',
            'event_type': transports.BEAT,
            'priority': 'INFO',
            'payload': {
                'id': id_,
                'incarnation': incarnation,
                'stamp': stamp,
                'epoch': epoch,
            },
            'timestamp': str(timeutils.utcnow()),
        }
        with transports.clear_broker_errors(self._transport):
            self._transport._send_notification(
                self._target, {}, message, version=1.0, retry=1
            )
