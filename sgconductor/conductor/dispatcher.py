"""How errors leave the conductor, in one place."""

import functools
import logging
from typing import Any

import oslo_messaging as messaging
import prometheus_client
from oslo_utils import versionutils
from oslo_versionedobjects import exception as ovo_exc

from sgconductor import exception
from sgconductor.conductor import arguments

LOG = logging.getLogger(__name__)

_EXPECTED = (
    exception.SGConductorError,
    ovo_exc.VersionedObjectsException,
)


class Dispatcher(messaging.RPCDispatcher):
    """Lets callers see their own mistakes, and nothing of ours.

    An expected error travels as it is, without a traceback. Any other is
    logged here with its traceback and travels as UnexpectedFailure, by which
    the log entry can be found.

    :ivar calls: how many there were, by method and how they ended: by the
        name of the error, or with '' if well
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls = prometheus_client.Counter(
            'sgconductor_rpc_calls',
            'Calls that were answered, and with which error if any.',
            ['method', 'error'],
            registry=None,
        )

    def dispatch(self, incoming: Any) -> Any:
        error = ''
        try:
            return self._dispatch(incoming)
        except _Silent as silent:
            error = silent.exc_info[0].__name__
            raise
        finally:
            method = self._known(incoming.message.get('method'))
            self.calls.labels(method, error).inc()

    def _known(self, name: Any) -> str:
        # What comes from the wire must not make ever new counters.
        known = isinstance(name, str) and any(
            self.access_policy.is_allowed(endpoint, name)
            for endpoint in self.endpoints
        )
        return name if known else 'unknown'

    def _dispatch(self, incoming: Any) -> Any:
        try:
            self._check_arguments(incoming.message)
            return super().dispatch(incoming)
        except messaging.NoSuchMethod as error:
            raise _Silent(
                exception.NotRemotable('conductor', str(error.method))
            ) from None
        except messaging.UnsupportedVersion as error:
            raise _Silent(
                exception.InvalidInput(
                    f'this conductor does not speak RPC {error.version} '
                    f'here, only 1.0 without a namespace; a caller of a '
                    f'later release wants the conductors upgraded first'
                )
            ) from None
        except _EXPECTED as error:
            raise _Silent(error) from None
        except Exception:
            request_id = str(dict(incoming.ctxt).get('request_id', '-'))
            LOG.exception(
                'Unexpected failure in %s, request %s',
                incoming.message.get('method'),
                request_id,
            )
            raise _Silent(exception.UnexpectedFailure(request_id)) from None

    def _check_arguments(self, message: Any) -> None:
        name = str(message.get('method'))
        version = str(message.get('version', '1.0'))
        for endpoint in self.endpoints:
            # A call of another version is not this endpoint's to refuse.
            if self.access_policy.is_allowed(
                endpoint, name
            ) and _is_compatible(version, endpoint.target.version):
                method = getattr(endpoint, name)
                args = message.get('args', {})
                arguments.check(name, method, [None], args)


@functools.lru_cache
def _is_compatible(version: str, ours: str) -> bool:
    compatible: bool = versionutils.is_compatible(version, ours)
    return compatible


class _Silent(messaging.ExpectedException):
    """What the server answers with, without logging it again."""

    def __init__(self, error: Exception) -> None:
        self.exc_info = (type(error), error.with_traceback(None), None)
