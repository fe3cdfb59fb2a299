"""The conformance suite for servicegroup drivers.

It runs a deployment on real servers for each driver. To test another driver,
put its configuration into a file, ``[servicegroup] driver`` and all that the
driver needs, and name the file::

    SGCONDUCTOR_DRIVER_CONF=FILE tools/test.sh --no-checks test_drivers.*other
"""

import contextlib
import functools
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import testresources
from stevedore import extension

from sgconductor import app
from sgconductor import exception
from sgconductor import objects
from sgconductor.servicegroup import driver as sg_driver
from tests import base
from tests import deployment
from tests import program
from tests import resources

_HERE = pathlib.Path(__file__).parent
_OTHER = os.environ.get('SGCONDUCTOR_DRIVER_CONF', '')
_EXAMPLE = _HERE.parents[1] / 'examples' / 'driver.py'


def _db(server: Any) -> str:
    # This driver detects nothing: the suite tests the services table.
    return '[servicegroup]\ndriver = db\n'


def _zookeeper(server: Any) -> str:
    return (
        f'[servicegroup]\ndriver = zookeeper\n'
        f'[servicegroup_zookeeper]\nhosts = {server.hosts}\n'
        f'session_timeout = 3\n'
    )


def _memcache(server: Any) -> str:
    return (
        f'[servicegroup]\ndriver = memcache\n'
        f'[servicegroup_memcache]\nservers = {server.address}\n'
        f'interval = 0.25\ntimeout = 0.5\nttl = 4\n'
    )


def _files(server: Any) -> str:
    return (
        f'[servicegroup]\ndriver = files\n'
        f'[servicegroup_files]\ndirectory = {server}\n'
    )


def _other(server: Any) -> str:
    return pathlib.Path(_OTHER).read_text()


class Package(testresources.TestResourceManager):
    """The example driver, installed for this process and its children.

    The resource is the directory of the members' files.
    """

    def make(self, dependency_resources: dict[str, Any]) -> pathlib.Path:
        root = pathlib.Path(tempfile.mkdtemp())
        info = root / 'acme_files-1.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text('Name: acme-files\nVersion: 1\n')
        (info / 'entry_points.txt').write_text(
            '[sgconductor.servicegroup]\nfiles = acme_files:from_conf\n'
        )
        shutil.copy(_EXAMPLE, root / 'acme_files.py')
        sys.path.insert(0, str(root))
        extension.ExtensionManager.ENTRY_POINT_CACHE.clear()
        (root / 'members').mkdir()
        return root / 'members'

    def clean(self, resource: pathlib.Path) -> None:
        sys.path.remove(str(resource.parent))
        extension.ExtensionManager.ENTRY_POINT_CACHE.clear()
        shutil.rmtree(resource.parent)

    def isDirty(self) -> bool:
        return False


class DriverDeployment:
    """A deployment with a conductor, for one driver.

    :param configuration: makes the driver's configuration for its server
    """

    # Set by testresources.
    broker: Any
    database: Any
    server: Any = None

    def __init__(self, configuration: Callable[[Any], str]) -> None:
        self._configuration = configuration
        self._running: deployment.Deployment | None = None
        self.conductor: Any = None

    def open(self) -> deployment.Deployment:
        """The running deployment; the first test of the driver starts it."""
        if self._running is None:
            running = deployment.Deployment(
                self.broker,
                self.database,
                more=self._configuration(self.server),
            )
            running.setUp()
            self._running = running
            self.conductor = running.conductor(**_options(running))
        return self._running

    def close(self) -> None:
        if self._running is not None:
            self._running.cleanUp()


class DriverDeploymentResource(testresources.TestResourceManager):
    """One deployment for all tests of a driver.

    :param server: the driver's server; None if it has none
    """

    def __init__(
        self, configuration: Callable[[Any], str], server: Any
    ) -> None:
        super().__init__()
        self._configuration = configuration
        self.resources = [
            ('broker', resources.RABBITMQ),
            ('database', resources.MARIADB),
        ]
        if server is not None:
            self.resources.append(('server', server))

    def make(self, dependency_resources: dict[str, Any]) -> DriverDeployment:
        return DriverDeployment(self._configuration)

    def clean(self, resource: DriverDeployment) -> None:
        resource.close()

    def isDirty(self) -> bool:
        return False


def _options(running: deployment.Deployment) -> dict[str, Any]:
    """Options of members: a short ``down_after`` for the null driver."""
    driver = running.conf().servicegroup.driver
    return {'servicegroup__down_after': 4 if driver == 'db' else 30}


_DEPLOYMENTS = {
    'db': DriverDeploymentResource(_db, resources.MARIADB),
    'zookeeper': DriverDeploymentResource(_zookeeper, resources.ZOOKEEPER),
    'memcache': DriverDeploymentResource(_memcache, resources.MEMCACHED),
    **({'other': DriverDeploymentResource(_other, None)} if _OTHER else {}),
}


class DriverTest(testresources.ResourcedTestCase, base.TestCase):
    shared: DriverDeployment

    def setUp(self) -> None:
        super().setUp()
        self.deployment = self.shared.open()
        self.conductor = self.shared.conductor
        self.server = self.shared.server
        self.options = _options(self.deployment)
        self.remote = self.new_remote()
        # Each test has a host of its own.
        self.host = f'{self.id().split(".test_")[-1][:40]}'.replace('(', '-')
        self.host = re.sub('[^A-Za-z0-9-]', '-', self.host)

    def new_remote(self) -> app.Remote:
        remote = app.Remote(self.deployment.conf(**self.options), timeout=10)
        self.addCleanup(remote.close)
        return remote

    def member(self, host: str = '', topic: str = 'worker') -> Any:
        """A member in this process that has joined."""
        member = self.remote.membership(
            host or self.host, f'acme-{topic}', topic, 1
        )
        member.join()
        self.addCleanup(member.leave)
        return member

    def process(self, script: str, *hosts: str) -> program.Program:
        """Members in another process that have joined."""
        started = self.useFixture(
            program.Program(
                'python',
                str(_HERE / f'{script}_process.py'),
                self.deployment.config_file(**self.options),
                *hosts,
                env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
            )
        )
        for host in hosts:
            self.wait_for(f'{host} to be up', functools.partial(self.up, host))
        return started

    def service(
        self, host: str = '', topic: str = 'worker'
    ) -> objects.Service:
        return objects.Service.get_by_host_and_binary(
            self.remote.context(), host or self.host, f'acme-{topic}'
        )

    def up(self, host: str = '', topic: str = 'worker') -> bool:
        services = objects.ServiceList.get_page(
            self.remote.context(),
            host=host or self.host,
            binary=f'acme-{topic}',
        )
        return any(service.is_up for service in services.objects)

    def wait_until_down(self, host: str = '') -> None:
        self.wait_for('its death', lambda: not self.up(host))

    def knows(self, service: objects.Service) -> bool:
        """Whether the driver has a record of a service's incarnation.

        The driver is asked until it answers: on a busy machine, this process
        may be delayed for longer than its session lasts. The null driver has
        no records.
        """
        (driver,) = self.conductor.backend.drivers
        member = sg_driver.Member(
            service.uuid,
            service.host,
            service.binary,
            service.topic,
            service.incarnation,
        )

        def answer() -> Any:
            with contextlib.suppress(exception.Unreachable):
                presence = driver.alive([member])
                return None if member in presence.unknown else presence

        return (
            driver.detects
            and member in self.wait_for('the driver to answer', answer).alive
        )

    def has_driver(self) -> bool:
        return bool(self.conductor.backend.drivers[0].detects)

    def wait_until_known(self, service: objects.Service) -> None:
        self.wait_for(
            'the driver to know',
            lambda: self.knows(service) == self.has_driver(),
        )

    def need_server(self) -> None:
        if not hasattr(self.server, 'kill'):
            self.skipTest('no server of its own to stop')

    def answered(self) -> bool:
        try:
            return self.up()
        except Exception:
            return False


class TestConformance(DriverTest):
    scenarios = [
        (name, {'resources': [('shared', shared)]})
        for name, shared in _DEPLOYMENTS.items()
    ]

    def test_join(self) -> None:
        member = self.member()
        self.assertTrue(self.up())
        self.assertEqual(
            'up', self.service().liveness, self.service().liveness_reason
        )
        self.wait_until_known(member.service)

    def test_beat(self) -> None:
        self.member()
        # A member that did not beat would be down by then.
        while self.service().report_count < 6:
            service = self.service()
            self.assertTrue(service.is_up, service.liveness_reason)

    def test_leave(self) -> None:
        member = self.member()
        service = member.service
        self.wait_for('a beat', lambda: self.service().report_count)
        member.leave()
        self.assertEqual('down', self.service().liveness)
        self.assertIn('left at', self.service().liveness_reason)
        self.wait_for('the driver', lambda: not self.knows(service))

    def test_delete(self) -> None:
        service = self.member().service
        self.wait_until_known(service)
        # Its process notices, and does not make it present again.
        self.service().destroy()
        self.wait_for('the driver', lambda: not self.knows(service))
        self.wait_for(
            'the loss', lambda: self.logged('ERROR acme-worker on') == 1
        )
        self.assertFalse(self.knows(service))

    def test_killed_and_joined_again(self) -> None:
        process = self.process('member', self.host)
        process.kill()
        self.wait_until_down()
        self.assertFalse(self.knows(self.service()))
        self.member()
        self.assertTrue(self.up(), self.service().liveness_reason)

    def test_a_process_that_hangs_and_goes_on(self) -> None:
        """A process that hangs goes down, and up when it goes on."""
        process = self.process('member', self.host)
        self.addCleanup(process.signal, signal.SIGCONT)
        incarnation = self.service().incarnation
        process.signal(signal.SIGSTOP)
        self.wait_until_down()
        self.assertNotEqual('', self.service().liveness_reason)
        self.assertFalse(self.knows(self.service()))
        process.signal(signal.SIGCONT)
        self.wait_for('its return', self.up)
        self.assertEqual(incarnation, self.service().incarnation)

    def test_rejoin(self) -> None:
        older = self.member()
        first = older.service
        older.leave()
        self.assertFalse(self.up())
        newer = self.member()
        self.assertTrue(self.up())
        # A late leave of the older incarnation does not affect the newer one.
        self.assertFalse(first.leave())
        for driver in self.conductor.backend.drivers:
            driver.leave(
                sg_driver.Member(
                    first.uuid, first.host, first.binary, first.topic, 1
                )
            )
        self.wait_for('beats', lambda: self.service().report_count >= 4)
        self.assertTrue(self.up(), self.service().liveness_reason)
        self.assertEqual(2, newer.service.incarnation)

    def test_many_members(self) -> None:
        hosts = [f'{self.host}-{i}' for i in range(30)]
        members = [self.member(host) for host in hosts]

        def liveness() -> set[str]:
            found = objects.ServiceList.walk(self.remote.context())
            return {one.liveness for one in found if one.host in hosts}

        # On a busy machine, beats may be late, and some members unknown.
        self.wait_for('them to be up', lambda: liveness() == {'up'})
        for member in members[:15]:
            member.leave()
        states = [self.up(host) for host in hosts]
        self.assertEqual([False] * 15 + [True] * 15, states)

    def test_odd_host_names(self) -> None:
        odd = [
            'a.b-c_d:e@f',
            f'{self.host}.',
            self.host.upper(),
            f'{self.host}{"x" * 190}'[:190],
            '0',
        ]
        members = [self.member(host) for host in odd]
        for member in members:
            self.wait_until_known(member.service)
        self.assertEqual([True] * len(odd), [self.up(host) for host in odd])
        members[0].leave()
        self.assertEqual(
            [False, True, True, True, True], [self.up(host) for host in odd]
        )

    def test_one_host_name_in_two_topics(self) -> None:
        one, _ = self.member(), self.member(topic='api')
        one.leave()
        self.assertFalse(self.up())
        self.wait_for(
            'beats', lambda: self.service(topic='api').report_count >= 4
        )
        self.assertTrue(self.up(topic='api'))

    def test_a_service_is_up_only_if_table_and_driver_agree(self) -> None:
        fresh, stale = (f'{self.host}-{n}' for n in (1, 2))
        # Fresh in the table, and never present in the driver.
        unfed = app.Remote(
            self.deployment.conf(servicegroup__driver='db', **self.options),
            timeout=10,
        )
        self.addCleanup(unfed.close)
        member = unfed.membership(fresh, 'acme-worker', 'worker', 1)
        member.join()
        self.addCleanup(member.leave)
        if self.has_driver():
            self.assertEqual(1, self.logged('sends it no heartbeats'))
            self.wait_until_down(fresh)
            self.assertIn('has no acme-worker', self.why(fresh))
        # Present in the driver, and stale in the table.
        member = self.member(stale)
        service = member.service
        self.wait_until_known(service)
        member.stop()
        self.wait_for(
            'its last beat',
            lambda: not self.deployment.queue_depth('sgconductor-beats.info'),
        )
        self.deployment.age(service.id, 100)
        self.wait_until_down(stale)
        self.assertIn('last beat', self.why(stale))
        # Fresh and present, but forced down.
        service = self.member().service
        service.forced_down = True
        service.save()
        self.assertEqual((False, 'forced down'), (self.up(), self.why()))
        service.forced_down = False
        service.save()
        self.assertTrue(self.up(), self.why())

    def why(self, host: str = '') -> str:
        return self.service(host).liveness_reason

    def test_forked_workers(self) -> None:
        hosts = [f'{self.host}-{i}' for i in range(3)]
        process = self.process('forked', *hosts)
        self.wait_for('all', lambda: process.output.count(' is ') == 3)
        told = dict(re.findall(r'-(\d) is (\d+)', process.output))
        os.kill(int(told['1']), signal.SIGKILL)
        self.wait_until_down(hosts[1])
        self.assertTrue(self.up(hosts[0]))
        self.assertTrue(self.up(hosts[2]))

    def test_server_restart(self) -> None:
        self.need_server()
        self.member()
        process = self.process('member', f'{self.host}-dies')
        self.server.kill()
        self.server.start()
        self.wait_for('an answer', self.answered)
        count = self.service().report_count
        while self.service().report_count < count + 6:
            service = self.service()
            self.assertTrue(service.is_up, service.liveness_reason)
        # It detects a death again.
        process.signal(signal.SIGKILL)
        self.wait_until_down(f'{self.host}-dies')

    def test_server_gone(self) -> None:
        self.need_server()
        before = self.member()
        leaves, deleted = (self.member(f'{self.host}-{n}') for n in (1, 2))
        gone, left = deleted.service, leaves.service
        self.wait_until_known(left)
        self.server.kill()
        self.addCleanup(self.server.start)
        if self.has_driver():
            # The table alone decides, and no call waits for the server.
            count = self.service().report_count
            self.wait_for(
                'beats', lambda: self.service().report_count >= count + 4
            )
            self.assertTrue(self.up(), self.service().liveness_reason)
            self.member(f'{self.host}-new')
            self.assertTrue(self.up(f'{self.host}-new'))
            deleted.stop()
            gone.destroy()
            leaves.leave()
            self.assertFalse(self.up(f'{self.host}-1'))
        self.server.start()
        self.wait_for('an answer', self.answered)
        self.wait_for(
            'the records to be cleared',
            lambda: not any(map(self.knows, (gone, left))),
        )
        self.assertTrue(self.up(), self.service().liveness_reason)
        self.assertEqual(1, before.service.incarnation)


class TestExample(DriverTest):
    """The driver in examples, from a package that is not installed."""

    scenarios = [
        (
            '',
            {
                'resources': [
                    ('shared', DriverDeploymentResource(_files, Package()))
                ]
            },
        )
    ]

    test_join = TestConformance.test_join
    test_leave = TestConformance.test_leave
    test_killed = TestConformance.test_killed_and_joined_again
    test_two_groups = TestConformance.test_one_host_name_in_two_topics
