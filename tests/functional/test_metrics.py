"""The metrics, in the form that Prometheus reads."""

import json
import pathlib
import re
import socket
from typing import Any

import requests
from prometheus_client import parser

from sgconductor import objects
from tests import site
from tests.functional import base
from tests.servers import process


class MetricsTest(base.DeploymentTest):
    scenarios = [base.EMBEDDED]

    def read(self, url: str) -> dict[Any, float]:
        """The samples, by name and labels."""
        answer = requests.get(url, timeout=base.PATIENCE)
        self.assertEqual(200, answer.status_code)
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in parser.text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


class TestApi(MetricsTest):
    def test_the_group_and_the_requests(self) -> None:
        self.deployment.conductor()
        remote = self.deployment.remote()
        for host, version in (('node1', 2), ('node2', 3)):
            one = remote.membership(host, 'acme-worker', 'worker', version)
            one.join()
            self.addCleanup(one.stop)
        url = self.useFixture(site.Site(self.deployment)).url
        uuid = one.service.uuid
        requests.patch(
            f'{url}/v1/services/{uuid}',
            json={'forced_down': True, 'disabled': True},
            timeout=base.PATIENCE,
        )
        seen = self.read(f'{url}/metrics')
        for key, value in (
            (('sgconductor_group_seen',), 1),
            (('sgconductor_services', 'acme-worker', 'up', 'worker'), 1),
            (('sgconductor_services', 'acme-worker', 'down', 'worker'), 1),
            (
                (
                    *('sgconductor_services_marked', 'acme-worker'),
                    *('forced_down', 'worker'),
                ),
                1,
            ),
            (
                (
                    *('sgconductor_services_marked', 'acme-worker'),
                    *('quarantined', 'worker'),
                ),
                0,
            ),
            (('sgconductor_pin_version', 'acme-worker'), 2),
            (('sgconductor_driver_up', 'db'), 1),
            (
                (
                    'sgconductor_api_requests_total',
                    *('/v1/services/{uuid}', '200', 'PATCH'),
                ),
                1,
            ),
        ):
            self.assertEqual(value, seen.get(key), str(key))
        self.assertEqual(3, seen['sgconductor_members_live',])
        self.assertIn(('sgconductor_members_lagging',), seen)

    def test_no_conductor(self) -> None:
        url = self.useFixture(
            site.Site(self.deployment, api__conductor_timeout=0.2)
        ).url
        key = 'sgconductor_api_rpc_errors_total', 'ConductorUnreachable'
        seen = self.read(f'{url}/metrics')
        self.assertEqual(0, seen['sgconductor_group_seen',])
        # A failed call counts, whether for a request or for a stream.
        before = seen.get(key, 0)
        for path in ('/v1/pins', '/v1/events/stream'):
            requests.get(f'{url}{path}', timeout=base.PATIENCE)
        self.assertLessEqual(before + 2, self.read(f'{url}/metrics')[key])


class TestConductor(MetricsTest):
    def test_its_own_work(self) -> None:
        (port,) = process.free_ports(1)
        conductor = self.deployment.conductor(conductor__metrics_port=port)
        remote = self.deployment.remote()
        one = remote.membership('node1', 'acme-worker', 'worker', 1)
        service = one.join()
        base.stop_beating(one)
        self.deployment.beat(remote, service)
        self.deployment.beat(remote, service, incarnation=9)
        self.deployment.beat(remote, service, id_=0)
        self.wait_for(
            'the beats',
            lambda: conductor.beats.stale and conductor.beats.malformed,
        )
        seen = self.read(f'http://{process.LOOPBACK}:{port}/metrics')
        self.assertGreaterEqual(seen['sgconductor_beats_flushed_total',], 1)
        self.assertGreaterEqual(seen['sgconductor_beats_received_total',], 3)
        for reason in ('stale', 'malformed'):
            self.assertEqual(
                1, seen['sgconductor_beats_ignored_total', reason]
            )
        self.assertEqual(
            0, seen['sgconductor_beats_oldest_unflushed_seconds',]
        )
        for name in ('beat_batch_size', 'beat_flush_seconds'):
            self.assertGreaterEqual(seen[f'sgconductor_{name}_count',], 1)
        self.assertGreaterEqual(
            seen['sgconductor_rpc_calls_total', '', 'object_action'], 1
        )
        self.assertEqual(1, seen['sgconductor_group_seen',])
        self.assertEqual(0, seen['sgconductor_driver_outages_total', 'db'])

    def test_a_port_that_is_taken(self) -> None:
        with socket.create_server((process.LOOPBACK, 0)) as taken:
            port = taken.getsockname()[1]
            self.deployment.conductor(conductor__metrics_port=port)
            # It is said, and the conductor does what it is for.
            self.assertEqual(1, self.logged('No metrics are served'))
            context = self.deployment.remote().context()
            (one,) = objects.ServiceList.get_page(context, 10)
            self.assertTrue(one.is_up)


class TestDashboard(MetricsTest):
    def test_it_shows_what_there_is(self) -> None:
        (port,) = process.free_ports(1)
        self.deployment.conductor(conductor__metrics_port=port)
        url = self.useFixture(site.Site(self.deployment)).url
        told = ''.join(
            requests.get(f'{one}/metrics', timeout=base.PATIENCE).text
            for one in (url, f'http://{process.LOOPBACK}:{port}')
        )
        known = set(re.findall(r'^# TYPE (\w+)', told, re.MULTILINE))
        path = pathlib.Path(__file__).parents[2] / 'etc/grafana'
        shown = (path / 'sgconductor.json').read_text()
        named = set(re.findall(r'sgconductor_\w+', shown))
        self.assertEqual(
            set(),
            {re.sub('_(total|sum|count|bucket)$', '', one) for one in named}
            - {re.sub('_total$', '', one) for one in known},
        )
        self.assertTrue(json.loads(shown)['panels'])
