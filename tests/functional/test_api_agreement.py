"""The API agrees with RPC, the command, and the drivers."""

import json
from typing import Any

import requests
from kazoo import client as kazoo_client
from pymemcache.client import base as memcache_client

from tests import resources
from tests import site
from tests.functional import base
from tests.functional import commands

# Seconds; longer than any test, so that a service does not go down by itself.
_LONG = 3600


class TestVerdicts(commands.CommandTest):
    def test_all_agree_on_liveness(self) -> None:
        self.service('fresh', 1, down_after=_LONG)
        self.service('stale', 1, age=120)
        self.service('left', 1, down_after=_LONG).leave()
        forced = self.service('forced', 1, down_after=_LONG)
        forced.forced_down = True
        forced.save()
        # Silent only while no conductor could receive beats: unknown.
        self.service('unheard', 1, age=40)
        base.stop_beats_of(self.conductor)
        self.deployment.stop_reception(35)

        url = self.useFixture(site.Site(self.deployment)).url
        by_rpc = {
            one.host: (one.liveness, one.is_up) for one in self.services()
        }
        ours = requests.get(f'{url}/v1/services', timeout=base.PATIENCE)
        by_rest = {
            one['host']: (one['liveness'], one['is_up'])
            for one in ours.json()['services']
            if one['binary'] != base.CONDUCTOR
        }
        told = json.loads(self.manage('service', 'list', '-f', 'json'))
        by_command = {
            one['host']: (one['liveness'], one['state'] == 'up')
            for one in told
            if one['binary'] != base.CONDUCTOR
        }
        novas = requests.get(f'{url}/v2.1/os-services', timeout=base.PATIENCE)
        states = {
            one['host']: one['state'] == 'up'
            for one in novas.json()['services']
            if one['binary'] != base.CONDUCTOR
        }
        self.assertEqual(by_rpc, by_rest)
        self.assertEqual(by_rpc, by_command)
        self.assertEqual({k: up for k, (_, up) in by_rpc.items()}, states)
        self.assertEqual(
            {'fresh': 'up', 'left': 'down', 'forced': 'down'},
            {host: by_rpc[host][0] for host in ('fresh', 'left', 'forced')},
        )
        self.assertEqual(5, len(by_rpc))


class TestDelete(base.DeploymentTest):
    """A deleted service disappears from the driver's server too."""

    scenarios = [
        ('zookeeper', {'resources': [('keeper', resources.ZOOKEEPER)]}),
        ('memcache', {'resources': [('cache', resources.MEMCACHED)]}),
    ]
    keeper: Any = None
    cache: Any = None

    def test_delete(self) -> None:
        options = self.in_zookeeper() if self.keeper else self.in_memcached()
        self.deployment.conductor(**options)
        remote = self.deployment.remote(**options)
        url = self.useFixture(site.Site(self.deployment, **options)).url
        membership = remote.membership('node1', 'acme-worker', 'worker', 1)
        membership.join()
        self.addCleanup(membership.stop)
        uuid = membership.service.uuid
        self.wait_for(
            'the service is in the driver', lambda: self.is_known(uuid)
        )
        answer = requests.delete(
            f'{url}/v1/services/{uuid}', timeout=base.PATIENCE
        )
        self.assertEqual(204, answer.status_code)
        self.wait_for('the service is gone', lambda: not self.is_known(uuid))

    def in_zookeeper(self) -> dict[str, Any]:
        root = f'/{self.deployment.directory.name}'
        client = kazoo_client.KazooClient(self.keeper.hosts)
        client.start()
        self.addCleanup(client.close)
        self.addCleanup(client.stop)

        def is_known(uuid: str) -> bool:
            return client.exists(f'{root}/worker/{uuid}.1') is not None

        self.is_known = is_known
        return {
            'servicegroup__driver': 'zookeeper',
            'servicegroup_zookeeper__hosts': self.keeper.hosts,
            'servicegroup_zookeeper__root': root,
        }

    def in_memcached(self) -> dict[str, Any]:
        client = memcache_client.Client(self.cache.address)
        self.addCleanup(client.close)

        def is_known(uuid: str) -> bool:
            return client.get(f'sgconductor/{uuid}/1') is not None

        self.is_known = is_known
        return {
            'servicegroup__driver': 'memcache',
            'servicegroup_memcache__servers': [self.cache.address],
        }
