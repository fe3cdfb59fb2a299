"""Authentication and policy: every operation, with every authenticator."""

import base64
import pathlib
from collections.abc import Mapping
from typing import Any

import bcrypt
import httpx
import requests

from sgconductor import exception
from sgconductor.api import event_hub
from sgconductor.api import events
from sgconductor.api import metrics
from sgconductor.api import policies
from sgconductor.api import routes
from sgconductor.app import api
from tests import site
from tests.functional import base
from tests.servers import keystone

UUID = '5d1d6a55-0a4f-4d8c-9a3d-2f1c39a4c1de'
PATHS = {'uuid': UUID, 'id': UUID, 'binary': 'nothing', 'name': 'page.css'}
# A valid body for each operation that has one.
BODIES = {
    ('PUT', '/v2.1/os-services/{id}'): {'status': 'enabled'},
    ('PATCH', '/v1/services/{uuid}'): {'disabled': True},
    ('PUT', '/v1/pins/{binary}/hold'): {'version': 1},
}
QUERIES = {'/v1/what-if': '?without=nowhere'}
# The statuses for callers that are allowed, if they are not 200.
STATUSES = {
    '/v2.1/os-services/{id}': 404,
    '/v1/services/{uuid}': 404,
    '/v1/services/{uuid}/evidence': 404,
    '/v1/pins/{binary}': 404,
    '/v1/pins/{binary}/hold': 404,
    '/v1/what-if': 404,
}
OPEN = {policies.ANYBODY, policies.METRICS}
CHANGES = {
    policies.SERVICES_UPDATE,
    policies.SERVICES_DELETE,
    policies.PINS_UPDATE,
}


def expected(path: str, rule: str, caller: str) -> int:
    """The status that a caller is to get."""
    if rule not in OPEN:
        if caller == 'anonymous':
            return 401
        if caller in ('reader', 'service') and rule in CHANGES:
            return 403
    return STATUSES.get(path, 200)


class AuthenticatorTest(base.ConductorTest):
    scenarios = [base.EMBEDDED]

    def serve(self, **overrides: Any) -> str:
        self.url = self.useFixture(site.Site(self.deployment, **overrides)).url
        return self.url

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        **more: Any,
    ) -> requests.Response:
        with requests.request(
            method,
            f'{self.url}{path}',
            headers={'OpenStack-API-Version': 'compute 2.75', **headers},
            timeout=base.PATIENCE,
            stream=path == '/v1/events/stream',
            **more,
        ) as answer:
            return answer

    def check_matrix(self, callers: Mapping[str, Mapping[str, str]]) -> None:
        """Have every caller try every operation."""
        hub = event_hub.EventHub(lambda limit, marker: [], 1)
        operations = routes.operations(
            events.EventStream(hub), metrics.Metrics()
        )
        seen = {}
        wanted = {}
        for one in operations:
            path = one.path.format(**PATHS) + QUERIES.get(one.path, '')
            body = BODIES.get((one.method, one.path))
            for caller, headers in callers.items():
                answer = self.ask(one.method, path, headers, json=body)
                key = (one.method, one.path, caller)
                seen[key] = answer.status_code
                wanted[key] = expected(one.path, one.rule, caller)
                if answer.status_code == 401:
                    self.assertIn('WWW-Authenticate', answer.headers)
        self.assertEqual(wanted, seen)


class TestKeystone(AuthenticatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.keystone = self.useFixture(keystone.Keystone())
        options = self.keystone.options()
        lines = [f'{name} = {value}' for name, value in options.items()]
        self.deployment.more = '\n'.join(['[keystone_authtoken]', *lines])
        self.serve(api__auth_strategy='keystone')

    def token(self, *roles: str, **more: Any) -> dict[str, str]:
        return {'X-Auth-Token': self.keystone.issue('ann', roles, **more)}

    def test_matrix(self) -> None:
        self.check_matrix(
            {
                'anonymous': {},
                'reader': self.token('reader'),
                'service': self.token('service'),
                'admin': self.token('admin', scope='system'),
            }
        )

    def test_invalid_credentials(self) -> None:
        revoked = self.token('admin')
        answer = self.ask('GET', '/v1/pins', revoked)
        self.assertEqual(200, answer.status_code)
        self.keystone.revoke(revoked['X-Auth-Token'])
        stranger = self.useFixture(keystone.Keystone())
        for headers in (
            revoked,
            self.token('admin', lasts=-60),
            {'X-Auth-Token': stranger.issue('ann', ['admin'])},
            {'X-Auth-Token': 'nonsense'},
            # Headers that only the middleware may set.
            {
                'X-Identity-Status': 'Confirmed',
                'X-Roles': 'admin',
                'X-User-Id': 'ann',
            },
        ):
            answer = self.ask('GET', '/v1/pins', headers)
            self.assertEqual(401, answer.status_code, str(headers))
            self.assertEqual(
                f'Keystone uri="{self.keystone.url}"',
                answer.headers['WWW-Authenticate'],
            )

    def test_role_and_scope_are_required(self) -> None:
        for headers in (
            self.token('member'),
            self.token('admin', scope='domain'),
        ):
            answer = self.ask('GET', '/v1/pins', headers)
            self.assertEqual(403, answer.status_code)

    def test_keystone_is_unreachable(self) -> None:
        token = self.token('admin')
        self.keystone.stop()
        self.check_unreachable(token)

    def test_another_server_answers_for_keystone(self) -> None:
        token = self.token('admin')
        url = self.keystone.url.replace('http:', 'https:')
        self.deployment.more = self.deployment.more.replace(
            self.keystone.url, url
        )
        self.serve(api__auth_strategy='keystone')
        self.check_unreachable(token)

    def check_unreachable(self, token: dict[str, str]) -> None:
        answer = self.ask('GET', '/v1/pins', token)
        self.assertEqual(503, answer.status_code, answer.text)
        self.assertIn('Retry-After', answer.headers)
        (error,) = answer.json()['errors']
        self.assertIn('Keystone cannot be reached', error['detail'])
        # Operations for anybody need no token.
        self.assertEqual(200, self.ask('GET', '/', {}).status_code)

    def test_project_in_the_path(self) -> None:
        token = self.token('reader')
        for project, status in (('p1', 200), ('p2', 400)):
            answer = self.ask('GET', f'/v2.1/{project}/os-services', token)
            self.assertEqual(status, answer.status_code, answer.text)
        self.assertIn("'p2' doesn't match", answer.text)
        system = self.token('reader', scope='system')
        answer = self.ask('GET', '/v2.1/p2/os-services', system)
        self.assertEqual(200, answer.status_code)

    def test_tokens_are_not_logged(self) -> None:
        token = self.token('reader')['X-Auth-Token']
        self.ask('GET', '/v1/pins', {'X-Auth-Token': token})
        self.assertEqual(0, self.logged(token))


class TestHttpBasic(AuthenticatorTest):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.deployment.directory / 'htpasswd'
        write(self.path, ann='apple', bob='banana')
        self.serve(
            api__auth_strategy='http_basic',
            api__http_basic_user_file=str(self.path),
            api__http_basic_admins=['ann'],
        )

    def test_matrix(self) -> None:
        self.check_matrix(
            {
                'anonymous': {},
                'reader': basic('bob', 'banana'),
                'admin': basic('ann', 'apple'),
            }
        )

    def test_invalid_credentials(self) -> None:
        for headers in (
            basic('ann', 'banana'),
            basic('ann', ''),
            basic('', 'apple'),
            basic('eve', 'apple'),
            basic('ann', 'a' * 5000),
            basic('ann', 'app\0le'),
            basic('x\nERROR forged', 'apple'),
            {'Authorization': 'Basic'},
            {'Authorization': 'Basic !!!'},
            {'Authorization': 'Bearer apple'},
            {'X-Roles': 'admin', 'X-User': 'ann'},
        ):
            answer = self.ask('GET', '/v1/pins', headers)
            self.assertEqual(401, answer.status_code, str(headers))
            self.assertIn('Basic', answer.headers['WWW-Authenticate'])
        self.assertEqual(0, self.logged('ERROR forged'))

    def test_file_is_read_again(self) -> None:
        write(self.path, cal='cherry')
        for headers, status in (
            (basic('bob', 'banana'), 401),
            (basic('cal', 'cherry'), 200),
        ):
            answer = self.ask('GET', '/v1/pins', headers)
            self.assertEqual(status, answer.status_code)

    def test_missing_file(self) -> None:
        self.path.unlink()
        answer = self.ask('GET', '/v1/pins', basic('bob', 'banana'))
        self.assertEqual(503, answer.status_code)
        self.assertEqual(1, self.logged(f'{self.path} cannot be used'))

    def test_unusable_file(self) -> None:
        bad = self.deployment.directory / 'bad'
        bad.write_text('ann:plain\n')
        binary = self.deployment.directory / 'binary'
        binary.write_bytes(b'\xff\xfe')
        empty = self.deployment.directory / 'empty'
        empty.write_text('ann\n')
        for path, why in (
            (bad, 'bcrypt'),
            (bad / 'none', 'cannot be read'),
            (binary, 'cannot be read'),
            (empty, 'no line'),
        ):
            conf = self.deployment.conf(
                api__auth_strategy='http_basic',
                api__http_basic_user_file=str(path),
            )
            error = self.assertRaises(exception.ConfigError, api.Api, conf)
            self.assertIn(why, str(error))
            self.assertIn(str(path), str(error))


class TestNoAuth(AuthenticatorTest):
    def test_matrix(self) -> None:
        self.serve()
        self.check_matrix({'admin': {}})

    def test_other_names_and_proxies_are_refused(self) -> None:
        self.serve()
        for headers in (
            {'Host': 'evil.example'},
            {'X-Forwarded-For': '192.0.2.1'},
            {'X-Real-IP': '192.0.2.1'},
            {'Via': '1.1 proxy'},
        ):
            answer = self.ask('GET', '/v1/pins', headers)
            self.assertEqual(401, answer.status_code)
            self.assertIn('noauth', answer.text)
        self.serve(api__let_everybody_on_the_network_be_admin=True)
        answer = self.ask('GET', '/v1/pins', {'Host': 'sg.example'})
        self.assertEqual(200, answer.status_code)

    def test_requests_from_other_hosts(self) -> None:
        """Servers other than sgconductor-api can listen on any address."""
        for anywhere, status in ((False, 401), (True, 200)):
            wsgi = api.Api(
                self.deployment.conf(
                    api__auth_strategy='noauth',
                    api__let_everybody_on_the_network_be_admin=anywhere,
                )
            )
            self.addCleanup(wsgi.close)
            transport = httpx.WSGITransport(wsgi, remote_addr='192.0.2.1')
            with httpx.Client(transport=transport) as client:
                answer = client.get('http://127.0.0.1/v1/pins')
            self.assertEqual(status, answer.status_code)


class TestPolicy(AuthenticatorTest):
    def test_policy_file(self) -> None:
        self.write('sgconductor:pins:read: role:nobody')
        self.serve()
        answer = self.ask('GET', '/v1/pins', {})
        self.assertEqual(403, answer.status_code, answer.text)

    def test_unusable_policy_file(self) -> None:
        for text in (
            'a: [',
            '- a list',
            '"a": "rule:a"',
            '"a": "rule:b"',
        ):
            self.write(text)
            conf = self.deployment.conf(api__auth_strategy='noauth')
            error = self.assertRaises(exception.ConfigError, api.Api, conf)
            self.assertIn('[oslo_policy] policy_file', str(error))

    def write(self, text: str) -> None:
        path = self.deployment.directory / 'policy.yaml'
        path.write_text(text)
        self.deployment.more = f'[oslo_policy]\npolicy_file = {path}'


class TestBrowser(AuthenticatorTest):
    """Requests that a page makes a browser send, and what a page may do."""

    def test_pages_of_other_sites_cannot_change_anything(self) -> None:
        self.serve()
        self.member()
        ours = {
            'Origin': self.url,
            'Sec-Fetch-Site': 'same-origin',
            'X-Requested-With': 'sgconductor',
        }
        path = f'/v1/services/{self.get_service().uuid}'
        for change, status in (
            ({}, 200),
            ({'Sec-Fetch-Site': 'cross-site'}, 403),
            ({'Sec-Fetch-Site': 'same-site'}, 403),
            ({'X-Requested-With': 'other'}, 403),
            ({'Sec-Fetch-Site': None, 'Origin': 'http://evil.example'}, 403),
            ({'Sec-Fetch-Site': None, 'Origin': 'null'}, 403),
            ({'Sec-Fetch-Site': None}, 200),
        ):
            headers = {
                name: value
                for name, value in {**ours, **change}.items()
                if value is not None
            }
            answer = self.ask('PATCH', path, headers, json={'disabled': True})
            self.assertEqual(status, answer.status_code, str(change))

    def test_all_answers_have_security_headers(self) -> None:
        self.serve()
        for path in (
            *('/', '/v1/pins', '/nowhere', '/v2.1/os-services'),
            # oslo.middleware answers this one.
            '/healthcheck',
        ):
            answer = self.ask('GET', path, {'Accept': 'text/html'})
            policy = answer.headers['Content-Security-Policy']
            self.assertIn("default-src 'none'", policy)
            self.assertNotIn('unsafe', policy)
            self.assertEqual(
                'nosniff', answer.headers['X-Content-Type-Options']
            )


def basic(name: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f'{name}:{password}'.encode()).decode()
    return {'Authorization': f'Basic {pair}'}


def write(path: pathlib.Path, **people: str) -> None:
    """Write a user file, with digests that are quick to check."""
    digests = {
        name: bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode()
        for name, word in people.items()
    }
    path.write_text(
        ''.join(f'{name}:{digest}\n' for name, digest in digests.items())
    )
