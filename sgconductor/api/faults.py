"""Errors, as answers."""

from collections.abc import Mapping
from typing import Any

from sgconductor import exception


class Fault(exception.SGConductorError):
    """An error of the API's own.

    :param problem: for people
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.message = problem


class NotFound(Fault):
    """There is nothing of that name."""


class Conflict(Fault):
    """It does not go with the state of what it is for."""


class Busy(Fault):
    """It can be done, but not just now."""


# How Nova's clients know an error: by the one key of its body.
_NOVA = {
    400: 'badRequest',
    401: 'unauthorized',
    403: 'forbidden',
    404: 'itemNotFound',
    405: 'badMethod',
    409: 'conflictingRequest',
    413: 'overLimit',
    415: 'badMediaType',
    501: 'notImplemented',
    503: 'serviceUnavailable',
}
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
    (Busy, 503),
    (exception.InvalidInput, 400),
    (exception.ServiceNotFound, 404),
    (exception.UnknownBinary, 404),
    (exception.ServiceTooOld, 409),
    (exception.ServiceIsUp, 409),
    (exception.Unreachable, 503),
    # In the middle of an upgrade, the next may be newer.
    (exception.NotRemotable, 503),
)
# Seconds after which to ask again.
_AGAIN = 2


def status_of(error: Exception) -> int:
    """The status of an answer; 500 for what no caller can cause."""
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status
    return 500


def headers(status: int) -> dict[str, str]:
    return {'Retry-After': str(_AGAIN)} if status == 503 else {}


def body(
    path: str, status: int, title: str, detail: str, request_id: str
) -> Mapping[str, Any]:
    """What is told of an error.

    Under ``/v2.1`` in the form of Nova's API, elsewhere in that of
    https://specs.openstack.org/openstack/api-sig/guidelines/errors.html
    """
    if path.startswith('/v2.1'):
        name = _NOVA.get(status, 'computeFault')
        return {name: {'code': status, 'message': detail}}
    return {
        'errors': [
            {
                'status': status,
                'title': title,
                'detail': detail,
                'request_id': request_id,
            }
        ]
    }
