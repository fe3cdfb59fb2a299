"""Authenticators: who sends a request, one for each auth_strategy."""

import logging
import pathlib
import urllib.parse
from collections.abc import Collection
from collections.abc import Sequence
from typing import Any
from typing import Protocol

import webob.exc
from oslo_context import context as oslo_context
from oslo_middleware import basic_auth
from oslo_middleware import exceptions as middleware_exc

from sgconductor import conf as sg_conf
from sgconductor import exception
from sgconductor.api import faults
from sgconductor.api import keystone

LOG = logging.getLogger(__name__)

Environ = dict[str, Any]

_REFUSAL = (
    'Authentication required: credentials are missing, wrong or expired.'
)
# Headers that proxies add.
_PROXY_HEADERS = (
    'HTTP_FORWARDED',
    'HTTP_X_FORWARDED_FOR',
    'HTTP_X_FORWARDED_HOST',
    'HTTP_X_FORWARDED_PROTO',
    'HTTP_X_REAL_IP',
    'HTTP_VIA',
)

# Arguments of oslo.context's RequestContext.
Identity = dict[str, Any]


class Authenticator(Protocol):
    @property
    def challenges(self) -> Sequence[str]:
        """The values of the header WWW-Authenticate."""
        ...

    @property
    def refusal(self) -> str:
        """The description of a 401: what is wrong, and what to do."""
        ...

    def authenticate(self, environ: Environ) -> Identity | None:
        """The sender of a request; None without valid credentials.

        :param environ: the WSGI environment
        :raises Busy: if the credentials cannot be checked now
        """
        ...


class NoAuth:
    """Every request from this host to a loopback name is an admin's.

    The name matters because of DNS rebinding: a page of another site could
    have its own name resolve to this host, and would count as same-origin.

    :param anywhere: accept requests from other hosts, through proxies, and
        to other names too
    """

    challenges = ('None',)
    refusal = (
        'Authentication required: with [api] auth_strategy = noauth, only '
        'requests from the same host to http://localhost are accepted.'
    )

    def __init__(self, anywhere: bool) -> None:
        self._anywhere = anywhere

    def authenticate(self, environ: Environ) -> Identity | None:
        if self._anywhere or _is_local(environ):
            return _identity('noauth', admin=True)
        return None


class HttpBasic:
    """HTTP Basic authentication, with user names and digests in a file.

    :param path: a file with lines of name:digest
    :param admins: the names of admins; all others are readers
    :raises ConfigError: for a file that cannot be used
    """

    challenges = ('Basic realm="sgconductor", charset="UTF-8"',)
    refusal = _REFUSAL

    def __init__(self, path: str, admins: Collection[str]) -> None:
        try:
            basic_auth.validate_auth_file(path)
        except (middleware_exc.ConfigInvalid, UnicodeDecodeError):
            raise exception.ConfigError(
                f'[api] http_basic_user_file {path} cannot be read'
            ) from None
        except webob.exc.HTTPException as error:
            raise exception.ConfigError(
                f'[api] http_basic_user_file {path}: {error.detail}'
            ) from None
        if ':' not in pathlib.Path(path).read_text():
            raise exception.ConfigError(
                f'[api] http_basic_user_file {path} has no line name:digest; '
                f'htpasswd -B writes them'
            )
        self._path = path
        self._admins = frozenset(admins)

    def authenticate(self, environ: Environ) -> Identity | None:
        if 'HTTP_AUTHORIZATION' not in environ:
            return None
        try:
            # This removes the header, so that no other code can log it.
            token = basic_auth.parse_header(environ)
            name, password = basic_auth.parse_token(token)
        except (webob.exc.HTTPException, ValueError):
            return None
        # Else a name could forge lines of the log.
        if not name.isprintable():
            return None
        try:
            basic_auth.authenticate(self._path, name, password)
        except webob.exc.HTTPUnauthorized:
            return None
        except (webob.exc.HTTPException, UnicodeDecodeError) as error:
            LOG.error(
                '[api] http_basic_user_file %s cannot be used: %s',
                self._path,
                error,
            )
            raise faults.Busy(
                'Passwords cannot be checked: [api] http_basic_user_file '
                'cannot be used; the log of the API says why.'
            ) from None
        except ValueError as error:
            # bcrypt raises for some passwords and some digests.
            LOG.warning(
                'The password of %r cannot be checked: %s', name, error
            )
            return None
        return _identity(name, admin=name in self._admins)


class Keystone:
    """Tokens of Keystone, which keystonemiddleware has checked before."""

    # keystonemiddleware adds its own.
    challenges: Sequence[str] = ()
    refusal = _REFUSAL

    def authenticate(self, environ: Environ) -> Identity | None:
        if keystone.UNREACHABLE in environ:
            raise faults.Busy(
                'The token cannot be checked: Keystone cannot be reached. '
                'Try again later; the log of the API says why.'
            )
        if environ.get('HTTP_X_IDENTITY_STATUS') != 'Confirmed':
            return None
        context = oslo_context.RequestContext.from_environ(
            environ, overwrite=False
        )
        # The token itself stays here: a conductor has no use for it.
        return {
            'user_id': context.user_id,
            'user_name': context.user_name,
            'project_id': context.project_id,
            'project_name': context.project_name,
            'domain_id': context.domain_id,
            'system_scope': context.system_scope,
            'roles': context.roles,
            'service_roles': context.service_roles,
        }


def _is_local(environ: Environ) -> bool:
    if any(name in environ for name in _PROXY_HEADERS):
        return False
    try:
        requested = urllib.parse.urlsplit(f'//{environ.get("HTTP_HOST", "")}')
    except ValueError:
        return False
    return sg_conf.is_loopback(
        environ.get('REMOTE_ADDR')
    ) and sg_conf.is_loopback(requested.hostname)


def _identity(name: str, admin: bool) -> Identity:
    return {
        'user_id': name,
        'user_name': name,
        'roles': ['admin', 'reader'] if admin else ['reader'],
        'system_scope': 'all',
    }
