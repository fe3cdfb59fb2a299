"""keystonemiddleware, extended to report a Keystone that is unreachable.

By itself it rejects every token then, or raises.
"""

import logging
from typing import Any

from keystoneauth1 import exceptions as ksa_exc
from keystonemiddleware import auth_token

LOG = logging.getLogger(__name__)

# A key of the WSGI environment, set if Keystone could not check the token.
UNREACHABLE = 'sgconductor.keystone_unreachable'


class Middleware(auth_token.AuthProtocol):  # type: ignore[misc]
    def process_request(self, request: Any) -> Any:
        try:
            return super().process_request(request)
        except _UnreachableError as error:
            LOG.error('Keystone could not check a token: %s', error)
            request.environ[UNREACHABLE] = True
            return None

    def fetch_token(self, token: str, **more: Any) -> Any:
        try:
            return super().fetch_token(token, **more)
        except auth_token.InvalidToken as error:
            # With delay_auth_decision, the middleware raises this for an
            # unreachable Keystone too.
            if isinstance(error.__context__, _NO_ANSWER):
                raise _UnreachableError(str(error.__context__)) from None
            raise
        except ksa_exc.ClientException as error:
            raise _UnreachableError(str(error)) from None


class _UnreachableError(Exception):
    """Keystone did not say whether a token is valid."""


_NO_ANSWER = (
    ksa_exc.ConnectFailure,
    ksa_exc.DiscoveryFailure,
    ksa_exc.RequestTimeout,
    auth_token.ServiceError,
)
