"""``/metrics``: the API's own metrics, for Prometheus."""

from collections.abc import Iterator
from collections.abc import Sequence

import prometheus_client
from prometheus_client import registry

from sgconductor import metrics as sg_metrics
from sgconductor.api import operation
from sgconductor.api import policies


class Errors(registry.Collector):
    """Counts calls to conductors that failed because a server was away."""

    def __init__(self) -> None:
        self._errors = prometheus_client.Counter(
            'sgconductor_api_rpc_errors',
            'Calls to conductors that got no answer, by error.',
            ['error'],
            registry=None,
        )

    def count(self, error: Exception) -> None:
        self._errors.labels(type(error).__name__).inc()

    def collect(self) -> Iterator[prometheus_client.Metric]:
        yield from self._errors.collect()


class Metrics:
    """
    :param collectors: of other metrics that the answer has too
    """

    def __init__(self, *collectors: registry.Collector) -> None:
        self._registry = sg_metrics.registry_of(*collectors)
        self._requests = prometheus_client.Counter(
            'sgconductor_api_requests',
            'Requests answered.',
            ['method', 'path', 'status'],
            registry=self._registry,
        )
        self._seconds = prometheus_client.Histogram(
            'sgconductor_api_request_seconds',
            'Duration of requests; of a stream, until its first byte.',
            ['method', 'path'],
            registry=self._registry,
        )

    def record(
        self, method: str, path: str, status: int, seconds: float
    ) -> None:
        """Count a request.

        :param path: the URI template; '' for a path that does not exist
        """
        self._requests.labels(method, path, status).inc()
        self._seconds.labels(method, path).observe(seconds)

    def show(self, call: operation.Call) -> operation.Content:
        return operation.Content(
            prometheus_client.CONTENT_TYPE_LATEST,
            prometheus_client.generate_latest(self._registry),
        )

    def operations(self) -> Sequence[operation.Operation]:
        return (
            operation.Operation(
                'GET',
                '/metrics',
                self.show,
                policies.METRICS,
                'Show the metrics for Prometheus',
            ),
        )
