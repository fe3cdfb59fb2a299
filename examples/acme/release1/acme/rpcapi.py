"""The RPC API of acme-worker, as callers see it."""

import oslo_messaging as messaging
from oslo_messaging import transport as transport_types
from sgconductor import context as sg_context

from acme import history

BINARY = 'acme-worker'
EXCHANGE = 'acme'
TOPIC = 'worker'

Size = tuple[int, int]


class WorkerAPI:
    """Calls workers.

    Version history:

    * 1.0 - Initial version: resize

    :param transport: of :class:`sgconductor.app.Remote`
    :param timeout: seconds to wait for an answer
    """

    def __init__(
        self, transport: transport_types.RPCTransport, timeout: float
    ) -> None:
        self._client = messaging.get_rpc_client(
            transport,
            messaging.Target(
                exchange=EXCHANGE, topic=TOPIC, version=history.RPC_VERSION
            ),
            timeout=timeout,
            retry=1,
        )

    def resize(
        self,
        context: sg_context.RequestContext,
        host: str,
        size: Size,
        fit: Size,
    ) -> Size:
        """The largest size of the same shape that fits.

        :param host: whose worker is to do it
        :param size: width and height of the image
        :param fit: width and height that it must fit into
        """
        width, height = self._client.prepare(server=host).call(
            context.to_dict(), 'resize', size=size, fit=fit
        )
        return width, height
