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
        """The samples at a URL, by name and values of labels."""
        answer = requests.get(url, timeout=base.PATIENCE)
        self.assertEqual(200, answer.status_code)
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in parser.text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


class TestApi(MetricsTest):
    def test_the_api_serves_metrics_of_the_group_and_of_requests(self) -> None:
        self.deployment.conductor()
        remote = self.deployment.remote()
        for host, version in (('node1', 2), ('node2', 3)):
            member = remote.membership(host, 'acme-worker', 'worker', version)
            member.join()
            self.addCleanup(member.stop)
        url = self.useFixture(site.Site(self.deployment)).url
        uuid = member.service.uuid
        requests.patch(
            f'{url}/v1/services/{uuid}',
            json={'forced_down': True, 'disabled': True},
            timeout=base.PATIENCE,
        )
        samples = self.read(f'{url}/metrics')
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
            self.assertEqual(value, samples.get(key), str(key))
        self.assertEqual(3, samples['sgconductor_members_live',])
        self.assertIn(('sgconductor_members_lagging',), samples)

    def test_the_api_serves_metrics_without_a_conductor(self) -> None:
        url = self.useFixture(
            site.Site(self.deployment, api__conductor_timeout=0.2)
        ).url
        key = 'sgconductor_api_rpc_errors_total', 'ConductorUnreachable'
        samples = self.read(f'{url}/metrics')
        self.assertEqual(0, samples['sgconductor_group_seen',])
        # A failed call is counted both for a request and for a stream.
        before = samples.get(key, 0)
        for path in ('/v1/pins', '/v1/events/stream'):
            requests.get(f'{url}{path}', timeout=base.PATIENCE)
        self.assertLessEqual(before + 2, self.read(f'{url}/metrics')[key])


class TestConductor(MetricsTest):
    def test_a_conductor_serves_metrics_of_its_own_work(self) -> None:
        (port,) = process.free_ports(1)
        conductor = self.deployment.conductor(conductor__metrics_port=port)
        remote = self.deployment.remote()
        member = remote.membership('node1', 'acme-worker', 'worker', 1)
        service = member.join()
        base.stop_beating(member)
        self.deployment.beat(remote, service)
        self.deployment.beat(remote, service, incarnation=9)
        self.deployment.beat(remote, service, id_=0)
        self.wait_for(
            'a stale and a malformed beat to be counted',
            lambda: conductor.beats.stale and conductor.beats.malformed,
        )
        samples = self.read(f'http://{process.LOOPBACK}:{port}/metrics')
        self.assertGreaterEqual(samples['sgconductor_beats_flushed_total',], 1)
        self.assertGreaterEqual(
            samples['sgconductor_beats_received_total',], 3
        )
        for reason in ('stale', 'malformed'):
            self.assertEqual(
                1, samples['sgconductor_beats_ignored_total', reason]
            )
        self.assertEqual(
            0, samples['sgconductor_beats_oldest_unflushed_seconds',]
        )
        for name in ('beat_batch_size', 'beat_flush_seconds'):
            self.assertGreaterEqual(samples[f'sgconductor_{name}_count',], 1)
        self.assertGreaterEqual(
            samples['sgconductor_rpc_calls_total', '', 'object_action'], 1
        )
        self.assertEqual(1, samples['sgconductor_group_seen',])
        self.assertEqual(0, samples['sgconductor_driver_outages_total', 'db'])

    def test_a_conductor_works_though_its_metrics_port_is_taken(self) -> None:
        with socket.create_server((process.LOOPBACK, 0)) as taken:
            port = taken.getsockname()[1]
            self.deployment.conductor(conductor__metrics_port=port)
            self.assertEqual(1, self.logged('No metrics are served'))
            context = self.deployment.remote().context()
            (conductor,) = objects.ServiceList.get_page(context, 10)
            self.assertTrue(conductor.is_up)


class TestDashboard(MetricsTest):
    def test_the_dashboard_shows_only_metrics_that_are_served(self) -> None:
        (port,) = process.free_ports(1)
        self.deployment.conductor(conductor__metrics_port=port)
        url = self.useFixture(site.Site(self.deployment)).url
        metrics = ''.join(
            requests.get(f'{base_url}/metrics', timeout=base.PATIENCE).text
            for base_url in (url, f'http://{process.LOOPBACK}:{port}')
        )
        served = set(re.findall(r'^# TYPE (\w+)', metrics, re.MULTILINE))
        path = pathlib.Path(__file__).parents[2] / 'etc/grafana'
        dashboard = (path / 'sgconductor.json').read_text()
        shown = set(re.findall(r'sgconductor_\w+', dashboard))
        self.assertEqual(
            set(),
            {re.sub('_(total|sum|count|bucket)$', '', name) for name in shown}
            - {re.sub('_total$', '', name) for name in served},
        )
        self.assertTrue(json.loads(dashboard)['panels'])
