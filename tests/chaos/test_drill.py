"""A short form of the drill that tools/chaos-drill.sh runs."""

import pathlib
from typing import Any

import fixtures
import testresources

from tests import base
from tests import resources
from tests.chaos import drill
from tests.chaos import results

# It has faults of workers, of the database and of the broker, for all and for
# one conductor.
SEED = 95


class TestDrill(testresources.ResourcedTestCase, base.TestCase):
    resources = [('broker', resources.RABBITMQ), ('server', resources.MARIADB)]
    broker: Any
    server: Any

    def setUp(self) -> None:
        super().setUp()
        self.lines = self.lines_of_a_drill()
        directory = self.useFixture(fixtures.TempDir()).path
        self.drill = self.useFixture(
            drill.Drill(
                self.broker,
                self.server,
                pathlib.Path(directory) / 'history.jsonl',
                seed=SEED,
                seconds=180,
                members=32,
                callers=4,
                tell=self.lines.append,
            )
        )

    def test_random_faults_lose_nothing_and_call_nobody_down(self) -> None:
        result = self.drill.run()
        results.show(result, self.lines.append)
        # How soon the dead are found is for the drill itself: here, other
        # tests run beside it.
        wrong = [
            one
            for one in result.violations
            if one.rule != 'the dead are found in time'
        ]
        self.assertEqual([], wrong)
        self.assertGreater(result.faults, 5)
        self.assertGreater(result.operations, 500)
