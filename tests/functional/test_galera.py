"""Conductors on a Galera cluster: each node may write, and one may be away."""

import collections
import functools
import random
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from oslo_utils import uuidutils

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor.app import local as local_app
from sgconductor.db import database
from sgconductor.db import models
from sgconductor.db import pins
from sgconductor.db import schema
from sgconductor.db import services
from sgconductor.rpcapi import event_tail
from tests import resources
from tests.functional import base
from tests.servers import haproxy

CLIENTS = 12
STEPS = 6
BINARIES = ('acme-api', 'acme-worker')
# A busy machine makes each conflict last longer.
TIMEOUT = 20.0
# What callers are told without any harm.
TOLD = (
    exception.DatabaseBusy,
    exception.ServiceIsUp,
    exception.ServiceNotFound,
    exception.ServiceTooOld,
)


class TestGalera(base.DeploymentTest):
    """Three nodes, and the inside of a conductor on each.

    :ivar dbs: by node
    :ivar contexts: of the conductors
    """

    scenarios = [('galera', {'resources': [('server', resources.GALERA)]})]

    def setUp(self) -> None:
        super().setUp()
        name = sa.make_url(self.deployment.url).database
        assert name is not None
        self.urls = [
            url.replace('charset=utf8mb4&', '')
            for url in self.server.urls(name)
        ]
        self.dbs = [database.Database(url) for url in self.urls]
        for db in self.dbs:
            self.addCleanup(db.close)
            self.wait_for('the tables', functools.partial(self.is_up, db))
        self.contexts = [self.conductor(url) for url in self.urls]

    def conductor(self, url: str, **more: Any) -> sg_context.RequestContext:
        """The inside of a conductor that uses one node."""
        local = local_app.Local(
            self.deployment.conf(
                database__connection=url,
                conductor__database_timeout=TIMEOUT,
                **more,
            )
        )
        self.addCleanup(local.close)
        return local.context()

    def is_up(self, db: database.Database) -> bool:
        try:
            schema.check(db)
        except (exception.DatabaseUnreachable, exception.SchemaMismatch):
            return False
        return True

    def join(
        self,
        context: sg_context.RequestContext,
        host: str,
        binary: str = BINARIES[0],
        version: int = 1,
    ) -> objects.Service:
        service = objects.Service(
            context,
            host=host,
            binary=binary,
            topic='acme',
            version=version,
            report_interval=10,
            down_after=60,
        )
        service.join(uuidutils.generate_uuid())
        return service

    def run_clients(self, client: Callable[[int], None]) -> None:
        errors: list[Exception] = []

        def run(number: int) -> None:
            try:
                client(number)
            except Exception as error:
                errors.append(error)

        threads = [
            threading.Thread(target=run, args=(i,)) for i in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)

    def test_three_nodes_that_write_lose_nothing(self) -> None:
        joined: collections.Counter[tuple[str, str]] = collections.Counter()

        def client(number: int) -> None:
            choice = random.Random(number)
            for step in range(STEPS):
                context = choice.choice(self.contexts)
                host, binary = f'node{number}', choice.choice(BINARIES)
                try:
                    service = self.join(
                        context, host, binary, choice.choice((5, 6))
                    )
                    joined[host, binary] += 1
                    service.update({'disabled': bool(step % 2)})
                    service.update({'forced_down': True})
                    service.quarantine()
                except TOLD:
                    pass

        self.run_clients(client)
        epochs = set()
        for db in self.dbs:
            self.wait_for('the same', functools.partial(self.settled, db))
            with db.reader() as conn:
                rows = services.page(conn, {}, 1000)
                lowest = pins.minimum(conn, BINARIES)
                found = {
                    row['binary']: row['min_version']
                    for row in pins.get_all(conn)
                }
                epochs.add(pins.state(conn).epoch)
            self.assertEqual(
                dict(joined),
                {(r['host'], r['binary']): r['incarnation'] for r in rows},
            )
            for binary, version in lowest.items():
                if version is not None:
                    self.assertEqual(version, found[binary])
        self.assertEqual(1, len(epochs))

    def settled(self, db: database.Database) -> bool:
        """Whether a node has all that the first one has."""

        def changes(one: database.Database) -> Any:
            return one.query(
                lambda conn: conn.execute(sa.select(models.roster)).one()
            )

        return bool(changes(db) == changes(self.dbs[0]))

    def test_a_write_is_read_through_another_node_if_told_to(self) -> None:
        writing, _, _ = self.contexts
        reading = self.conductor(
            self.urls[1], database__mysql_wsrep_sync_wait=1
        )
        for i in range(30):
            service = self.join(writing, f'node{i}')
            found = objects.Service.get_by_uuid(reading, service.uuid)
            self.assertEqual(service.host, found.host)

    def test_each_event_is_read_once_from_whatever_node(self) -> None:
        choice = random.Random(1)

        def fetch(limit: int, marker: int | None) -> Sequence[objects.Event]:
            page = objects.EventList.get_page(
                choice.choice(self.contexts), limit, marker
            )
            events: Sequence[objects.Event] = page.objects
            return events

        def client(number: int) -> None:
            for _ in range(STEPS):
                context = choice.choice(self.contexts)
                service = self.join(context, f'node{number}')
                service.update({'forced_down': True})
                service.update({'forced_down': False})

        tail = event_tail.EventTail(fetch)
        seen = [event.uuid for event in tail.poll()]
        writing = threading.Thread(target=self.run_clients, args=(client,))
        writing.start()
        while writing.is_alive():
            seen += [event.uuid for event in tail.poll()]
            writing.join(0.05)
        with self.dbs[0].reader() as conn:
            conn.exec_driver_sql('SET SESSION wsrep_sync_wait = 1')
            written = set(conn.scalars(sa.select(models.events.c.uuid)))

        def all_seen() -> bool:
            seen.extend(event.uuid for event in tail.poll())
            return len(seen) >= len(written)

        self.wait_for('all events', all_seen)
        self.assertEqual(len(written), len(seen))
        self.assertEqual(written, set(seen))

    def test_a_node_without_a_majority_is_unreachable_until_it_returns(
        self,
    ) -> None:
        proxy = self.useFixture(
            haproxy.HAProxy(
                [(node.port, _is_well(node)) for node in self.server.nodes]
            )
        )
        url = sa.make_url(self.urls[0]).set(port=proxy.port)
        behind = database.Database(url.render_as_string(hide_password=False))
        self.addCleanup(behind.close)
        self.wait_for('the proxy', lambda: self.is_up(behind))
        behind.write(_change)
        self.dbs[0].write(_change)
        self.server.isolate(0)
        try:
            self.check_isolated(behind)
        finally:
            self.server.heal(0)
        self.wait_for('its return', lambda: self.try_write(self.dbs[0]))

    def check_isolated(self, behind: database.Database) -> None:
        """Check what calls get while node 0 is cut off.

        :param behind: the database behind a proxy
        """
        self.wait_for(
            'the end of the majority', lambda: not self.server.is_synced(0)
        )
        began = time.monotonic()
        self.assertRaises(
            exception.DatabaseUnreachable, self.dbs[0].write, _change
        )
        self.assertRaises(
            exception.DatabaseUnreachable, self.dbs[0].query, pins.state
        )
        self.assertLess(time.monotonic() - began, 10)
        # The others go on, and the proxy leads to them.
        self.wait_for('a majority', lambda: self.try_write(self.dbs[1]))
        self.wait_for('a switch', lambda: self.try_write(behind))

    def try_write(self, db: database.Database) -> bool:
        try:
            return db.write(_change) == 1
        except exception.DatabaseUnreachable:
            return False


def _change(conn: sa.Connection) -> int:
    table = models.roster
    return conn.execute(
        table.update().values(changes=table.c.changes + 1)
    ).rowcount


def _is_well(node: Any) -> Callable[[], bool]:
    return lambda: bool(node.is_synced)
