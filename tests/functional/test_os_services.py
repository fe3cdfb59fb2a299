"""/v2.1/os-services over HTTP, in the form of Nova's API.

tests/gabbits has errors and microversions.
"""

from typing import Any

import requests

from tests import site
from tests.functional import base

VERSION = 'OpenStack-API-Version'


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
        """The message of an error in the form of Nova's API."""
        self.assertEqual(code, answer.status_code, answer.text)
        ((found, fault),) = answer.json().items()
        self.assertEqual((name, code), (found, fault['code']))
        message: str = fault['message']
        return message


class TestList(OsServicesTest):
    def test_fields_by_microversion(self) -> None:
        service = self.get_service()
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
        # In Nova, a name that no service can have is no error.
        self.assertEqual([], names(host='a b/c'))


class TestSelect(OsServicesTest):
    def make_fleet(self) -> None:
        # Without processes, which would call the conductor themselves.
        with self.deployment.db.writer() as conn:
            for i in range(20):
                base.join(conn, f'node{i}')

    def test_a_list_is_one_select(self) -> None:
        seen = self.record_statements()
        self.assertEqual(20, len(self.listed('2.75', binary='acme-worker')))
        (select,) = seen
        self.assertRegex(select, r'WHERE .*binary')


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
        self.assertTrue(self.get_service().disabled)
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
        self.assertEqual('disk', self.get_service().disabled_reason)
        answer = self.change('enable', '2.1', **one)
        self.assertEqual(
            {'service': {**one, 'status': 'enabled'}}, answer.json()
        )
        self.assertIsNone(self.get_service().disabled_reason)
        answer = self.change('force-down', '2.11', **one, forced_down='true')
        self.assertEqual(
            {'service': {**one, 'forced_down': True}}, answer.json()
        )
        self.assertFalse(self.get_service().is_up)
        self.change('force-down', '2.52', **one, forced_down=False)
        self.assertTrue(self.get_service().is_up)

    def test_by_uuid(self) -> None:
        uuid = self.get_service().uuid
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


class TestDelete(OsServicesTest):
    def test_by_number_then_by_uuid(self) -> None:
        service, other = self.get_service(), self.get_service('node2')
        for version, id_ in (('2.52', service.id), ('2.53', other.uuid)):
            path = f'/os-services/{id_}'
            answer = self.ask('DELETE', path, version)
            self.assertEqual((204, b''), (answer.status_code, answer.content))
            answer = self.ask('DELETE', path, version)
            self.fault(answer, 'itemNotFound', 404)
        self.assertEqual(
            ['acme-scheduler'], [one['binary'] for one in self.listed('2.1')]
        )
