"""The examples, as the README has them run."""

import os
import pathlib
import signal

from sgconductor import objects
from tests import program
from tests.functional import base

EXAMPLES = pathlib.Path(__file__).parents[2] / 'examples'


class ExampleTest(base.ConductorTest):
    scenarios = [base.ON_MARIADB]

    def run_example(self, *args: str) -> program.Program:
        return self.useFixture(
            program.Program(
                'python',
                *args,
                env={**os.environ, 'PYTHONPATH': str(EXAMPLES / 'acme')},
            )
        )


class TestMember(ExampleTest):
    def start(self, host: str) -> program.Program:
        started = self.run_example(
            str(EXAMPLES / 'member.py'), self.deployment.transport_url, host
        )
        self.wait_for('the join', lambda: 'Joined as' in started.output)
        return started

    def test_it_joins_and_leaves(self) -> None:
        started = self.start('node1')
        self.assertTrue(self.look().is_up)
        started.signal(signal.SIGTERM)
        self.assertEqual(0, started.wait(), started.output)
        self.assertIsNotNone(self.look().left_at)
        self.assertNotIn('Traceback', started.output)

    def test_one_without_arguments_is_told_which(self) -> None:
        started = self.run_example(str(EXAMPLES / 'member.py'))
        self.assertEqual(1, started.wait())
        self.assertIn('usage: member.py TRANSPORT_URL HOST', started.output)


class TestAcme(ExampleTest):
    def worker(self, host: str) -> program.Program:
        started = self.run_example(
            '-m',
            'acme.worker',
            '--transport-url',
            self.deployment.transport_url,
            '--host',
            host,
        )
        self.wait_for('the join', lambda: 'Joined as' in started.output)
        return started

    def resize(self, *args: str) -> program.Program:
        client = self.run_example(
            '-m',
            'acme.client',
            '--transport-url',
            self.deployment.transport_url,
            'resize',
            *args,
        )
        client.wait()
        self.assertNotIn('Traceback', client.output)
        return client

    def test_a_client_finds_a_worker_that_is_up(self) -> None:
        gone = self.worker('gone')
        self.worker('there')
        gone.signal(signal.SIGTERM)
        self.assertEqual(0, gone.wait(), gone.output)
        up = objects.ServiceList.walk(self.context, up=True)
        self.assertEqual(['there'], [service.host for service in up])
        client = self.resize('800', '600', '--fit', '100x100')
        self.assertEqual('there: 100 x 75\n', client.output)
        client = self.resize('800', '600', '--fit', '0x100')
        self.assertIn('there refused: cannot fit', client.output)

    def test_a_client_is_told_that_there_is_none(self) -> None:
        client = self.resize('800', '600', '--fit', '100x100')
        self.assertIn('no acme-worker is up and enabled', client.output)
