"""Existing clients of Nova's API work with this one unchanged."""

import json
from typing import Any

from testtools import content

from tests import program
from tests import site
from tests.functional import base


class ClientTest(base.ConductorTest):
    """Two workers, and the API instead of Nova's."""

    scenarios = [base.ON_MARIADB]

    def setUp(self) -> None:
        super().setUp()
        for host in ('node1', 'node2'):
            self.member(host)
        url = self.useFixture(site.Site(self.deployment)).url
        self.endpoint = f'{url}/v2.1'

    def run_client(self, *args: str, status: int = 0) -> str:
        """Run a client program, and return its output."""
        started = self.useFixture(program.Program(*args, fresh=True))
        self.addOnException(
            lambda _: self.addDetail(
                ' '.join(args), content.text_content(started.output)
            )
        )
        self.assertEqual(status, started.wait(), started.output)
        return started.output


class TestOpenStack(ClientTest):
    """python-openstackclient."""

    def run_openstack(
        self, *args: str, version: str = '2.53', status: int = 0
    ) -> str:
        return self.run_client(
            'openstack',
            *('--os-auth-type', 'none', '--os-endpoint', self.endpoint),
            *('--os-compute-api-version', version, 'compute', 'service'),
            *args,
            status=status,
        )

    def listed(self, *args: str, version: str = '2.53') -> Any:
        told = self.run_openstack(
            'list', '--long', '-f', 'json', *args, version=version
        )
        return [
            one for one in json.loads(told) if one['Binary'] != base.CONDUCTOR
        ]

    def test_list_set_delete(self) -> None:
        uuid = self.get_service().uuid
        one, other = self.listed()
        self.assertEqual(
            (uuid, 'acme-worker', 'node1', 'enabled', 'up', False),
            tuple(
                one[name]
                for name in (
                    *('ID', 'Binary', 'Host', 'Status', 'State'),
                    'Forced Down',
                )
            ),
        )
        self.run_openstack(
            *('set', '--disable', '--disable-reason', 'disk'),
            *('node1', 'acme-worker'),
        )
        (one,) = self.listed('--host', 'node1', '--service', 'acme-worker')
        self.assertEqual(
            ('disabled', 'disk'), (one['Status'], one['Disabled Reason'])
        )
        self.run_openstack('set', '--enable', 'node1', 'acme-worker')
        self.run_openstack('set', '--down', 'node2', 'acme-worker')
        self.assertEqual(
            [('enabled', 'up'), ('enabled', 'down')],
            [(each['Status'], each['State']) for each in self.listed()],
        )
        self.run_openstack('delete', other['ID'])
        self.assertEqual(['node1'], [each['Host'] for each in self.listed()])
        told = self.run_openstack('delete', other['ID'], status=1)
        self.assertIn('was not found', told)

    def test_the_first_version(self) -> None:
        # Old catalogs have the project id in the URL.
        self.endpoint += '/6f70656e737461636b20697320686572'
        one, _ = self.listed(version='2.1')
        self.assertEqual(self.get_service().id, one['ID'])
        self.run_openstack(
            'set', '--disable', 'node1', 'acme-worker', version='2.1'
        )
        self.assertTrue(self.get_service().disabled)


class TestSdk(ClientTest):
    """openstacksdk."""

    def test_list_update_delete(self) -> None:
        told = self.run_client(
            'python', '-m', 'tests.functional.sdk_process', self.endpoint
        )
        self.assertEqual(
            {
                'hosts': ['node1'],
                'disabled': ['disabled', 'disk'],
                'enabled': 'enabled',
                'forced down': ['down', True],
                'left': ['node1'],
            },
            json.loads(told),
        )


class TestNovaClient(ClientTest):
    """python-novaclient."""

    def check(self, version: str, expected: str) -> None:
        told = self.run_client(
            *('python', '-m', 'tests.functional.nova_client_process'),
            *(self.endpoint, version),
        )
        seen = json.loads(told)
        self.assertEqual(expected, seen['version'])
        forced_down = seen.pop('forced down', None)
        self.assertEqual(
            None if expected == '2.1' else ['down', True], forced_down
        )
        self.assertEqual(
            {
                'version': expected,
                'hosts': ['node1', 'node2'],
                'disabled': ['disabled', 'disk'],
                'enabled': ['enabled', None],
                'without a reason': 'disabled',
                'left': ['node1'],
            },
            seen,
        )

    def test_2_1(self) -> None:
        self.check('2.1', '2.1')

    def test_2_11(self) -> None:
        self.check('2.11', '2.11')

    def test_2_53(self) -> None:
        self.check('2.53', '2.53')

    def test_latest(self) -> None:
        self.check('2.latest', '2.75')
