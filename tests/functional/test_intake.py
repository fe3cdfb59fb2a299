"""A conductor that cannot write takes nothing, and others do its work."""

from typing import Any

import fixtures
import sqlalchemy as sa

from sgconductor import exception
from sgconductor import objects
from sgconductor.app import conductor as conductor_app
from sgconductor.db import models
from sgconductor.objects import service as service_objects
from tests.functional import base
from tests.servers import process
from tests.servers import proxy


class IntakeTest(base.DeploymentTest):
    """Two conductors, of which one reaches the database through a proxy."""

    scenarios = [base.ON_MARIADB, base.ON_POSTGRESQL]

    def setUp(self) -> None:
        super().setUp()
        self.way = self.useFixture(
            proxy.Proxy(process.LOOPBACK, self.server.port)
        )
        url = sa.make_url(self.deployment.url).set(port=self.way.port)
        self.pace = {
            'servicegroup__report_interval': 1,
            'servicegroup__down_after': 6,
            # Longer than a write may take: a quarter of down_after.
            'conductor__database_timeout': 2,
        }
        self.cut_off = self.deployment.conductor(
            conductor__host='conductor1',
            database__connection=url.render_as_string(hide_password=False),
            **self.pace,
        )
        self.remote = self.deployment.remote()

    def other(self) -> conductor_app.Conductor:
        return self.deployment.conductor(
            conductor__host='conductor2', **self.pace
        )

    def wait_until_it_takes_nothing(self) -> None:
        self.wait_for(
            'the conductor to take nothing',
            lambda: self.logged('This conductor takes no calls'),
        )

    def wait_until_it_serves(self) -> None:
        self.wait_for(
            'the conductor to serve',
            lambda: self.logged('This conductor can write'),
        )

    def take_away(self) -> None:
        raise NotImplementedError


class TestSuspicion(IntakeTest):
    scenarios = [base.ON_MARIADB]

    def test_it_serves_on_when_only_a_call_has_failed(self) -> None:
        failures = iter([exception.DatabaseUnreachable('db', 'too slow')])
        services = self.cut_off.backend.part(service_objects.ServiceBackend)
        get = services.get

        def fail_once(*args: Any, **kwargs: Any) -> Any:
            for failure in failures:
                raise failure
            return get(*args, **kwargs)

        self.useFixture(fixtures.MockPatchObject(services, 'get', fail_once))
        # The second call is not refused.
        for _ in range(3):
            objects.Service.get_by_host_and_binary(
                self.remote.context(), 'conductor1', base.CONDUCTOR
            )
        self.assertEqual([], list(failures))
        self.assertFalse(self.logged('This conductor takes no calls'))


class TestStart(IntakeTest):
    scenarios = [base.ON_MARIADB]

    def test_a_conductor_stops_that_was_told_to_before_it_served(self) -> None:
        made = conductor_app.Conductor(
            self.deployment.conf(conductor__host='conductor3')
        )
        made._started = True
        made.stop()
        self.assertNotIn('Traceback', self.log.output)


class TestRefused(IntakeTest):
    def take_away(self) -> None:
        self.way.refuse()

    def test_calls_are_answered_by_the_other_conductor(self) -> None:
        self.other()
        self.take_away()
        for _ in range(20):
            self.assertEqual([], base.services(self.remote.context()))
        self.way.heal()
        self.wait_until_it_serves()
        self.assertNotIn('Unexpected failure', self.log.output)

    def test_beats_that_it_holds_are_written_by_the_other(self) -> None:
        membership = self.remote.membership(
            'node1', 'acme-worker', 'worker', 1
        )
        service = membership.join()
        base.stop_beating(membership)
        base.stop_beats_of(self.cut_off)
        # They may have beaten once before they were stopped.
        self.wait_for(
            'the beats before',
            lambda: not self.deployment.queue_depth('sgconductor-beats.info'),
        )
        self.take_away()
        count = self.get_count(service)
        for _ in range(10):
            self.deployment.beat(self.remote, service)
        self.wait_until_it_takes_nothing()
        self.assertEqual(
            10, self.deployment.queue_depth('sgconductor-beats.info')
        )
        self.assertEqual(count, self.get_count(service))
        self.other()
        self.wait_for(
            'the beats', lambda: self.get_count(service) == count + 10
        )
        self.wait_for(
            'the acknowledgements',
            lambda: not self.deployment.queue_depth('sgconductor-beats.info'),
        )

    def test_it_serves_again_without_a_restart(self) -> None:
        self.take_away()
        self.assertRaises(
            exception.Unreachable,
            objects.ServiceList.get_page,
            self.deployment.remote(timeout=1).context(),
        )
        self.wait_until_it_takes_nothing()
        self.way.heal()
        self.assertEqual([], base.services(self.remote.context()))

    def test_it_stops_soon_while_it_takes_nothing(self) -> None:
        self.take_away()
        self.wait_until_it_takes_nothing()
        self.cut_off.stop()
        self.assertNotIn('Traceback', self.log.output)

    def test_it_serves_again_after_a_server_did_not_start(self) -> None:
        membership = self.remote.membership(
            'node1', 'acme-worker', 'worker', 1
        )
        self.addCleanup(membership.leave)
        service = membership.join()
        self.take_away()
        self.wait_until_it_takes_nothing()
        listener: Any = self.cut_off._intake._listener
        start, failures = listener.start, iter([OSError('no more files')])

        def start_later(**options: Any) -> None:
            for failure in failures:
                raise failure
            start(**options)

        self.useFixture(
            fixtures.MockPatchObject(listener, 'start', start_later)
        )
        self.way.heal()
        self.wait_until_it_serves()
        self.assertEqual(1, self.logged('cannot serve yet: no more files'))
        count = self.get_count(service)
        self.wait_for('beats', lambda: self.get_count(service) > count)
        self.cut_off.stop()

    def get_count(self, service: objects.Service) -> int:
        """How many beats of a service are in the table."""
        table = models.services
        with self.deployment.db.reader() as conn:
            count: int = conn.execute(
                sa.select(table.c.report_count).where(table.c.id == service.id)
            ).scalar_one()
        return count


class TestSilent(TestRefused):
    """The database's packets are dropped, without an answer."""

    def take_away(self) -> None:
        self.way.freeze()
