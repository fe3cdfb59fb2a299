"""A stand-in for Keystone: the part of its v3 API that checks tokens.

Tokens are JSON Web Tokens, signed as Keystone's provider ``jws`` signs its
own. keystonemiddleware asks this server whether a token is valid.
https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
"""

import datetime
import json
import threading
import uuid
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import fixtures
import jwt
from cheroot import wsgi
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers import process

SERVICE_USER = 'sgconductor'
SERVICE_PASSWORD = 'secret'

Environ = dict[str, Any]
Answer = tuple[str, dict[str, Any], list[tuple[str, str]]]


class Keystone(fixtures.Fixture):
    """A server that issues, checks and revokes tokens.

    :ivar url: the URL of its v3 API
    """

    url: str

    def _setUp(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._revoked: set[str] = set()
        server = wsgi.Server((process.LOOPBACK, 0), self._serve)
        server.prepare()
        self._server = server
        self.url = f'http://{process.LOOPBACK}:{server.bind_addr[1]}/v3'
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.stop)

    def options(self) -> dict[str, str]:
        """The options of the group keystone_authtoken."""
        return {
            'auth_type': 'password',
            'auth_url': self.url,
            'www_authenticate_uri': self.url,
            'username': SERVICE_USER,
            'password': SERVICE_PASSWORD,
            'user_domain_name': 'Default',
            'project_name': 'service',
            'project_domain_name': 'Default',
            # No cache: a revoked token is refused at once.
            'token_cache_time': '-1',
        }

    def issue(
        self,
        user: str,
        roles: Sequence[str],
        lasts: float = 3600,
        scope: str = 'project',
    ) -> str:
        """Issue a token.

        :param lasts: for how many seconds it is valid
        :param scope: 'project', 'system' or 'domain'
        """
        now = datetime.datetime.now(datetime.UTC)
        expires = now + datetime.timedelta(seconds=lasts)
        claims = {
            'sub': user,
            'iat': now,
            'exp': expires,
            'jti': str(uuid.uuid4()),
            'roles': list(roles),
            'scope': scope,
        }
        return jwt.encode(claims, self._key, algorithm='ES256')

    def revoke(self, token: str) -> None:
        self._revoked.add(token)

    def stop(self) -> None:
        """Stop answering."""
        self._server.stop()

    def _serve(
        self, environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        request = environ['REQUEST_METHOD'], environ['PATH_INFO'].rstrip('/')
        handlers = {
            ('GET', '/v3'): self._version,
            ('POST', '/v3/auth/tokens'): self._authenticate,
            ('GET', '/v3/auth/tokens'): self._validate,
        }
        status, body, headers = handlers.get(request, _not_found)(environ)
        start_response(
            status, [('Content-Type', 'application/json'), *headers]
        )
        return [json.dumps(body).encode()]

    def _version(self, environ: Environ) -> Answer:
        version = {
            'id': 'v3.14',
            'status': 'stable',
            'links': [{'rel': 'self', 'href': f'{self.url}/'}],
        }
        return '200 OK', {'version': version}, []

    def _authenticate(self, environ: Environ) -> Answer:
        size = int(environ['CONTENT_LENGTH'])
        body = json.loads(environ['wsgi.input'].read(size))
        user = body['auth']['identity']['password']['user']
        if (user['name'], user['password']) != (
            SERVICE_USER,
            SERVICE_PASSWORD,
        ):
            return _unauthorized()
        token = self.issue(SERVICE_USER, ['service'])
        data = self._token_data(token)
        return '201 Created', data, [('X-Subject-Token', token)]

    def _validate(self, environ: Environ) -> Answer:
        if self._claims(environ.get('HTTP_X_AUTH_TOKEN', '')) is None:
            return _unauthorized()
        token = environ.get('HTTP_X_SUBJECT_TOKEN', '')
        if self._claims(token) is None:
            return _not_found(environ)
        return '200 OK', self._token_data(token), [('X-Subject-Token', token)]

    def _catalog_entry(self) -> dict[str, Any]:
        """Keystone's own entry in the catalog."""
        interfaces = ('admin', 'internal', 'public')
        return {
            'id': 'identity',
            'type': 'identity',
            'name': 'keystone',
            'endpoints': [
                {
                    'id': interface,
                    'interface': interface,
                    'region': 'one',
                    'region_id': 'one',
                    'url': self.url,
                }
                for interface in interfaces
            ],
        }

    def _claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a token; None if it is not valid."""
        if token in self._revoked:
            return None
        try:
            return jwt.decode(
                token, self._key.public_key(), algorithms=['ES256']
            )
        except jwt.InvalidTokenError:
            return None

    def _token_data(self, token: str) -> dict[str, Any]:
        """The document that Keystone returns for a valid token."""
        claims = self._claims(token)
        assert claims is not None
        domain = {'id': 'default', 'name': 'Default'}
        scopes: dict[str, dict[str, Any]] = {
            'project': {
                'project': {'id': 'p1', 'name': 'admin', 'domain': domain}
            },
            'system': {'system': {'all': True}},
            'domain': {'domain': domain},
        }
        user = claims['sub']
        return {
            'token': {
                'methods': ['password'],
                'user': {'id': user, 'name': user, 'domain': domain},
                'roles': [
                    {'id': role, 'name': role} for role in claims['roles']
                ],
                'issued_at': _moment(claims['iat']),
                'expires_at': _moment(claims['exp']),
                'audit_ids': [claims['jti'][:22]],
                'catalog': [self._catalog_entry()],
                **scopes[claims['scope']],
            }
        }


def _moment(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f'{moment:%Y-%m-%dT%H:%M:%S.%fZ}'


def _not_found(environ: Environ) -> Answer:
    return '404 Not Found', {'error': {'code': 404, 'message': 'None'}}, []


def _unauthorized() -> Answer:
    error = {'error': {'code': 401, 'message': 'Unauthorized'}}
    return '401 Unauthorized', error, []
