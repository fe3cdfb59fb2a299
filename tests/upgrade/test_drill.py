"""A short form of the drill that tools/upgrade-drill.sh runs."""

from typing import Any

import testresources

from tests import base
from tests.functional import base as functional
from tests.upgrade import drill
from tests.upgrade import report


class TestDrill(testresources.ResourcedTestCase, base.TestCase):
    scenarios = [functional.ON_MARIADB]
    broker: Any
    server: Any

    def setUp(self) -> None:
        super().setUp()
        lines = self.lines_of_a_drill()
        self.drill = self.useFixture(
            drill.Drill(
                self.broker,
                self.server,
                calls=200,
                conductors=1,
                members=2,
                back=1,
                clients=2,
                pause=0.15,
                old_conductor=None,
                tell=lines.append,
            )
        )

    def test_no_call_fails_while_versions_rise_fall_and_rise(self) -> None:
        self.drill.run()
        result = self.drill.report()
        self.assertTrue(result.is_good(200), result.totals())
        self.check_versions(result)
        self.check_receipts(result)

    def check_versions(self, result: report.Report) -> None:
        for phase in drill.PHASES:
            self.assertEqual(['1.0'], result.rpc_versions(phase, 1), phase)
        for phase, expected in (
            (drill.CLIENTS_UP, ['1.0']),
            (drill.LAST_WORKER_UP, ['1.0', '1.1']),
            (drill.WORKERS_BACK, ['1.0']),
            (drill.WORKERS_AGAIN, ['1.0']),
        ):
            self.assertEqual(expected, result.rpc_versions(phase, 2), phase)
        self.assertIn('1.0', result.rpc_versions(drill.HOLD, 2))
        self.assertIn('1.1', result.rpc_versions(drill.RELEASE, 2))

    def check_receipts(self, result: report.Report) -> None:
        """Each call reached one worker once, in the version it was sent in."""
        for call in result.ledger.calls:
            (receipt,) = result.ledger.receipts[call.id]
            self.assertEqual(
                (call.host, call.version), (receipt.host, receipt.version)
            )
