"""All operations of the API, joined from the modules of its nouns."""

from collections.abc import Sequence

from sgconductor.api import events
from sgconductor.api import liveness
from sgconductor.api import metrics as api_metrics
from sgconductor.api import openapi
from sgconductor.api import os_services
from sgconductor.api import page
from sgconductor.api import pins
from sgconductor.api import services
from sgconductor.api import version_documents
from sgconductor.api.operation import Operation


def operations(
    event_stream: events.EventStream, metrics: api_metrics.Metrics
) -> Sequence[Operation]:
    v1 = (
        *services.OPERATIONS,
        *pins.OPERATIONS,
        *liveness.OPERATIONS,
        *events.OPERATIONS,
        *event_stream.operations(),
    )
    return (
        *page.OPERATIONS,
        *version_documents.OPERATIONS,
        *metrics.operations(),
        *os_services.OPERATIONS,
        *v1,
        *openapi.Document(v1).operations(),
    )
