"""Rows of the services table, as objects."""

from typing import Any

from sgconductor import context as sg_context
from sgconductor import objects
from sgconductor.conductor import liveness
from sgconductor.db import services
from sgconductor.objects import fast_codec


def values(row: services.Row, verdict: liveness.Verdict) -> dict[str, Any]:
    """The values of a service's fields on the wire, by name, and others."""
    return {
        **row,
        'is_up': verdict.up,
        'liveness': verdict.liveness,
        'liveness_reason': verdict.reason,
    }


def fill(
    service: objects.Service, row: services.Row, verdict: liveness.Verdict
) -> None:
    """Set all fields of a service; none counts as changed."""
    fast_codec.fill(service, values(row, verdict))


def make(
    context: sg_context.RequestContext,
    row: services.Row,
    verdict: liveness.Verdict,
) -> objects.Service:
    """The service that a row is."""
    service = objects.Service(context)
    fill(service, row, verdict)
    return service


def primitive(row: services.Row, verdict: liveness.Verdict) -> dict[str, Any]:
    """The service that a row is, serialized in this release's version."""
    return fast_codec.primitive(
        objects.Service, values(row, verdict), objects.Service.VERSION
    )
