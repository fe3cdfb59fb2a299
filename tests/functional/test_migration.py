"""A move from one driver to another, in which no service goes down."""

import json
from typing import Any

import testresources

from sgconductor import app
from sgconductor import objects
from sgconductor.app import conductor as conductor_app
from sgconductor.messaging import shortcuts
from tests import base
from tests import deployment
from tests import resources

HOSTS = [f'node{i}' for i in range(4)]


class TestMigration(testresources.ResourcedTestCase, base.TestCase):
    """The steps of "Move to another driver" in the README."""

    resources = [
        ('broker', resources.RABBITMQ),
        ('server', resources.MARIADB),
        ('ensemble', resources.ZOOKEEPER),
    ]
    broker: Any
    server: Any
    ensemble: Any

    def setUp(self) -> None:
        super().setUp()
        self.deployment = self.useFixture(
            deployment.Deployment(
                self.broker,
                self.server,
                more=(
                    f'[servicegroup_zookeeper]\nhosts = {self.ensemble.hosts}'
                    f'\nsession_timeout = 2\n'
                ),
            )
        )
        self.conductors: list[conductor_app.Conductor] = []
        self.remotes: dict[str, app.Remote] = {}

    def test_no_service_goes_down_in_a_move_to_another_driver(self) -> None:
        if shortcuts.Shortcut.CANCEL_CONSUMERS not in shortcuts.usable():
            self.skipTest('calls are lost when a conductor restarts')
        self.restart_conductor('db')
        self.restart_members('db')
        marker = self.events()[-1].id
        # Members report to both drivers, and the first decides.
        self.restart_conductor('db', 'zookeeper')
        self.restart_members('db', 'zookeeper', HOSTS[:2])
        self.wait_for(
            'the drivers to disagree on hosts that report to one only',
            lambda: self.disagree() == HOSTS[2:],
        )
        self.assertEqual([('db', ''), ('zookeeper', '')], self.drivers())
        self.restart_members('db', 'zookeeper', HOSTS[2:])
        self.wait_for('the drivers to agree', lambda: self.disagree() == [])
        self.assertEqual([0, 0, 1, 1], self.disagreements())
        # The second driver decides, and then the first one is left out.
        self.restart_conductor('zookeeper', 'db')
        self.restart_members('zookeeper', 'db')
        self.wait_for('the drivers to agree', lambda: self.disagree() == [])
        self.restart_conductor('zookeeper')
        self.restart_members('zookeeper')
        self.wait_for(
            'zookeeper to be the only driver',
            lambda: self.drivers() == [('zookeeper', '')],
        )
        self.assertEqual(
            {'up'},
            {service['verdicts'][0][0] for service in self.compared()},
        )
        self.assertEqual([], self.down_events(marker))
        # Now ZooKeeper notices that a member is gone.
        self.remotes[HOSTS[0]].close()
        self.wait_for(
            'the service to be down',
            lambda: [HOSTS[0]] == self.down_events(marker),
        )

    def restart_conductor(
        self, driver: str, shadow: str | None = None
    ) -> None:
        """Start the next conductor, and then stop the one before."""
        name = f'conductor{len(self.conductors) + 1}'
        self.conductors.append(
            self.deployment.conductor(
                conductor__host=name,
                servicegroup__driver=driver,
                servicegroup__shadow_driver=shadow,
            )
        )
        for older in self.conductors[:-1]:
            older.stop()
        self.context = self.deployment.remote().context()

    def restart_members(
        self,
        driver: str,
        shadow: str | None = None,
        hosts: list[str] = HOSTS,
    ) -> None:
        for host in hosts:
            remote = self.deployment.remote(
                servicegroup__driver=driver, servicegroup__shadow_driver=shadow
            )
            member = remote.membership(host, 'acme-worker', 'worker', 1)
            member.join()
            self.addCleanup(member.stop)
            before, self.remotes[host] = self.remotes.get(host), remote
            if before is not None:
                before.close()

    def compared(self) -> list[dict[str, Any]]:
        """What the drivers report of each member."""
        answer = objects.ServiceList.compare(self.context)
        return [
            service
            for service in answer['services']
            if service['host'] in HOSTS
        ]

    def drivers(self) -> list[tuple[str, str]]:
        """The name and the trouble of each driver."""
        answer = objects.ServiceList.compare(self.context)
        return [
            (driver['name'], driver['trouble']) for driver in answer['drivers']
        ]

    def disagree(self) -> list[str]:
        """The hosts on whose services the drivers disagree now."""
        return [
            service['host'] for service in self.compared() if service['since']
        ]

    def disagreements(self) -> list[int]:
        """How often the drivers disagreed on each member."""
        return [service['disagreements'] for service in self.compared()]

    def events(self, marker: int | None = None) -> Any:
        return objects.EventList.get_page(self.context, marker=marker)

    def down_events(self, marker: int) -> list[str]:
        """The hosts of the members that went down after an event."""
        return [
            json.loads(event.payload)['versioned_object.data']['host']
            for event in self.events(marker)
            if event.type == 'service.down' and 'node' in event.payload
        ]
