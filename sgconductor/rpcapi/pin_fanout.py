"""The conductor's word to all members: which pins there are now."""

import logging
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import oslo_messaging as messaging
from oslo_messaging import transport as transport_types

from sgconductor import exception
from sgconductor.messaging import graceful_server
from sgconductor.messaging import transports

LOG = logging.getLogger(__name__)

TOPIC = 'sgconductor-pins'


class PinFanout:
    """Tells the members.

    Version history of the RPC API:

    * 1.0 - Initial version: pins_changed

    :param transport: of :func:`sgconductor.messaging.transports.rpc_transport`
    """

    def __init__(self, transport: transport_types.RPCTransport) -> None:
        self._transport = transport
        self._client = messaging.get_rpc_client(
            transport,
            messaging.Target(
                exchange=transports.EXCHANGE,
                topic=TOPIC,
                version='1.0',
                fanout=True,
            ),
            retry=1,
        )

    def pins_changed(self, epoch: int, versions: Mapping[str, int]) -> None:
        """Tell all members; who does not hear it learns it at its next sync.

        :param versions: the version in force by binary
        """
        try:
            with transports.clear_broker_errors(self._transport):
                self._client.cast(
                    {}, 'pins_changed', epoch=epoch, versions=dict(versions)
                )
        except exception.BrokerUnreachable as error:
            LOG.warning(
                'The members could not be told of pins of epoch %d: %s',
                epoch,
                error,
            )
        except Exception:
            # What is told is done already, and must not seem to have failed.
            LOG.exception('The members could not be told of pins')


class PinsListener:
    """Hears it.

    :param learn: takes the epoch and the versions by binary
    """

    target = messaging.Target(version='1.0')

    def __init__(
        self, learn: Callable[[int, Mapping[str, int]], object]
    ) -> None:
        self._learn = learn

    @messaging.expose  # type: ignore[untyped-decorator]
    def pins_changed(
        self, context: dict[str, Any], epoch: int, versions: dict[str, int]
    ) -> None:
        self._learn(epoch, versions)


def listener(
    transport: transport_types.RPCTransport,
    learn: Callable[[int, Mapping[str, int]], object],
    name: str,
) -> graceful_server.Server:
    """A server that feeds ``learn``; not yet started.

    :param name: tells it apart on a bus in memory. RabbitMQ gives each
        listener a queue of its own for what goes to all, and keeps for ever
        the one that is named for it: there, all had better share the name.
    """
    made: graceful_server.Server = messaging.get_rpc_server(
        transport,
        messaging.Target(
            exchange=transports.EXCHANGE, topic=TOPIC, server=name
        ),
        [PinsListener(learn)],
        access_policy=messaging.ExplicitRPCAccessPolicy,
        server_cls=graceful_server.Server,
    )
    return made
