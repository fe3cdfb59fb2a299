"""The client of the RPC API of acme-worker."""

from typing import Any

import oslo_messaging as messaging
from sgconductor import context as sg_context
from sgconductor import rpcapi

from acme import history

BINARY = 'acme-worker'
EXCHANGE = 'acme'
TOPIC = 'worker'

Size = tuple[int, int]


class NotYet(Exception):
    """Not all workers can do it yet; the message says what."""


class WorkerAPI(rpcapi.PinnedAPI):
    """Calls workers, in an RPC version that all of them understand.

    Version history:

    * 1.0 - Initial version: resize
    * 1.1 - Added rotate(); resize() takes fit as a mapping with width and
      height, no longer as a list
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
        box: Any = fit
        with self.prepare(server=host) as rpc:
            if rpc.can_send('1.1'):
                box = {'width': fit[0], 'height': fit[1]}
            width, height = rpc.call(
                context.to_dict(), 'resize', size=size, fit=box
            )
        return width, height

    def rotate(
        self,
        context: sg_context.RequestContext,
        host: str,
        size: Size,
        degrees: int,
    ) -> Size:
        """The size of an image that is turned.

        :param host: of the worker to call
        :param size: width and height of the image
        :param degrees: a multiple of 90
        :raises NotYet: until all workers can do it
        """
        with self.prepare(server=host) as rpc:
            if not rpc.can_send('1.1'):
                raise NotYet(
                    f'not every {BINARY} can rotate yet; see '
                    f'"sgconductor-manage pins explain {BINARY}"'
                )
            width, height = rpc.call(
                context.to_dict(), 'rotate', size=size, degrees=degrees
            )
        return width, height
