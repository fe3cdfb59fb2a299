"""The client of the RPC API of acme-worker."""

import oslo_messaging as messaging
from sgconductor import context as sg_context
from sgconductor import rpcapi

from acme import history

BINARY = 'acme-worker'
EXCHANGE = 'acme'
TOPIC = 'worker'

Size = tuple[int, int]


class WorkerAPI(rpcapi.PinnedAPI):
    """Calls workers, in an RPC version that all of them understand.

    Version history:

    * 1.0 - Initial version: resize
    """

    BINARY = BINARY
    HISTORY = history.HISTORY
    TARGET = messaging.Target(exchange=EXCHANGE, topic=TOPIC)

    def resize(
        self,
        context: sg_context.RequestContext,
        host: str,
        size: Size,
        fit: Size,
    ) -> Size:
        """The largest size of the same proportions that fits.

        :param host: of the worker to call
        :param size: width and height of the image
        :param fit: width and height that it must fit into
        """
        with self.prepare(server=host) as rpc:
            width, height = rpc.call(
                context.to_dict(), 'resize', size=size, fit=fit
            )
        return width, height
