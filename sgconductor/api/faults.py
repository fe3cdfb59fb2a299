"""How errors become HTTP answers."""

from collections.abc import Mapping
from typing import Any

from sgconductor import exception


class Fault(exception.SGConductorError):
    """An error that the API itself raises.

    :param problem: the error message
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.message = problem


class NotFound(Fault):
    """What the request names does not exist."""


class Busy(Fault):
    """The request cannot be answered now, but may be later."""


# The key of an error's body in Nova's API; its clients read it.
_NOVA_KEYS = {
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
    (Busy, 503),
    (exception.InvalidInput, 400),
    (exception.ServiceNotFound, 404),
    (exception.UnknownBinary, 404),
    (exception.ServiceTooOld, 409),
    (exception.ServiceIsUp, 409),
    (exception.StateConflict, 409),
    (exception.ServiceChanged, 409),
    (exception.Unreachable, 503),
    # During an upgrade, the next call may reach a newer conductor.
    (exception.NotRemotable, 503),
)
_RETRY_AFTER = 2  # seconds


def status_of(error: Exception) -> int:
    """The HTTP status for an error; 500 for a bug."""
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status
    return 500


def headers(status: int) -> dict[str, str]:
    return {'Retry-After': str(_RETRY_AFTER)} if status == 503 else {}


def body(
    path: str, status: int, title: str, detail: str, request_id: str
) -> Mapping[str, Any]:
    """The body of an answer with an error.

    Under ``/v2.1`` it has the form of Nova's API, elsewhere that of
    https://specs.openstack.org/openstack/api-sig/guidelines/errors.html
    """
    if path.startswith('/v2.1'):
        key = _NOVA_KEYS.get(status, 'computeFault')
        return {key: {'code': status, 'message': detail}}
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
