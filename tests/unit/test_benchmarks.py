"""How benchmarks evaluate what they measure, and what they send."""

import json
import types
import uuid
from typing import Any

from benchmarks import lines
from benchmarks import process
from benchmarks import publish
from benchmarks import rounds
from benchmarks import stand_ins
from tests import base


def _line(
    goal: lines.Goal,
    ours: float,
    peer: float | None = None,
    limit: float | None = None,
) -> lines.Line:
    return lines.Line(
        'measure',
        lines.Spread([ours]),
        None if peer is None else lines.Spread([peer]),
        None if limit is None else lines.Spread([limit]),
        goal,
    )


class TestLine(base.TestCase):
    def test_a_goal_that_is_an_upper_bound(self) -> None:
        goal = lines.Goal('peer', 1 / 20, True)
        self.assertTrue(_line(goal, ours=0.5, peer=10.0).met)
        self.assertFalse(_line(goal, ours=0.6, peer=10.0).met)

    def test_a_goal_that_is_a_lower_bound(self) -> None:
        goal = lines.Goal('limit', 0.8, False)
        self.assertTrue(_line(goal, ours=80.0, limit=100.0).met)
        self.assertFalse(_line(goal, ours=79.0, limit=100.0).met)

    def test_a_goal_beside_the_peer_is_not_met_without_a_peer(self) -> None:
        line = _line(lines.Goal('peer', 20, False), ours=1e9)
        self.assertFalse(line.met)
        self.assertEqual('-', line.cells()[2])

    def test_a_line_without_a_goal_is_neither_met_nor_missed(self) -> None:
        self.assertIsNone(lines.Line('m', lines.Spread([1.0])).met)

    def test_the_medians_decide_whether_a_goal_is_met(self) -> None:
        line = lines.Line(
            'm',
            lines.Spread([1.0, 2.0, 90.0]),
            lines.Spread([40.0, 1.0, 50.0]),
            goal=lines.Goal('peer', 1 / 20, True),
        )
        self.assertTrue(line.met)
        self.assertEqual('2 (1..90)', line.cells()[1])

    def test_a_table_has_a_head_and_a_row_for_each_line(self) -> None:
        text = lines.table([lines.Line('one'), lines.Line('another')])
        self.assertEqual(3, len(text.splitlines()))


class TestRounds(base.TestCase):
    def test_each_round_measures_all_sides_and_another_one_first(self) -> None:
        order: list[tuple[int, str]] = []

        def measure(side: Any, number: int) -> rounds.Sample:
            order.append((number, side.name))
            return {'value': float(number)}

        sides = [types.SimpleNamespace(name=name) for name in 'ab']
        samples = rounds.take(2, sides, measure)
        self.assertEqual([(0, 'a'), (0, 'b'), (1, 'b'), (1, 'a')], order)
        spread = samples.spread('a', 'value')
        self.assertEqual([0.0, 1.0], spread and spread.values)
        self.assertIsNone(samples.spread('c', 'value'))


class TestTemplate(base.TestCase):
    def template(self, body: Any, *needs: int) -> publish.Template:
        message = types.SimpleNamespace(
            body=json.dumps(body),
            properties={'content_type': 'application/json'},
            delivery_info={'exchange': 'here', 'routing_key': 'there'},
        )
        return publish.Template(message, needs)

    def test_a_message_differs_from_its_template_only_in_ids_and_numbers(
        self,
    ) -> None:
        kept = {'reply': f'reply_{uuid.uuid4().hex}', 'n': 12345}
        body = {
            'id': stand_ins.ID,
            'unique': uuid.uuid4().hex,
            'message_id': str(uuid.uuid4()),
            'stamp': stand_ins.STAMP,
            **kept,
        }
        template = self.template(body, stand_ins.ID)
        unique = uuid.uuid4().hex
        sent = json.loads(template.message(7, 8, unique).body)
        self.assertEqual(
            {
                'id': 7,
                'unique': unique,
                'message_id': str(uuid.UUID(unique)),
                'stamp': 8,
                **kept,
            },
            sent,
        )

    def test_the_same_values_make_the_same_message(self) -> None:
        unique = uuid.uuid4().hex
        body = {
            'id': stand_ins.ID,
            'stamp': stand_ins.STAMP,
            'unique': unique,
        }
        message = self.template(body).message(
            stand_ins.ID, stand_ins.STAMP, unique
        )
        self.assertEqual(json.dumps(body).encode(), message.body)

    def test_a_template_without_a_needed_number_is_refused(self) -> None:
        self.assertRaisesRegex(
            process.BenchmarkError,
            str(stand_ins.ID),
            self.template,
            {'id': 1},
            stand_ins.ID,
        )
