"""The commands that show liveness: service, liveness and watch."""

import json
import pathlib
import signal
import subprocess
import sys
from typing import Any

from sgconductor import objects
from sgconductor.db import events
from tests import program
from tests import resources
from tests.functional import commands

# Seconds: no service that has it goes down before its test ends.
_LONG = 3600


def event(type_: str, like: objects.Event) -> events.New:
    """One that tells the same as another."""
    return events.New(type_, like.payload, None, None)


class TestLiveness(commands.CommandTest):
    scenarios = [
        (
            'mariadb',
            {
                'resources': [
                    ('broker', resources.RABBITMQ),
                    ('server', resources.MARIADB),
                    ('memcached', resources.MEMCACHED),
                ]
            },
        )
    ]
    memcached: Any = None

    def json(self, *args: str) -> Any:
        return json.loads(self.manage(*args, '-f', 'json'))

    def explain(self, *args: str) -> list[tuple[Any, ...]]:
        return [
            (p['source'], p['says'], p['age'], p['speaks_for'])
            for p in self.json('service', 'explain', *args)
        ]

    def status(self, *args: str) -> tuple[list[str], list[dict[str, Any]]]:
        """The lines about the drivers, and the rows of the workers."""
        output = self.manage('liveness', 'status', *args, '-f', 'json')
        lines, _, table = output.partition('[')
        return lines.splitlines(), _workers(json.loads(f'[{table}'))

    def test_explain_shows_the_evidence_behind_the_liveness(self) -> None:
        fresh = self.service('fresh', 1, down_after=_LONG)
        self.service('stale', 1, age=120)
        self.service('gone', 1, down_after=_LONG).leave()
        forced = self.service('forced', 1, down_after=_LONG)
        forced.forced_down = True
        forced.save()
        moment = r'2\d{3}-\d\d-\d\dT[\d:]{8}Z'

        beat, reception, announced, verdict = self.explain(fresh.uuid)
        self.assertEqual(
            (
                'services table',
                'last beat of incarnation 1; allowed 3600 s, it beats each '
                '10 s',
                'up',
            ),
            (*beat[:2], beat[3]),
        )
        self.assertTrue(0 <= beat[2] < _LONG, beat)
        self.assertEqual(beat[2], round(beat[2], 1))
        self.assertEqual(('reception', ''), (reception[0], reception[3]))
        self.assertEqual('announced to be up', announced[1])
        self.assertEqual(
            ('verdict', 'no evidence against it', None, 'up'), verdict
        )
        for host, why in (('gone', f'^left at {moment}$'), ('forced', '^for')):
            order, beat, *_, verdict = self.explain(host, 'acme-worker')
            self.assertRegex(order[1], why)
            self.assertEqual(order[1:], verdict[1:])
            self.assertEqual(('down', 'up'), (order[3], beat[3]))
        table = self.manage('service', 'explain', 'stale', 'acme-worker')
        self.assertRegex(table, r'\| services table .* \d{3}\.\d s +\| down ')
        self.assertRegex(table, r'\| verdict .* \|  +\| down ')

        listed = _workers(self.json('service', 'list'))
        self.assertEqual(
            [
                ('fresh', 'up', 'up'),
                ('stale', 'down', 'down'),
                ('gone', 'down', 'down'),
                ('forced', 'down', 'down'),
            ],
            [(one['host'], one['state'], one['liveness']) for one in listed],
        )
        nothing, stale, gone, _ = (one['liveness_reason'] for one in listed)
        self.assertEqual('', nothing)
        self.assertRegex(stale, r'^last beat \d{3}\.\d s ago, allowed 60 s$')
        self.assertRegex(gone, f'^left at {moment}$')
        shown = self.json('service', 'show', 'gone', 'acme-worker')
        self.assertEqual('down', shown['liveness'])
        self.assertEqual(gone, shown['liveness_reason'])

    def test_status_compares_the_driver_and_the_shadow_driver(self) -> None:
        self.service('node2', 1, down_after=_LONG)
        alone = ['db: outages seen by this conductor: 0; now available']
        node2 = {
            'host': 'node2',
            'binary': 'acme-worker',
            'db': 'up',
            'disagreements': 0,
            'since': None,
            'reason': '',
        }
        self.assertEqual((alone, [node2]), self.status())

        self.conductor.stop()
        shadow: dict[str, Any] = {
            'servicegroup__shadow_driver': 'memcache',
            'servicegroup_memcache__servers': [self.memcached.address],
            'servicegroup_memcache__interval': 0.5,
            'servicegroup_memcache__ttl': 5,
            'servicegroup_memcache__timeout': 0.5,
        }
        self.deployment.conductor(**shadow)
        # node1 reports to both drivers, node2 only to the table.
        member = self.deployment.remote(**shadow).membership(
            'node1', 'acme-worker', 'worker', 1
        )
        member.join()
        self.addCleanup(member.stop)

        def differs() -> bool:
            found = objects.ServiceList.compare(self.context)['services']
            return any(one['disagreements'] for one in found)

        self.wait_for('a disagreement', differs)
        lines, (disagreed, agreed) = self.status()
        self.assertEqual([*alone, alone[0].replace('db', 'memcache')], lines)
        self.assertRegex(disagreed.pop('since'), '^2.*Z$')
        del node2['since']
        node2 |= {
            'memcache (shadow)': 'down',
            'disagreements': 1,
            'reason': 'memcache (shadow): memcache has no acme-worker on '
            'node2 in group worker',
        }
        self.assertEqual(node2, disagreed)
        self.assertEqual(
            ('node1', 'up', 'up', 0, ''),
            (
                agreed['host'],
                agreed['db'],
                agreed['memcache (shadow)'],
                agreed['disagreements'],
                agreed['reason'],
            ),
        )
        _, only = self.status('--disagreeing')
        self.assertEqual(['node2'], [one['host'] for one in only])


class TestWatch(commands.CommandTest):
    def setUp(self) -> None:
        super().setUp()
        self.service('node0', 1, down_after=_LONG)

    def watch(self, *args: str, timeout: float = 10) -> program.Program:
        """Start the command, which first shows the last event."""
        return self.start(
            *('sgconductor-manage', '--timeout', str(timeout)),
            *('watch', '--since', '1', *args),
        )

    def wait_for_lines(self, *watching: program.Program, count: int) -> None:
        def shown() -> bool:
            return all(each.output.count('\n') >= count for each in watching)

        self.wait_for(f'{count} lines', shown)

    def written(self) -> list[objects.Event]:
        return list(objects.EventList.get_page(self.context))

    def ends(self, watching: program.Program, how: signal.Signals) -> None:
        """Check that it ends at a signal, and prints nothing more."""
        before = watching.output
        watching.signal(how)
        self.assertEqual(0, watching.wait(10), watching.output)
        self.assertEqual(before, watching.output)

    def test_each_event_is_shown_once(self) -> None:
        both = as_text, as_json = self.watch(), self.watch('--json')
        self.wait_for_lines(*both, count=1)
        (before,) = self.written()[-1:]
        service = self.service('node1', 3, down_after=_LONG)
        service.disabled = True
        service.disabled_reason = 'a new fan'
        service.save()
        service.leave()
        self.service('node1', 3, down_after=_LONG).destroy()
        self.wait_for_lines(*both, count=7)
        # Of two events written at the same time, the second may commit first.
        with self.deployment.db.writer() as slow:
            events.add(
                slow,
                [event('service.update', before)],
            )
            with self.deployment.db.writer() as quick:
                events.add(
                    quick,
                    [event('service.delete', before)],
                )
            self.wait_for_lines(*both, count=8)
        self.wait_for_lines(*both, count=9)
        # One more read must not show an event again.
        self.service('node2', 1, down_after=_LONG)
        self.wait_for_lines(*both, count=11)
        self.ends(as_json, signal.SIGTERM)
        self.ends(as_text, signal.SIGINT)

        *first, late, early, create, up = (
            e for e in self.written() if e.id >= before.id
        )
        expected = [*first, early, late, create, up]
        self.assertEqual(
            [
                {
                    'id': event.id,
                    'uuid': event.uuid,
                    'type': event.type,
                    'at': event.fields['at'].stringify(event.at),
                    'payload': json.loads(event.payload),
                    'request_id': event.request_id,
                    'user_id': event.user_id,
                }
                for event in expected
            ],
            [json.loads(line) for line in as_json.output.splitlines()],
        )
        lines = as_text.output.splitlines()
        self.assertEqual(
            [event.uuid for event in expected],
            [line.split()[-1] for line in lines],
        )
        moment = r'2\d{3}-\d\d-\d\dT[\d:]{8}Z'
        for line, what in zip(
            lines[1:],
            (
                'service.create node1 acme-worker version 3, incarnation 1',
                'service.up     node1 acme-worker version 3, incarnation 1',
                'service.update node1 acme-worker disabled: a new fan, '
                'version 3, incarnation 1',
                f'service.down   node1 acme-worker left at {moment}',
                'service.up     node1 acme-worker version 3, incarnation 2',
                'service.delete node1 acme-worker version 3, incarnation 2',
            ),
            strict=False,
        ):
            self.assertRegex(line, f'^{moment} {what} [0-9a-f-]{{36}}$')

    def test_events_are_shown_again_after_a_restart_of_the_conductor(
        self,
    ) -> None:
        watching = self.watch(timeout=0.5)
        self.wait_for_lines(watching, count=1)
        (known,) = self.written()[-1:]
        self.conductor.stop()
        self.wait_for('the error', lambda: 'No conductor' in watching.output)
        with self.deployment.db.writer() as conn:
            events.add(conn, [event('service.update', known)])
        self.deployment.conductor()
        self.wait_for(
            'the recovery',
            lambda: '\nEvents are shown again.' in watching.output,
        )
        self.service('node1', 1)
        self.wait_for(
            'the new event', lambda: 'create node1' in watching.output
        )
        lines = watching.output.splitlines()
        errors = [line for line in lines if not line.startswith('2')]
        self.assertEqual(2, len(errors), watching.output)
        self.assertRegex(
            errors[0],
            r'^No conductor answered .* again as soon as a conductor '
            r'answers\.$',
        )
        self.assertEqual('Events are shown again.', errors[1])
        shown = [line.split()[-1] for line in lines if line not in errors]
        self.assertEqual(len(set(shown)), len(shown), watching.output)
        written = [e.uuid for e in self.written() if e.id >= known.id]
        self.assertEqual(written[: len(shown)], shown)
        self.ends(watching, signal.SIGTERM)

    def test_it_ends_when_its_reader_has_gone(self) -> None:
        # As with "| head -1"; no further event is needed for that.
        piped = subprocess.Popen(
            [
                str(
                    pathlib.Path(sys.executable).parent / 'sgconductor-manage'
                ),
                *('--config-file', self.config, 'watch', '--since', '1'),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(piped.wait)
        self.addCleanup(piped.kill)
        assert piped.stdout is not None
        assert piped.stderr is not None
        with piped.stderr:
            with piped.stdout:
                self.assertIn(b'node0', piped.stdout.readline())
            self.assertEqual(0, piped.wait(20))
            self.assertEqual(b'', piped.stderr.read())


def _workers(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of acme-worker; conductors are members too."""
    return [one for one in listed if one['binary'] == 'acme-worker']
