"""The server of a conductor worker's metrics, which Prometheus reads."""

import logging
import threading
from wsgiref import simple_server

import prometheus_client
from prometheus_client import registry

from sgconductor import metrics as sg_metrics

LOG = logging.getLogger(__name__)


class Exporter:
    """Serves metrics over HTTP.

    :param port: None to serve nothing
    :param collectors: these metrics, beside those of the process itself
    """

    def __init__(
        self, host: str, port: int | None, *collectors: registry.Collector
    ) -> None:
        self._host = host
        self._port = port
        self._registry = sg_metrics.registry_of(*collectors)
        self._server: simple_server.WSGIServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve in threads until :meth:`stop`.

        Without its port, the conductor works all the same: this is logged.
        """
        if self._port is None:
            return
        try:
            self._server, self._thread = prometheus_client.start_http_server(
                self._port, self._host, self._registry
            )
        except (OSError, OverflowError) as error:
            LOG.error(
                'No metrics are served: %s:%s cannot be listened on: %s',
                self._host,
                self._port,
                error,
            )

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
