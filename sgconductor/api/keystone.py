"""keystonemiddleware, with a word for a Keystone that is away.

By itself it takes each token for a wrong one then, or fails.
"""

import logging
from typing import Any

from keystoneauth1 import exceptions as ksa_exc
from keystonemiddleware import auth_token

LOG = logging.getLogger(__name__)

# What the door finds in the WSGI environment if no token can be checked.
AWAY = 'sgconductor.keystone_away'


class Middleware(auth_token.AuthProtocol):  # type: ignore[misc]
    def process_request(self, request: Any) -> Any:
        try:
            return super().process_request(request)
        except _AwayError as error:
            LOG.error('A token cannot be checked: %s', error)
            request.environ[AWAY] = True
            return None

    def fetch_token(self, token: str, **more: Any) -> Any:
        try:
            return super().fetch_token(token, **more)
        except auth_token.InvalidToken as error:
            # As it says that it could not ask, if the decision is not its.
            if isinstance(error.__context__, _CANNOT_ASK):
                raise _AwayError(str(error.__context__)) from None
            raise
        except ksa_exc.ClientException as error:
            raise _AwayError(str(error)) from None


class _AwayError(Exception):
    """Nobody can tell of a token whether it is good."""


_CANNOT_ASK = (
    ksa_exc.ConnectFailure,
    ksa_exc.DiscoveryFailure,
    ksa_exc.RequestTimeout,
    auth_token.ServiceError,
)
