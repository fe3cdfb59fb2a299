"""The change log: a line for a change, a count for thousands."""

from typing import Any

from sgconductor import context as sg_context
from sgconductor.conductor import change_log
from sgconductor.conductor import requester
from tests import base

ALICE = requester.Requester('req-1', 'a1', 'alice')


class TestChangeLog(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = 0.0
        self.changes = change_log.ChangeLog(lambda: self.now)

    def lines(self) -> list[str]:
        return self.log.output.splitlines()

    def test_a_change_tells_what_why_and_who(self) -> None:
        self.changes.write('Disabled', 'acme', 'node1', 'fan', ALICE)
        self.changes.write('Down', 'acme', 'node1', 'last beat 73.2 s ago')
        self.assertEqual(
            [
                'INFO Disabled: acme on node1: fan (req-1 by alice)',
                'INFO Down: acme on node1: last beat 73.2 s ago (found by '
                'this conductor)',
            ],
            self.lines(),
        )

    def test_fifty_thousand_are_a_few_lines(self) -> None:
        for i in range(50_000):
            binary = 'acme' if i % 2 else 'other'
            self.changes.count('Down', binary, f'node{i}')
        self.changes.count('Up', 'acme', 'node1')
        self.assertEqual(21, len(self.lines()))
        self.now = 10.0
        self.changes.flush()
        self.assertEqual(
            'INFO Down: 49980 more in the last 10 s: 24990 acme, 24990 other',
            self.lines()[-1],
        )
        self.changes.flush()
        self.assertEqual(22, len(self.lines()))

    def test_counts_are_not_lost_to_the_next_change(self) -> None:
        for i in range(22):
            self.changes.count('Left', 'acme', f'node{i}')
        self.now = 30.0
        self.changes.count('Left', 'acme', 'node99')
        self.assertIn('Left: acme on node99', self.lines()[-1])
        self.changes.flush()
        self.assertIn(
            'Left: 2 more in the last 30 s: 2 acme', self.lines()[-1]
        )

    def test_a_line_of_counts_names_a_few_binaries(self) -> None:
        for i in range(520):
            self.changes.count('Joined', f'acme-{i}', 'node1')
        self.changes.flush(everything=True)
        self.assertIn('490 of others', self.lines()[-1])
        self.assertLess(len(self.lines()[-1]), 300)

    def test_each_act_of_an_operator_has_a_line(self) -> None:
        for i in range(100):
            self.changes.write('Disabled', 'acme', f'node{i}', by=ALICE)
        self.assertEqual(100, len(self.lines()))
        self.assertTrue(
            all(line.endswith('(req-1 by alice)') for line in self.lines())
        )

    def test_the_end_of_a_conductor_loses_no_count(self) -> None:
        for i in range(25):
            self.changes.count('Left', 'acme', f'node{i}')
        self.changes.flush(everything=True)
        self.assertIn('Left: 5 more in the last 0 s: 5 acme', self.lines()[-1])


class TestRequester(base.TestCase):
    def received(self, **values: Any) -> sg_context.RequestContext:
        """A context as it comes off the wire."""
        return sg_context.RequestContext.from_dict(
            values, backend=base.NoBackend()
        )

    def test_a_context_off_the_wire_forges_no_line(self) -> None:
        names = (
            *('request_id', 'global_request_id', 'user', 'user_name'),
            *('project_id', 'user_domain', 'system_scope', 'resource_uuid'),
        )
        for forged in ('a\nINFO b', 'a\x1b[31mb', 'a\ud800b', 'a\rb'):
            context = self.received(**dict.fromkeys(names, forged))
            prefix = str(context.get_logging_values())
            self.assertNotIn(forged, prefix)
            self.assertIn("'a?", prefix)
            self.assertTrue(str(requester.of(context)).startswith('a?'))

    def test_a_context_off_the_wire_is_cut(self) -> None:
        context = self.received(
            request_id='x' * 10**6, user='x' * 10**6, roles=['x'] * 10**6
        )
        self.assertLess(len(str(context.get_logging_values())), 5000)
        by = requester.of(context)
        self.assertEqual((64, 255), (len(by[0] or ''), len(by[1] or '')))

    def test_other_types_in_a_context_are_dropped(self) -> None:
        context = self.received(request_id={'a': 1}, user=7, project_id=[{}])
        self.assertNotIn('{', context.request_id)
        self.assertEqual([None], context.project_id)
