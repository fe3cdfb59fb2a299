"""Short forms of the drill of a database whose clock is set."""

from typing import Any

import testresources

from tests import base
from tests import resources
from tests.outage import clock as drill
from tests.servers import clock
from tests.servers import mariadb
from tests.servers import postgresql


class TestClockDrill(testresources.ResourcedTestCase, base.TestCase):
    resources = [('broker', resources.RABBITMQ)]
    scenarios = [
        (
            'mariadb-forward',
            {'kind': mariadb.MariaDB, 'step': 3600, 'fail_over': False},
        ),
        (
            'postgresql-back',
            {'kind': postgresql.PostgreSQL, 'step': -3600, 'fail_over': True},
        ),
    ]
    broker: Any
    kind: Any
    step: float
    fail_over: bool

    def test_nobody_is_down_for_a_clock_that_is_set(self) -> None:
        lines = self.lines_of_a_drill()
        missing = clock.missing()
        if missing:
            self.skipTest(f'{resources.MISSING}: {missing}')
        server = self.useFixture(self.kind(own_clock=clock.Clock()))
        each = self.useFixture(
            drill.ClockDrill(
                self.broker,
                server,
                self.step,
                fail_over=self.fail_over,
                members=20,
                report_interval=1,
                down_after=5,
                tell=lines.append,
            )
        )
        result = each.run()
        self.assertEqual(0, result.false_downs, str(result))
        self.assertEqual(0, result.rises, str(result))
