"""The examples, run as their README says."""

import os
import pathlib
import signal

from tests import base as tests_base
from tests import program
from tests.functional import base

EXAMPLES = pathlib.Path(__file__).parents[2] / 'examples'


def environment(release: int) -> dict[str, str]:
    """The environment of a process of a release of acme."""
    path = EXAMPLES / 'acme' / f'release{release}'
    return {**os.environ, 'PYTHONPATH': str(path)}


class ExampleTest(base.ConductorTest):
    scenarios = [base.ON_MARIADB]

    def run_example(self, *args: str, release: int = 2) -> program.Program:
        return self.useFixture(
            program.Program('python', *args, env=environment(release))
        )


class TestMember(ExampleTest):
    def start(self, host: str) -> program.Program:
        example = self.run_example(
            str(EXAMPLES / 'member.py'), self.deployment.transport_url, host
        )
        self.wait_for(
            'the member to join', lambda: 'Joined as' in example.output
        )
        return example

    def test_the_member_joins_and_leaves(self) -> None:
        example = self.start('node1')
        self.assertTrue(self.get_service().is_up)
        example.signal(signal.SIGTERM)
        self.assertEqual(0, example.wait(), example.output)
        self.assertIsNotNone(self.get_service().left_at)
        self.assertNotIn('Traceback', example.output)

    def test_the_member_prints_its_usage(self) -> None:
        example = self.run_example(str(EXAMPLES / 'member.py'))
        self.assertEqual(1, example.wait())
        self.assertIn('usage: member.py TRANSPORT_URL HOST', example.output)


class TestAcme(ExampleTest):
    def worker(self, host: str, release: int = 2) -> program.Program:
        example = self.run_example(
            '-m',
            'acme.worker',
            '--transport-url',
            self.deployment.transport_url,
            '--host',
            host,
            release=release,
        )
        self.wait_for(
            'the member to join', lambda: 'Joined as' in example.output
        )
        return example

    def stop(self, worker: program.Program) -> None:
        worker.signal(signal.SIGTERM)
        self.assertEqual(0, worker.wait(), worker.output)
        self.assertNotIn('Traceback', worker.output)

    def run_client(self, *args: str, release: int = 2) -> str:
        """Run a client to its end, and return its output."""
        client = self.run_example(
            '-m',
            'acme.client',
            '--transport-url',
            self.deployment.transport_url,
            *args,
            release=release,
        )
        client.wait()
        self.assertNotIn('Traceback', client.output)
        return client.output

    def resize(self, release: int = 2, fit: str = '100x100') -> str:
        return self.run_client(
            'resize', '800', '600', '--fit', fit, release=release
        )

    def rotate(self, degrees: str = '90') -> str:
        return self.run_client('rotate', '800', '600', '--by', degrees)

    def test_a_client_calls_a_worker_that_is_up(self) -> None:
        stopped = self.worker('node1')
        self.worker('node2')
        self.stop(stopped)
        up = [service.host for service in self.services(up=True)]
        self.assertEqual(['node2'], up)
        self.assertEqual('node2: 100 x 75\n', self.resize())
        self.assertIn('node2 refused: cannot fit', self.resize(fit='0x100'))
        self.assertIn('node2 refused: cannot rotate', self.rotate('45'))

    def test_a_client_reports_that_no_worker_is_up(self) -> None:
        for release in (1, 2):
            self.assertIn(
                'no acme-worker is up and enabled', self.resize(release)
            )

    def test_clients_and_workers_of_both_releases_work_together(self) -> None:
        old = self.worker('node1', release=1)
        self.assertEqual('node1: 100 x 75\n', self.resize(release=2))
        self.assertIn('not every acme-worker can rotate yet', self.rotate())
        self.stop(old)
        self.worker('node1', release=2)
        self.assertEqual('node1: 100 x 75\n', self.resize(release=1))
        self.assertEqual('node1: 600 x 800\n', self.rotate())

    def test_a_worker_that_is_too_old_is_refused(self) -> None:
        self.stop(self.worker('node1'))
        refused = self.run_example(
            '-m',
            'acme.worker',
            '--transport-url',
            self.deployment.transport_url,
            '--host',
            'node2',
            release=1,
        )
        self.assertEqual(1, refused.wait())
        self.assertIn('acme-worker: ', refused.output)
        self.assertNotIn('Traceback', refused.output)


class TestHistories(tests_base.TestCase):
    def test_the_releases_pass_their_own_tests(self) -> None:
        for release in (1, 2):
            run = self.useFixture(
                program.Program(
                    'python',
                    '-m',
                    'unittest',
                    'test_history',
                    env=environment(release),
                )
            )
            self.assertEqual(0, run.wait(), run.output)
