"""``/metrics``: what the API tells Prometheus."""

from collections.abc import Iterator

import prometheus_client
from prometheus_client import registry

from sgconductor import metrics as sg_metrics
from sgconductor.api import operation


class Errors(registry.Collector):
    """Counts calls that came to nothing, as no server answered."""

    def __init__(self) -> None:
        self._errors = prometheus_client.Counter(
            'sgconductor_api_rpc_errors',
            'Calls to conductors that came to nothing, by what was away.',
            ['error'],
            registry=None,
        )

    def count(self, error: Exception) -> None:
        self._errors.labels(type(error).__name__).inc()

    def collect(self) -> Iterator[prometheus_client.Metric]:
        yield from self._errors.collect()


class Metrics:
    """
    :param collectors: of what is told beside the API's own work
    """

    def __init__(self, *collectors: registry.Collector) -> None:
        self._registry = sg_metrics.registry_of(*collectors)
        self._requests = prometheus_client.Counter(
            'sgconductor_api_requests',
            'Requests that were answered.',
            ['method', 'path', 'status'],
            registry=self._registry,
        )
        self._seconds = prometheus_client.Histogram(
            'sgconductor_api_request_seconds',
            'How long that took; of a stream, until it began.',
            ['method', 'path'],
            registry=self._registry,
        )

    def answered(
        self, method: str, path: str, status: int, seconds: float
    ) -> None:
        """
        :param path: as in the table of routes, '' for one that is not there
        """
        self._requests.labels(method, path, status).inc()
        self._seconds.labels(method, path).observe(seconds)

    def show(self, call: operation.Call) -> operation.Content:
        return operation.Content(
            prometheus_client.CONTENT_TYPE_LATEST,
            prometheus_client.generate_latest(self._registry),
        )
