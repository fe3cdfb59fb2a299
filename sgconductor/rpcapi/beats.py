"""The sender of beats."""

import uuid

from oslo_messaging import transport as transport_types
from oslo_utils import timeutils

from sgconductor.messaging import notification
from sgconductor.messaging import topics


class BeatAPI:
    """Sends beats as notifications, to which nobody replies.

    :param transport: of
        :func:`sgconductor.messaging.transports.rpc_transport`: a member
        needs no second connection for its beats
    """

    def __init__(self, transport: transport_types.RPCTransport) -> None:
        self._sender = notification.sender(
            transport,
            'messaging',
            [topics.BEATS_TOPIC],
            exchange=topics.EXCHANGE,
        )

    def beat(self, id_: int, incarnation: int, stamp: int, epoch: int) -> None:
        """Send one beat.

        :param stamp: microseconds since 1970 in the database's clock
        :param epoch: of the pins that the sender follows; 0 for none
        :raises BrokerUnreachable: at once; the next beat may reach it
        """
        message = {
            'message_id': str(uuid.uuid4()),
            'publisher_id': f'service.{id_}',
            'event_type': topics.BEAT,
            'priority': 'INFO',
            'payload': {
                'id': id_,
                'incarnation': incarnation,
                'stamp': stamp,
                'epoch': epoch,
            },
            'timestamp': str(timeutils.utcnow()),
        }
        self._sender.send(message, {})

    def close(self) -> None:
        """Close what it has opened; the transport stays open."""
        self._sender.close()
