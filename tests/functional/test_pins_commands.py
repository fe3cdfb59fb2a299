"""sgconductor-manage pins …, and quarantine."""

import datetime
import json
from typing import Any

from sgconductor import objects
from sgconductor.db import models
from tests.functional import base
from tests.functional import commands
from tests.upgrade import base as upgrade_base


class TestMixedFleet(commands.CommandTest):
    """Members of two versions, of which one is down.

    node1, node2 and the conductor follow the pins, node3 is down, and node4,
    an API, follows none.
    """

    def setUp(self) -> None:
        super().setUp()
        self.member('node1', version=1)
        self.service('node3', 1, age=7200)
        self.member('node2', version=2)
        self.api = self.service('node4', 1, binary='acme-api')
        with self.deployment.db.writer() as conn:
            # It has beaten often since, and never with an epoch.
            table = models.services
            conn.execute(
                table.update()
                .where(table.c.id == self.api.id)
                .values(
                    created_at=self.api.created_at
                    - datetime.timedelta(hours=1)
                )
            )
        self.wait_for('three followers', lambda: self.pin().following == 3)

    def pin(self) -> objects.Pin:
        return objects.Pin.get_by_binary(self.context, 'acme-worker')

    def explain(self) -> dict[str, Any]:
        told = self.manage('pins', 'explain', 'acme-worker', '-f', 'json')
        explained: dict[str, Any] = json.loads(told)
        return explained

    def test_list(self) -> None:
        listed = json.loads(self.manage('pins', 'list', '-f', 'json'))
        api, worker, conductor = listed
        self.assertEqual(('acme-api', 1), (api['binary'], api['pin']))
        self.assertEqual(
            (base.CONDUCTOR, 1), (conductor['binary'], conductor['pin'])
        )
        self.assertRegex(worker.pop('since'), r'^2\d{3}-\d\d-\d\dT[\d:]{8}Z$')
        self.assertEqual(
            {
                'binary': 'acme-worker',
                'pin': 1,
                'min': 1,
                'held': None,
                'epoch': self.pin().epoch,
                'services': {'1': 2, '2': 1},
                'following': {'following': 3, 'live': 4},
            },
            worker,
        )
        table = self.manage('pins', 'list')
        self.assertRegex(table, r'acme-worker .*\| 1: 2, 2: 1 \| 3 of 4 ')

    def test_explain(self) -> None:
        told = self.manage('pins', 'explain', 'acme-worker')
        for line in (
            r'services +\| 1: 2, 2: 1 ',
            r'decided_by +\| node1: version 1, up, last beat 2.*Z ',
            r'\| node3: version 1, down, last beat 2.*Z ',
            r'not_following +\| node4: acme-api, epoch 0 ',
            r'advice +\| - node1: up, with version 1. When the last',
            r'\|     sgconductor-manage service delete node3 acme-worker ',
            r'\|     sgconductor-manage service quarantine node3 acme-worker ',
            r'\| - acme-api on node4: up, but built on a release of ',
        ):
            self.assertRegex(told, line)

        explained = self.explain()
        self.assertEqual('join of node1 with version 1', explained['cause'])
        self.assertEqual(
            [('node1', 1, 'up', None), ('node3', 1, 'down', None)],
            [
                (s['host'], s['version'], s['state'], s['left_at'])
                for s in explained['decided_by']
            ],
        )
        self.assertEqual(
            [
                {
                    'host': 'node4',
                    'binary': 'acme-api',
                    'epoch': 0,
                    'state': 'up',
                }
            ],
            explained['not_following'],
        )
        # The commands of the advice work.
        _, quarantine = explained['advice'][1]['run']
        shown = self.run_command(*quarantine.split(), '-f', 'json')
        self.assertTrue(json.loads(shown)['quarantined'])
        self.assertEqual({'1': 1, '2': 1}, self.pin().services)

    def test_what_if(self) -> None:
        told = self.manage(
            *('pins', 'what-if', '--without', 'node1', 'node3'),
            *('-f', 'json'),
        )
        self.assertEqual(
            [
                {'binary': 'acme-api', 'pin': 1, 'then': 1},
                {'binary': 'acme-worker', 'pin': 1, 'then': 2},
                {'binary': base.CONDUCTOR, 'pin': 1, 'then': 1},
            ],
            json.loads(told),
        )
        told = self.error('pins', 'what-if', '--without', 'node9')
        self.assertIn('no service counts on node9', told)

    def test_wait_prints_what_is_missing_when_the_time_is_over(self) -> None:
        wait = ('pins', 'wait', 'acme-worker', '--timeout', '1')
        self.assertEqual(
            'acme-worker: the pin is 1, not 2: held by node1, node3\n'
            'acme-worker, after 1 s: the pin is 1, not 2: held by node1, '
            'node3\n',
            self.manage(*wait, '2', status=1),
        )
        self.assertEqual(
            'acme-worker: the pin is 1, and 3 of 4 members follow\n'
            'acme-worker, after 1 s: the pin is 1, and 3 of 4 members '
            'follow; missing: acme-api on node4\n',
            self.manage(*wait, '1', status=1),
        )

    def test_a_service_that_is_up_cannot_be_quarantined(self) -> None:
        told = self.error('service', 'quarantine', 'node1', 'acme-worker')
        self.assertIn('acme-worker on node1 is up', told)
        self.assertFalse(self.get_service().quarantined)


class TestPins(commands.CommandTest):
    scenarios = [base.ON_POSTGRESQL]

    def pin(self) -> objects.Pin:
        return objects.Pin.get_by_binary(self.context, 'acme-worker')

    def test_wait_prints_each_step(self) -> None:
        old = self.service('node1', 1, age=7200)
        self.member('node2', version=2)
        self.wait_until_followed()
        waiting = self.start(
            *('sgconductor-manage', 'pins', 'wait', 'acme-worker', '2')
        )
        self.wait_for(
            'the first step', lambda: 'held by node1\n' in waiting.output
        )
        # A member that takes a while to follow.
        late = self.service('node3', 2)
        old.destroy()
        self.wait_for(
            'the second step',
            lambda: '2, and 2 of 3 members follow\n' in waiting.output,
        )
        self.assertIsNone(waiting.process.poll())
        self.deployment.beat(self.remote, late, epoch=self.pin().epoch)
        self.assertEqual(0, waiting.wait(), waiting.output)
        self.assertEqual(
            'acme-worker: the pin is 2, and 3 of 3 members follow',
            waiting.output.splitlines()[-1],
        )

    def test_the_steps_of_a_rollback(self) -> None:
        self.member('node1', version=2)
        held = json.loads(
            self.manage('pins', 'hold', 'acme-worker', '1', '-f', 'json')
        )
        self.assertEqual(
            (1, 2, 1, 'hold at 1'),
            (held['pin'], held['min'], held['held'], held['cause']),
        )
        self.assertEqual(
            'acme-worker: the pin is 1, and 2 of 2 members follow',
            self.manage('pins', 'wait', 'acme-worker', '1').splitlines()[-1],
        )
        told = self.manage(
            *('pins', 'wait', 'acme-worker', '2', '--timeout', '.1'), status=1
        )
        self.assertIn('held by an operator. To release it: sgcon', told)
        told = self.manage('pins', 'explain', 'acme-worker')
        self.assertRegex(
            told, r'decided_by +\| the hold at 1; without it: +\|'
        )
        self.assertIn('  sgconductor-manage pins release acme-worker', told)
        released = json.loads(
            self.manage('pins', 'release', 'acme-worker', '-f', 'json')
        )
        self.assertEqual((2, None), (released['pin'], released['held']))
        told = self.manage(
            *('pins', 'wait', 'acme-worker', '1', '--timeout', '.1'), status=1
        )
        self.assertIn('To lower it: sgconductor-manage pins hold', told)

    def test_a_service_older_than_its_pin_cannot_be_unquarantined(
        self,
    ) -> None:
        self.member('node1', version=2)
        self.hold(1)
        self.service('node2', 1, age=7200)
        one = ('node2', 'acme-worker')
        shown = json.loads(
            self.manage('service', 'quarantine', *one, '-f', 'json')
        )
        self.assertEqual(
            (True, 'down'), (shown['quarantined'], shown['state'])
        )
        self.pin().release()
        self.assertEqual(2, self.pin().version)
        # The service is older than the pin now.
        self.manage('service', 'disable', *one, '--reason', 'old')
        found = self.get_service('node2')
        found.forced_down = True
        found.save()
        self.assertTrue(found.disabled and found.forced_down)
        self.assertEqual((1, 'old'), (found.version, found.disabled_reason))
        self.assertEqual(2, self.pin().version)

        told = self.error('service', 'unquarantine', *one)
        self.assertIn('has version 1 and is not admitted: the pin is 2', told)
        self.hold(1)
        shown = json.loads(
            self.manage('service', 'unquarantine', *one, '-f', 'json')
        )
        self.assertFalse(shown['quarantined'])
        self.assertEqual({'1': 1, '2': 1}, self.pin().services)

    def test_a_mistake_is_reported_in_one_line(self) -> None:
        self.service('node1', 2)
        self.assertIn(
            "binary 'pigeon' has ever joined, so it has no pin. Known: "
            f'acme-worker, {base.CONDUCTOR}.',
            self.error('pins', 'wait', 'pigeon', '1'),
        )
        told = self.error('pins', 'hold', 'acme-worker', str(2**40))
        self.assertIn('must be from 0 to', told)
        told = self.error('pins', 'hold', 'a/b', '1')
        self.assertIn("binary 'a/b' must begin", told)
        for verb in ('hold', 'release'):
            version = ['1'] if verb == 'hold' else []
            told = self.error('pins', verb, 'pigeon', *version)
            self.assertIn("binary 'pigeon' has ever joined", told)

    def test_wait_outlives_a_restart_of_the_conductors(self) -> None:
        self.member('node1', version=1)
        self.conductor.stop()
        waiting = self.start(
            *('sgconductor-manage', 'pins', 'wait', 'acme-worker', '1')
        )
        self.wait_for(
            'the complaint', lambda: 'No conductor answered' in waiting.output
        )
        self.deployment.conductor()
        self.assertEqual(0, waiting.wait(), waiting.output)
        # The conductor answers before it is a member itself.
        self.assertRegex(waiting.output, r'([12]) of \1 members follow')


class TestReleaseBefore(upgrade_base.UpgradeTest):
    """Its conductors do not know Service.update()."""

    scenarios = [upgrade_base.ON_MARIADB]

    def test_the_conductors_are_to_be_upgraded_first(self) -> None:
        self.old_conductor()
        self.old_member('node1')
        one = ('node1', 'acme-worker')
        for verb in ('disable', 'quarantine'):
            self.assertEqual(
                'A conductor of an older release answered, which cannot do '
                'this. Upgrade all conductors first.\n',
                self.manage('service', verb, *one, status=1),
            )

    def test_what_they_know_already(self) -> None:
        self.old_conductor()
        self.old_member('node1')
        shown = json.loads(
            self.manage(
                *('service', 'show', 'node1', 'acme-worker', '-f', 'json')
            )
        )
        self.assertEqual(('up', 'up'), (shown['state'], shown['liveness']))
        held = json.loads(
            self.manage('pins', 'hold', 'acme-worker', '7', '-f', 'json')
        )
        self.assertEqual((1, 7), (held['pin'], held['held']))
        self.manage('service', 'delete', shown['uuid'])
        self.assertNotIn('node1', self.manage('service', 'list'))
