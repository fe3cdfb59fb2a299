"""/v2.1/os-services, over HTTP, as Nova's API has it."""

from typing import Any

import requests

from tests import site
from tests.functional import base

UUID = '5d1d6a55-0a4f-4d8c-9a3d-2f1c39a4c1de'
VERSION = 'OpenStack-API-Version'
LEGACY = 'X-OpenStack-Nova-API-Version'


class OsServicesTest(base.ConductorTest):
    """A fleet of two workers and a scheduler, and the API."""

    scenarios = [base.ON_MARIADB]

    def setUp(self) -> None:
        super().setUp()
        self.make_fleet()
        self.url = self.useFixture(site.Site(self.deployment)).url

    def make_fleet(self) -> None:
        for host, binary in (
            ('node1', 'acme-worker'),
            ('node2', 'acme-worker'),
            ('node1', 'acme-scheduler'),
        ):
            self.member(host, binary)

    def ask(
        self,
        method: str,
        path: str,
        version: str | None = None,
        **more: Any,
    ) -> requests.Response:
        headers = {VERSION: f'compute {version}'} if version else {}
        return requests.request(
            method,
            f'{self.url}/v2.1{path}',
            headers={**headers, **more.pop('headers', {})},
            timeout=base.PATIENCE,
            **more,
        )

    def listed(self, version: str, **query: str) -> list[dict[str, Any]]:
        answer = self.ask('GET', '/os-services', version, params=query)
        self.assertEqual(200, answer.status_code, answer.text)
        found: list[dict[str, Any]] = answer.json()['services']
        return [one for one in found if one['binary'] != base.CONDUCTOR]

    def fault(self, answer: requests.Response, name: str, code: int) -> str:
        """The message of an error as Nova's clients read it."""
        self.assertEqual(code, answer.status_code, answer.text)
        ((found, fault),) = answer.json().items()
        self.assertEqual((name, code), (found, fault['code']))
        message: str = fault['message']
        return message


class TestList(OsServicesTest):
    def test_fields_by_microversion(self) -> None:
        service = self.look()
        first = {
            'id': service.id,
            'binary': 'acme-worker',
            'host': 'node1',
            'zone': 'internal',
            'status': 'enabled',
            'state': 'up',
            'disabled_reason': None,
        }
        forced = {**first, 'forced_down': False}
        by_uuid = {**forced, 'id': service.uuid}
        for version, expected in (
            ('2.1', first),
            ('2.10', first),
            ('2.11', forced),
            ('2.52', forced),
            ('2.53', by_uuid),
            ('2.69', by_uuid),
            ('2.75', by_uuid),
            ('latest', by_uuid),
        ):
            found = self.listed(version, host='node1', binary='acme-worker')
            moments = [one.pop('updated_at') for one in found]
            self.assertEqual([expected], found, version)
            for moment in moments:
                self.assertRegex(
                    moment, r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$'
                )

    def test_filters(self) -> None:
        def names(**query: str) -> list[tuple[str, str]]:
            found = self.listed('2.1', **query)
            return [(one['host'], one['binary']) for one in found]

        self.assertEqual(3, len(names()))
        self.assertEqual(
            [('node1', 'acme-worker'), ('node2', 'acme-worker')],
            names(binary='acme-worker'),
        )
        self.assertEqual([('node2', 'acme-worker')], names(host='node2'))
        self.assertEqual(3, len(names(host='', binary='')))
        self.assertEqual([], names(host='nowhere'))
        # No service can have such a name, which is no mistake in Nova.
        self.assertEqual([], names(host='a b/c'))

    def test_unknown_parameters(self) -> None:
        self.assertEqual(3, len(self.listed('2.74', colour='red')))
        answer = self.ask('GET', '/os-services?colour=red', '2.75')
        self.assertIn('colour', self.fault(answer, 'badRequest', 400))


class TestSelect(OsServicesTest):
    def make_fleet(self) -> None:
        # Without processes, which would ask for something themselves.
        with self.deployment.db.writer() as conn:
            for i in range(20):
                base.join(conn, f'node{i}')

    def test_a_list_is_one_select(self) -> None:
        seen = self.statements()
        self.assertEqual(20, len(self.listed('2.75', binary='acme-worker')))
        (select,) = seen
        self.assertRegex(select, r'WHERE .*binary')


class TestMicroversions(OsServicesTest):
    def test_headers(self) -> None:
        for headers, version in (
            ({}, '2.1'),
            ({VERSION: 'compute 2.53'}, '2.53'),
            ({VERSION: 'identity 3.0, compute 2.11'}, '2.11'),
            ({VERSION: 'compute latest'}, '2.75'),
            ({LEGACY: '2.53'}, '2.53'),
            ({VERSION: 'volume 3.0'}, '2.1'),
        ):
            answer = self.ask('GET', '/os-services', headers=headers)
            self.assertEqual(200, answer.status_code)
            self.assertEqual(f'compute {version}', answer.headers[VERSION])
            self.assertEqual(version, answer.headers[LEGACY])
            self.assertIn(VERSION, answer.headers['Vary'])

    def test_not_supported(self) -> None:
        for version in ('2.0', '2.76', '3.1', '1.1'):
            answer = self.ask('GET', '/os-services', version)
            self.assertEqual(
                f'Version {version} is not supported by the API. Minimum is '
                f'2.1 and maximum is 2.75.',
                self.fault(answer, 'computeFault', 406),
            )

    def test_malformed(self) -> None:
        for version in ('2', '2.01', 'two', '2.1.1', '-2.1', '2.' + '9' * 99):
            answer = self.ask('GET', '/os-services', version)
            message = self.fault(answer, 'badRequest', 400)
            self.assertIn('is of invalid format', message)

    def test_documents(self) -> None:
        answer = requests.get(f'{self.url}/', timeout=base.PATIENCE)
        found = {one['id']: one for one in answer.json()['versions']}
        self.assertEqual('2.1', found['v2.1']['min_version'])
        self.assertEqual('2.75', found['v2.1']['version'])
        self.assertEqual('CURRENT', found['v2.1']['status'])
        for path in ('/v2.1', '/v2.1/'):
            answer = requests.get(f'{self.url}{path}', timeout=base.PATIENCE)
            self.assertEqual(found['v2.1'], answer.json()['version'])
        ((link),) = found['v2.1']['links']
        self.assertEqual(f'{self.url}/v2.1/', link['href'])


class TestChange(OsServicesTest):
    def change(
        self, path: str, version: str, **body: Any
    ) -> requests.Response:
        return self.ask('PUT', f'/os-services/{path}', version, json=body)

    def test_by_action(self) -> None:
        one = {'host': 'node1', 'binary': 'acme-worker'}
        answer = self.change('disable', '2.1', **one)
        self.assertEqual(
            {'service': {**one, 'status': 'disabled'}}, answer.json()
        )
        self.assertTrue(self.look().disabled)
        answer = self.change(
            'disable-log-reason', '2.1', **one, disabled_reason='disk'
        )
        self.assertEqual(
            {
                'service': {
                    **one,
                    'status': 'disabled',
                    'disabled_reason': 'disk',
                }
            },
            answer.json(),
        )
        self.assertEqual('disk', self.look().disabled_reason)
        answer = self.change('enable', '2.1', **one)
        self.assertEqual(
            {'service': {**one, 'status': 'enabled'}}, answer.json()
        )
        self.assertIsNone(self.look().disabled_reason)
        answer = self.change('force-down', '2.11', **one, forced_down='true')
        self.assertEqual(
            {'service': {**one, 'forced_down': True}}, answer.json()
        )
        self.assertFalse(self.look().is_up)
        self.change('force-down', '2.52', **one, forced_down=False)
        self.assertTrue(self.look().is_up)

    def test_by_action_refused(self) -> None:
        one = {'host': 'node1', 'binary': 'acme-worker'}
        for path, version, body, name, code in (
            ('force-down', '2.10', one, 'itemNotFound', 404),
            ('explode', '2.1', one, 'itemNotFound', 404),
            ('enable', '2.1', {'host': 'node1'}, 'badRequest', 400),
            ('enable', '2.1', {**one, 'colour': 1}, 'badRequest', 400),
            ('enable', '2.1', {**one, 'host': 'x'}, 'itemNotFound', 404),
            ('disable-log-reason', '2.1', one, 'badRequest', 400),
            ('force-down', '2.11', one, 'badRequest', 400),
            ('enable', '2.1', {**one, 'host': 'a b'}, 'badRequest', 400),
            (
                'force-down',
                '2.11',
                {**one, 'forced_down': 'perhaps'},
                'badRequest',
                400,
            ),
        ):
            answer = self.change(path, version, **body)
            self.fault(answer, name, code)

    def test_by_uuid(self) -> None:
        uuid = self.look().uuid
        answer = self.change(
            uuid, '2.53', status='disabled', disabled_reason='disk'
        )
        told = answer.json()['service']
        self.assertEqual(
            ('disabled', 'disk', uuid),
            (told['status'], told['disabled_reason'], told['id']),
        )
        answer = self.change(uuid, '2.75', status='enabled', forced_down=True)
        told = answer.json()['service']
        self.assertEqual(
            ('enabled', None, 'down', True),
            (
                told['status'],
                told['disabled_reason'],
                told['state'],
                told['forced_down'],
            ),
        )

    def test_by_uuid_refused(self) -> None:
        uuid = self.look().uuid
        for path, body, name, code in (
            (UUID, {'status': 'enabled'}, 'itemNotFound', 404),
            ('enable', {'status': 'enabled'}, 'badRequest', 400),
            (uuid, {}, 'badRequest', 400),
            (uuid, {'disabled_reason': 'disk'}, 'badRequest', 400),
            (uuid, {'status': 'odd'}, 'badRequest', 400),
            (
                uuid,
                {'status': 'enabled', 'disabled_reason': 'disk'},
                'badRequest',
                400,
            ),
        ):
            answer = self.change(path, '2.53', **body)
            self.fault(answer, name, code)


class TestDelete(OsServicesTest):
    def test_by_number_then_by_uuid(self) -> None:
        service, other = self.look(), self.look('node2')
        for version, id_ in (('2.52', service.id), ('2.53', other.uuid)):
            path = f'/os-services/{id_}'
            answer = self.ask('DELETE', path, version)
            self.assertEqual((204, b''), (answer.status_code, answer.content))
            answer = self.ask('DELETE', path, version)
            self.fault(answer, 'itemNotFound', 404)
        self.assertEqual(
            ['acme-scheduler'], [one['binary'] for one in self.listed('2.1')]
        )

    def test_refused(self) -> None:
        for version, id_, name, code in (
            ('2.1', self.look().uuid, 'badRequest', 400),
            ('2.1', '-1', 'badRequest', 400),
            ('2.1', '0', 'itemNotFound', 404),
            ('2.1', '2147483647', 'itemNotFound', 404),
            ('2.1', '2147483648', 'badRequest', 400),
            ('2.1', '9' * 99, 'badRequest', 400),
            ('2.53', str(self.look().id), 'badRequest', 400),
            ('2.53', UUID, 'itemNotFound', 404),
        ):
            answer = self.ask('DELETE', f'/os-services/{id_}', version)
            self.fault(answer, name, code)
        self.assertEqual(3, len(self.listed('2.1')))
