"""The cost of a list: statements, driver calls and log lines."""

import logging
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from oslo_utils import uuidutils

from sgconductor import objects
from sgconductor.app import local as local_app
from sgconductor.db import clock
from sgconductor.db import models
from sgconductor.servicegroup import driver as sg_driver
from sgconductor.servicegroup.drivers import db as db_driver
from tests.functional import base

COUNTS = (1, 100, 10_000)


class Counting(db_driver.DbDriver):
    """A driver for which all members are alive; it counts its calls."""

    detects = True

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def alive(
        self, members: Collection[sg_driver.Member]
    ) -> sg_driver.Presence:
        self.asked += 1
        return super().alive(members)


class Lines(logging.Handler):
    """Counts log lines."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


class TestCounts(base.DeploymentTest):
    scenarios = [base.ON_MARIADB]

    def setUp(self) -> None:
        super().setUp()
        # Without a conductor, whose threads would run statements too.
        local = local_app.Local(self.deployment.conf())
        self.addCleanup(local.close)
        self.context = local.context()
        here: Any = self.context.backend
        self.driver = here.judges.primary.driver._driver = Counting()
        self.statements = 0

        def count(conn: Any, cursor: Any, statement: str, *more: Any) -> None:
            self.statements += not statement.startswith('BEGIN')

        # A new connection runs more statements.
        here.db.ping()
        here.db.query(lambda conn: conn.execute(sa.select(1)))
        for engine in (here.db.engine, here.db.autocommit_engine):
            sa.event.listen(engine, 'before_cursor_execute', count)
            self.addCleanup(
                sa.event.remove, engine, 'before_cursor_execute', count
            )

    def fill(self, number: int, age: float) -> None:
        """Insert services that were last seen ``age`` seconds ago."""
        with self.deployment.db.writer() as conn:
            table = models.services
            conn.execute(table.delete().where(table.c.binary == 'acme'))
            now = conn.execute(sa.select(clock.utcnow())).scalar_one()
            seen = clock.from_micros(clock.to_micros(now) - int(age * 10**6))
            uuids = [uuidutils.generate_uuid() for _ in range(number)]
            conn.execute(
                table.insert().values(
                    binary='acme',
                    topic='acme',
                    version=1,
                    incarnation=1,
                    report_interval=10,
                    down_after=60,
                    report_count=0,
                    last_seen_up=seen,
                    disabled=False,
                    forced_down=False,
                    created_at=seen,
                    deleted=0,
                ),
                [
                    {'uuid': uuid, 'host': uuid, 'join_token': uuid}
                    for uuid in uuids
                ],
            )

    def cost(self, number: int, age: float) -> tuple[int, int, int]:
        """The number of statements, driver calls and log lines for a list."""
        self.fill(number, age)
        self.statements = self.driver.asked = 0
        lines = Lines()
        logging.getLogger('sgconductor').addHandler(lines)
        page = objects.ServiceList.get_page(
            self.context, limit=10_000, binary='acme'
        )
        self.assertEqual(number, len(page.objects))
        logging.getLogger('sgconductor').removeHandler(lines)
        return self.statements, self.driver.asked, lines.count

    def test_a_list_of_any_length_costs_the_same(self) -> None:
        self.assertEqual({(1, 1, 0)}, {self.cost(n, age=5) for n in COUNTS})

    def test_a_list_of_overdue_services_costs_one_more_statement(self) -> None:
        # One more statement reads the windows; the driver is not asked.
        self.assertEqual(
            {(2, 0, 0)}, {self.cost(n, age=90) for n in (1, 1000)}
        )
