"""A short form of the drill that tools/cluster-drill.sh runs."""

import os
import random
from typing import Any

import testresources

from tests import base
from tests import resources
from tests.cluster import cluster as cluster_
from tests.cluster import drill


class TestDrill(testresources.ResourcedTestCase, base.TestCase):
    BROKER = ('broker', resources.RABBITMQ)
    SERVER = ('server', resources.MARIADB)
    scenarios = [
        (
            'memcached',
            {'fault': 'kill memcached1', 'resources': [BROKER, SERVER]},
        ),
        (
            'postgresql',
            {'fault': 'kill the primary', 'resources': [BROKER]},
        ),
        (
            'zookeeper',
            {'fault': 'kill the leader', 'resources': [BROKER, SERVER]},
        ),
    ]
    fault: str
    broker: Any
    server: Any = None

    def setUp(self) -> None:
        super().setUp()
        name = self.id().rpartition('(')[2].rstrip(')')
        kind = drill.CLUSTERS[name]
        missing = kind.missing()
        if missing:
            self.assertNotEqual('true', os.environ.get('CI'), missing)
            self.skipTest(f'{resources.MISSING}: {name} ({missing})')
        self.cluster: cluster_.Cluster = self.useFixture(kind())
        lines = self.lines_of_a_drill()
        self.drill = self.useFixture(
            drill.Drill(
                self.cluster,
                self.cluster.broker or self.broker,
                self.cluster.database or self.server,
                members=12,
                away=5,
                rest=1,
                report_interval=1,
                down_after=4,
                workers=1,
                random_=random.Random(1),
                tell=lines.append,
            )
        )

    def test_nobody_alive_is_down_and_nothing_is_lost(self) -> None:
        faults = [f for f in self.cluster.faults() if f.name == self.fault]
        result = self.drill.run(faults)
        # How soon the dead are found is for the drill itself: here, other
        # tests run beside it.
        wrong = [
            *result.false_downs,
            *result.lost_writes,
            *result.lost_events,
            *result.epochs,
        ]
        self.assertEqual([], wrong, str(result))
        self.assertEqual(1, len(result.rows))
        self.assertGreater(result.looks, 20)
