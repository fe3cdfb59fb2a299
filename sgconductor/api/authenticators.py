"""Who asks: each strategy of authentication is a door."""

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
    'This needs authentication, which is missing, wrong or no longer valid.'
)
_OF_PROXIES = (
    'HTTP_FORWARDED',
    'HTTP_X_FORWARDED_FOR',
    'HTTP_X_FORWARDED_HOST',
    'HTTP_X_FORWARDED_PROTO',
    'HTTP_X_REAL_IP',
    'HTTP_VIA',
)

# Of oslo.context's RequestContext.
Who = dict[str, Any]


class Authenticator(Protocol):
    @property
    def challenges(self) -> Sequence[str]:
        """How to come in, for the header WWW-Authenticate."""
        ...

    @property
    def refusal(self) -> str:
        """Why somebody is not let in, and what to do."""
        ...

    def who(self, environ: Environ) -> Who | None:
        """Who asks, by the WSGI environment; None for nobody known.

        :raises Busy: if that cannot be told just now
        """
        ...


class NoAuth:
    """Everybody is an admin, who asks on this host, by a name of its own.

    Another site's page could have its own name mean this host, and then
    would pass for a page of this one.

    :param anywhere: whether whoever asks from elsewhere, through a proxy or
        by another name is an admin too
    """

    challenges = ('None',)
    refusal = (
        'With [api] auth_strategy = noauth, who asks on the same host and by '
        'the name localhost is let in, and nobody else.'
    )

    def __init__(self, anywhere: bool) -> None:
        self._anywhere = anywhere

    def who(self, environ: Environ) -> Who | None:
        if self._anywhere or _is_from_here(environ):
            return _local('noauth', admin=True)
        return None


class HttpBasic:
    """Names and passwords in a file.

    :param path: of lines name:digest
    :param admins: the names that are admins; all others are readers
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

    def who(self, environ: Environ) -> Who | None:
        if 'HTTP_AUTHORIZATION' not in environ:
            return None
        try:
            # What is read is taken out, so that nobody can log it.
            token = basic_auth.parse_header(environ)
            name, password = basic_auth.parse_token(token)
        except (webob.exc.HTTPException, ValueError):
            return None
        # The log is told of it.
        if not name.isprintable():
            return None
        try:
            basic_auth.authenticate(self._path, name, password)
        except webob.exc.HTTPUnauthorized:
            return None
        except (webob.exc.HTTPException, UnicodeDecodeError) as error:
            LOG.error('%s cannot be used: %s', self._path, error)
            raise faults.Busy(
                'The file of names and passwords cannot be used; the log of '
                'the API says why.'
            ) from None
        except ValueError as error:
            # bcrypt refuses some passwords outright, and some digests.
            LOG.warning('%r cannot be looked up: %s', name, error)
            return None
        return _local(name, admin=name in self._admins)


class Keystone:
    """Tokens, which keystonemiddleware has looked at already."""

    # That has added its own.
    challenges: Sequence[str] = ()
    refusal = _REFUSAL

    def who(self, environ: Environ) -> Who | None:
        if keystone.AWAY in environ:
            raise faults.Busy(
                'Keystone cannot be asked whether the token is good. Try '
                'again later; the log of the API says why.'
            )
        if environ.get('HTTP_X_IDENTITY_STATUS') != 'Confirmed':
            return None
        told = oslo_context.RequestContext.from_environ(
            environ, overwrite=False
        )
        # The token is for this door alone, and goes no further.
        return {
            'user_id': told.user_id,
            'user_name': told.user_name,
            'project_id': told.project_id,
            'project_name': told.project_name,
            'domain_id': told.domain_id,
            'system_scope': told.system_scope,
            'roles': told.roles,
            'service_roles': told.service_roles,
        }


def _is_from_here(environ: Environ) -> bool:
    if any(name in environ for name in _OF_PROXIES):
        return False
    try:
        asked = urllib.parse.urlsplit(f'//{environ.get("HTTP_HOST", "")}')
    except ValueError:
        return False
    return sg_conf.is_loopback(
        environ.get('REMOTE_ADDR')
    ) and sg_conf.is_loopback(asked.hostname)


def _local(name: str, admin: bool) -> Who:
    return {
        'user_id': name,
        'user_name': name,
        'roles': ['admin', 'reader'] if admin else ['reader'],
        'system_scope': 'all',
    }
