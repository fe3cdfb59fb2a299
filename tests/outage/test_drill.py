"""Short forms of the drills that tools/outage-drill.sh runs."""

from typing import Any

import testresources

from tests import base
from tests import resources
from tests.outage import drill
from tests.outage import partial

_ALWAYS = [('broker', resources.RABBITMQ), ('server', resources.MARIADB)]


class DrillTest(testresources.ResourcedTestCase, base.TestCase):
    """
    :ivar lines: what the drill has told, which a failure shows
    """

    broker: Any
    server: Any
    driver: Any = None

    def setUp(self) -> None:
        super().setUp()
        self.lines = self.lines_of_a_drill()


class TestDrill(DrillTest):
    scenarios = [
        ('conductors', {'part': 'conductors', 'resources': _ALWAYS}),
        ('conductor', {'part': 'conductor', 'resources': _ALWAYS}),
        ('broker', {'part': 'broker', 'resources': _ALWAYS}),
        ('database', {'part': 'database', 'resources': _ALWAYS}),
        (
            'zookeeper',
            {
                'part': 'zookeeper',
                'resources': [*_ALWAYS, ('driver', resources.ZOOKEEPER)],
            },
        ),
        (
            'memcached',
            {
                'part': 'memcached',
                'resources': [*_ALWAYS, ('driver', resources.MEMCACHED)],
            },
        ),
    ]
    part: str

    def setUp(self) -> None:
        super().setUp()
        self.drill = self.useFixture(
            drill.Drill(
                self.part,
                self.broker,
                self.server,
                self.driver,
                members=20,
                seconds=6,
                report_interval=1,
                down_after=4,
                conductors=2 if self.part.startswith('conductor') else 1,
                tell=self.lines.append,
            )
        )

    def test_live_members_stay_up_and_dead_ones_are_found_down(self) -> None:
        result = self.drill.run()
        self.assertEqual(0, result.false_downs, str(result))
        self.assertEqual(0, result.rises, str(result))
        self.assertGreater(result.looks, 20)


class TestPartialDrill(DrillTest):
    scenarios = [
        (
            'database-refused',
            {'part': 'database', 'how': 'refused', 'resources': _ALWAYS},
        ),
        (
            'database-frozen',
            {'part': 'database', 'how': 'frozen', 'resources': _ALWAYS},
        ),
    ]
    part: str
    how: str

    def setUp(self) -> None:
        super().setUp()
        self.drill = self.useFixture(
            partial.PartialDrill(
                self.part,
                self.how,
                'conductor',
                self.broker,
                self.server,
                self.driver,
                members=60,
                seconds=8,
                report_interval=1,
                down_after=4,
                workers=2,
                tell=self.lines.append,
            )
        )

    def test_nobody_is_down_for_an_outage_of_one_conductor(self) -> None:
        result = self.drill.run()
        self.assertEqual(0, result.false_downs, str(result))
        self.assertEqual(0, result.rises, str(result))
        self.assertLess(result.longest, result.answered_within, str(result))
