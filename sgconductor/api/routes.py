"""The whole API: what is done for which method of which path, and by whom."""

from collections.abc import Sequence

from sgconductor.api import events
from sgconductor.api import liveness
from sgconductor.api import metrics
from sgconductor.api import openapi
from sgconductor.api import os_services
from sgconductor.api import page
from sgconductor.api import pins
from sgconductor.api import policies
from sgconductor.api import services
from sgconductor.api import version_documents
from sgconductor.api.operation import Operation


def table(stream: events.Stream, told: metrics.Metrics) -> Sequence[Operation]:
    """All operations.

    :param stream: of events
    :param told: to Prometheus
    """
    shown = (
        Operation(
            'GET',
            '/',
            version_documents.root,
            policies.ANYBODY,
            'The page for a browser; the versions for all others',
        ),
        Operation(
            'GET',
            '/static/{name}',
            page.static,
            policies.ANYBODY,
            'A part of the page',
        ),
        Operation(
            'GET',
            '/v2.1',
            version_documents.v2_1,
            policies.ANYBODY,
            "The part of Nova's API that is served here",
        ),
        Operation(
            'GET',
            '/v1',
            version_documents.v1,
            policies.ANYBODY,
            'The API of sgconductor itself',
        ),
        Operation(
            'GET',
            '/metrics',
            told.show,
            policies.METRICS,
            'Figures for Prometheus',
        ),
    )
    nova = (
        Operation(
            'GET',
            '/v2.1/os-services',
            os_services.index,
            policies.SERVICES_READ,
            'List services',
            query=os_services.INDEX_QUERY,
        ),
        Operation(
            'PUT',
            '/v2.1/os-services/{id}',
            os_services.update,
            policies.SERVICES_UPDATE,
            'Disable or enable a service, or force it down; before 2.53, id '
            'is what to do',
            body=os_services.UPDATE_BODY,
        ),
        Operation(
            'DELETE',
            '/v2.1/os-services/{id}',
            os_services.delete,
            policies.SERVICES_DELETE,
            'Delete a service',
            status=204,
        ),
    )
    ours = (
        Operation(
            'GET',
            '/v1/services',
            services.index,
            policies.SERVICES_READ,
            'List services',
            query=services.INDEX_QUERY,
            answer=services.INDEX_ANSWER,
        ),
        Operation(
            'GET',
            '/v1/services/{uuid}',
            services.show,
            policies.SERVICES_READ,
            'Show a service',
            answer=services.SERVICE,
        ),
        Operation(
            'PATCH',
            '/v1/services/{uuid}',
            services.update,
            policies.SERVICES_UPDATE,
            'Change what operators set of a service',
            body=services.UPDATE_BODY,
            answer=services.SERVICE,
        ),
        Operation(
            'DELETE',
            '/v1/services/{uuid}',
            services.delete,
            policies.SERVICES_DELETE,
            'Delete a service',
            status=204,
        ),
        Operation(
            'GET',
            '/v1/services/{uuid}/evidence',
            services.evidence,
            policies.SERVICES_READ,
            'Explain the verdict on a service',
            answer=services.EVIDENCE_ANSWER,
        ),
        Operation(
            'GET',
            '/v1/pins',
            pins.index,
            policies.PINS_READ,
            'List the pins',
            answer=pins.INDEX_ANSWER,
        ),
        Operation(
            'GET',
            '/v1/pins/{binary}',
            pins.show,
            policies.PINS_READ,
            'Explain a pin: who holds it, and who does not follow',
            answer=pins.SHOW_ANSWER,
        ),
        Operation(
            'PUT',
            '/v1/pins/{binary}/hold',
            pins.hold,
            policies.PINS_UPDATE,
            'Let a pin not exceed a version',
            body=pins.HOLD_BODY,
            answer=pins.PIN,
        ),
        Operation(
            'DELETE',
            '/v1/pins/{binary}/hold',
            pins.release,
            policies.PINS_UPDATE,
            'Let a pin be what the services say',
            answer=pins.PIN,
        ),
        Operation(
            'GET',
            '/v1/what-if',
            pins.what_if,
            policies.PINS_READ,
            'Where the pins would go if some hosts did not count',
            query=pins.WHAT_IF_QUERY,
            answer=pins.WHAT_IF_ANSWER,
        ),
        Operation(
            'GET',
            '/v1/liveness',
            liveness.index,
            policies.LIVENESS_READ,
            'What the driver and the shadow driver say of each service',
            query=liveness.INDEX_QUERY,
            answer=liveness.INDEX_ANSWER,
        ),
        Operation(
            'GET',
            '/v1/events',
            events.index,
            policies.EVENTS_READ,
            'Events after a marker; without one, the last there are',
            query=events.INDEX_QUERY,
            answer=events.INDEX_ANSWER,
        ),
        Operation(
            'GET',
            '/v1/events/stream',
            stream.show,
            policies.EVENTS_READ,
            'Events as they come, as server-sent events',
            query=events.STREAM_QUERY,
        ),
    )
    described = Operation(
        'GET',
        '/v1/openapi.json',
        openapi.Document(ours).show,
        policies.ANYBODY,
        'This document',
    )
    return (*shown, *nova, *ours, described)
