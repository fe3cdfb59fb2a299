"""The dispatcher of RPC calls: what callers get, and what is logged here."""

import logging
from typing import Any

import oslo_messaging as messaging
import prometheus_client
from oslo_versionedobjects import exception as ovo_exc

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.conductor import write_state

LOG = logging.getLogger(__name__)

_EXPECTED = (
    exception.SGConductorError,
    ovo_exc.VersionedObjectsException,
)


class Dispatcher(messaging.RPCDispatcher):
    """Runs calls, and turns what they raise into replies.

    An expected error, which the caller caused, is sent as it is, without a
    traceback. Any other error is logged here with its traceback, and the
    caller gets an UnexpectedFailure with the request id of that log entry.

    :param state: is told when a call finds that the database cannot be
        reached; while this worker cannot write, calls fail at once, so that
        their callers can call another conductor
    :ivar calls: the number of calls by method and by the class name of the
        error, which is '' if there was none
    """

    def __init__(
        self, *args: Any, state: write_state.WriteState, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._state = state
        self.calls = prometheus_client.Counter(
            'sgconductor_rpc_calls',
            'RPC calls answered, by method and error.',
            ['method', 'error'],
            registry=None,
        )

    def dispatch(self, incoming: Any) -> Any:
        error = ''
        try:
            return self._dispatch(incoming)
        except _ErrorReply as reply:
            error = reply.exc_info[0].__name__
            raise
        finally:
            method = self._label(incoming.message.get('method'))
            self.calls.labels(method, error).inc()

    def _label(self, name: Any) -> str:
        # Callers must not be able to make any number of counters.
        known = isinstance(name, str) and any(
            self.access_policy.is_allowed(endpoint, name)
            for endpoint in self.endpoints
        )
        return name if known else 'unknown'

    def _dispatch(self, incoming: Any) -> Any:
        try:
            self._state.check()
            return super().dispatch(incoming)
        except messaging.NoSuchMethod as error:
            raise _ErrorReply(
                exception.NotRemotable('conductor', str(error.method))
            ) from None
        except messaging.UnsupportedVersion as error:
            raise _ErrorReply(
                exception.InvalidInput(
                    f'this conductor does not speak RPC {error.version} '
                    f'here, only 1.0 without a namespace; a caller of a '
                    f'later release needs the conductors upgraded first'
                )
            ) from None
        except exception.DatabaseUnreachable as error:
            self._state.suspect(error)
            raise _ErrorReply(error) from None
        except _EXPECTED as error:
            raise _ErrorReply(error) from None
        except Exception:
            given = dict(incoming.ctxt).get('request_id')
            request_id = str(sg_context.clean(given) or '-')
            LOG.exception(
                'Unexpected failure in %s, request %s',
                self._label(incoming.message.get('method')),
                request_id,
            )
            raise _ErrorReply(
                exception.UnexpectedFailure(request_id)
            ) from None


class _ErrorReply(messaging.ExpectedException):
    """An error that the server replies with and does not log again."""

    def __init__(self, error: Exception) -> None:
        self.exc_info = (type(error), error.with_traceback(None), None)
