"""Transactions that get in each other's way."""

import functools
import threading

from oslo_utils import uuidutils

from sgconductor.db import database
from sgconductor.db import services
from tests.functional import base


class TestTwoProcesses(base.DeploymentTest):
    """Two of them, as far as the database can tell: nothing is shared."""

    def test_neither_fails_for_the_other(self) -> None:
        errors: list[Exception] = []
        values = {
            'topic': 'worker',
            'version': 1,
            'report_interval': 10,
            'down_after': 60,
        }

        def join_many(db: database.Database, prefix: str) -> None:
            try:
                for i in range(40):
                    host = f'{prefix}{i}'
                    join = functools.partial(
                        services.join,
                        host=host,
                        binary='acme-worker',
                        token=uuidutils.generate_uuid(),
                        values=values,
                    )
                    db.write(join)
            except Exception as error:
                errors.append(error)

        threads = []
        for prefix in ('a', 'b', 'c'):
            db = database.Database.from_conf(self.deployment.conf())
            self.addCleanup(db.close)
            threads.append(
                threading.Thread(target=join_many, args=(db, prefix))
            )
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)
        with self.deployment.db.reader() as conn:
            self.assertEqual(120, len(services.page(conn, {}, 1000)))
