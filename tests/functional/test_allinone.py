"""sgconductor-allinone, the demo."""

import re
import signal

import fixtures
import requests

from tests import base
from tests import program


class TestAllInOne(base.TestCase):
    def start(self, *args: str) -> program.Program:
        return self.useFixture(
            program.Program('sgconductor-allinone', '--plain', *args)
        )

    def wait_for_fleet(self, shown: program.Program) -> None:
        self.wait_for('the fleet', lambda: 'up' in shown.output)

    def test_it_shows_members_that_join_die_leave_return_and_upgrade(
        self,
    ) -> None:
        directory = self.useFixture(fixtures.TempDir()).path
        path = f'{directory}/kept.db'
        shown = self.start('--seconds', '18', '--database', path)
        self.assertEqual(0, shown.wait(), shown.output)
        output = shown.output
        self.assertNotIn('Traceback', output)
        self.assertEqual(8, len(re.findall(r'acme-\S+ +new -> up', output)))
        self.assertIn('sgconductor-conductor  new -> up', output)
        self.assertRegex(
            output,
            r'(node\d) acme-worker +dies(.|\n)*'
            r'\1 acme-worker +up -> down  last beat \d\.\d s ago, allowed 3 s',
        )
        self.assertRegex(
            output,
            r'(node\d) acme-api +leaves(.|\n)*'
            r'\1 acme-api +up -> down  left at ',
        )
        self.assertGreaterEqual(output.count('down -> up'), 2)
        # A rolling upgrade, and the pins that it raises.
        self.assertRegex(
            output,
            r'(.*acme-api +is upgraded\n){3}'
            r'.*pin of acme-api: 1 -> 2, epoch 4\n'
            r'(.*acme-worker +is upgraded\n){5}'
            r'.*pin of acme-worker: 1 -> 2, epoch 5\n',
        )
        # A second run on its database goes on with the upgraded versions.
        again = self.start('--seconds', '1', '--database', path)
        self.assertEqual(0, again.wait(), again.output)
        # Eight members and the conductor.
        self.assertEqual(9, again.output.count('new -> up'))

    def test_ctrl_c_and_sigterm_stop_it_cleanly(self) -> None:
        for signum in (signal.SIGINT, signal.SIGTERM):
            shown = self.start()
            self.wait_for_fleet(shown)
            shown.signal(signum)
            self.assertEqual(0, shown.wait(), shown.output)
            self.assertNotIn('Traceback', shown.output)
            self.assertIn('Stopping', shown.output)

    def test_the_api_is_served_on_any_free_port_or_the_given_one(self) -> None:
        shown = self.start()
        self.wait_for_fleet(shown)
        # The default port is taken by now, here or by another process.
        other = self.start()
        self.wait_for_fleet(other)
        for one in (shown, other):
            (url,) = re.findall(r'Look at (http://127\S+)', one.output)
            answer = requests.get(f'{url}v1/services', timeout=base.PATIENCE)
            self.assertEqual(9, len(answer.json()['services']))
        port = url.rpartition(':')[2].rstrip('/')
        taken = self.start('--port', port)
        self.assertEqual(1, taken.wait())
        self.assertIn('cannot listen on', taken.output)
        for one in (shown, other):
            one.signal(signal.SIGTERM)
            self.assertEqual(0, one.wait(), one.output)

    def test_a_mistake_is_reported_in_one_line(self) -> None:
        for args in (
            ('--port', '70000'),
            ('--seconds', 'x'),
            ('--seconds', '-1'),
            ('--database', '/'),
            ('--bogus',),
        ):
            shown = self.start(*args)
            self.assertEqual(2, shown.wait())
            self.assertEqual(1, len(shown.output.splitlines()), shown.output)
            self.assertIn(args[-1], shown.output)
