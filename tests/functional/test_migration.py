"""From one driver to another, under a fleet that stays up."""

import json
from typing import Any

import testresources

from sgconductor import app
from sgconductor import objects
from sgconductor.app import conductor as conductor_app
from tests import base
from tests import deployment
from tests import resources

HOSTS = [f'node{i}' for i in range(4)]


class TestMigration(testresources.ResourcedTestCase, base.TestCase):
    """By the steps of "Move to another driver" in the README."""

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
        self.place = self.useFixture(
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

    def test_nobody_goes_down(self) -> None:
        self.restart_conductor('db')
        self.restart_members('db')
        marker = self.events()[-1].id
        # Members feed both, the first decides.
        self.restart_conductor('db', 'zookeeper')
        self.restart_members('db', 'zookeeper', HOSTS[:2])
        self.wait_for('half', lambda: self.disagree() == HOSTS[2:])
        self.assertEqual([('db', ''), ('zookeeper', '')], self.drivers())
        self.restart_members('db', 'zookeeper', HOSTS[2:])
        self.wait_for('all', lambda: self.disagree() == [])
        self.assertEqual([0, 0, 1, 1], self.times())
        # The other way round, and then without the first.
        self.restart_conductor('zookeeper', 'db')
        self.restart_members('zookeeper', 'db')
        self.wait_for('all', lambda: self.disagree() == [])
        self.restart_conductor('zookeeper')
        self.restart_members('zookeeper')
        self.wait_for(
            'zookeeper', lambda: self.drivers() == [('zookeeper', '')]
        )
        self.assertEqual(
            {'up'}, {one['verdicts'][0][0] for one in self.compared()}
        )
        self.assertEqual([], self.down_events(marker))
        # It is ZooKeeper that finds out now.
        self.remotes[HOSTS[0]].close()
        self.wait_for(
            'its end', lambda: [HOSTS[0]] == self.down_events(marker)
        )

    def restart_conductor(
        self, driver: str, shadow: str | None = None
    ) -> None:
        """The next one runs before the last one stops, as on two hosts."""
        name = f'conductor{len(self.conductors) + 1}'
        self.conductors.append(
            self.place.conductor(
                conductor__host=name,
                servicegroup__driver=driver,
                servicegroup__shadow_driver=shadow,
            )
        )
        for older in self.conductors[:-1]:
            older.stop()
        self.context = self.place.remote().context()

    def restart_members(
        self,
        driver: str,
        shadow: str | None = None,
        hosts: list[str] = HOSTS,
    ) -> None:
        for host in hosts:
            remote = self.place.remote(
                servicegroup__driver=driver, servicegroup__shadow_driver=shadow
            )
            member = remote.membership(host, 'acme-worker', 'worker', 1)
            member.join()
            self.addCleanup(member.stop)
            before, self.remotes[host] = self.remotes.get(host), remote
            if before is not None:
                before.close()

    def compared(self) -> list[dict[str, Any]]:
        answer = objects.ServiceList.compare(self.context)
        return [one for one in answer['services'] if one['host'] in HOSTS]

    def drivers(self) -> list[tuple[str, str]]:
        answer = objects.ServiceList.compare(self.context)
        return [(one['name'], one['trouble']) for one in answer['drivers']]

    def disagree(self) -> list[str]:
        """The hosts on whose services the drivers are known to disagree."""
        return [one['host'] for one in self.compared() if one['since']]

    def times(self) -> list[int]:
        return [one['disagreements'] for one in self.compared()]

    def events(self, marker: int | None = None) -> Any:
        return objects.EventList.get_page(self.context, marker=marker)

    def down_events(self, marker: int) -> list[str]:
        return [
            json.loads(one.payload)['versioned_object.data']['host']
            for one in self.events(marker)
            if one.type == 'service.down' and 'node' in one.payload
        ]
