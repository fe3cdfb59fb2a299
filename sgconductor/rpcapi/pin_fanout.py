"""Telling all members of new pins."""

import logging
from collections.abc import Mapping

import oslo_messaging as messaging
from oslo_messaging import transport as transport_types

from sgconductor import exception
from sgconductor.messaging import broker
from sgconductor.messaging import topics

LOG = logging.getLogger(__name__)


class PinFanout:
    """The conductor's client of :class:`sgconductor.rpcapi.pin_listener.
    PinEndpoint` in all members.

    Version history of the RPC API:

    * 1.0 - Initial version: pins_changed

    :param transport: of :func:`sgconductor.messaging.transports.rpc_transport`
    """

    def __init__(self, transport: transport_types.RPCTransport) -> None:
        self._transport = transport
        self._client = messaging.get_rpc_client(
            transport,
            messaging.Target(
                exchange=topics.EXCHANGE,
                topic=topics.PINS_TOPIC,
                version='1.0',
                fanout=True,
            ),
            retry=broker.retries(transport),
        )

    def pins_changed(self, epoch: int, versions: Mapping[str, int]) -> None:
        """Tell all members; one that misses it gets the pins at its next sync.

        :param versions: the version in force by binary
        """
        try:
            with broker.clear_errors(self._transport):
                self._client.cast(
                    {}, 'pins_changed', epoch=epoch, versions=dict(versions)
                )
        except exception.BrokerUnreachable as error:
            LOG.warning(
                'The members could not be told of the pins of epoch %d, and '
                'get them at their next syncs: %s',
                epoch,
                error,
            )
        except Exception:
            # The change is committed, and must not seem to have failed.
            LOG.exception(
                'The members could not be told of the pins of epoch %d, and '
                'get them at their next syncs',
                epoch,
            )
