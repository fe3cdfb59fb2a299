"""The driver zookeeper, on a real server."""

import functools
import json
import os
import pathlib
import queue
import signal
import subprocess
import threading
import time
import uuid
import warnings
from collections.abc import Callable
from collections.abc import Set
from concurrent import futures
from typing import Any

import fixtures
import testresources
from kazoo import client as kazoo_client
from oslo_config import cfg

from sgconductor import conf as sg_conf
from sgconductor import exception
from sgconductor.servicegroup import driver as sg_driver
from sgconductor.servicegroup.drivers import zookeeper
from sgconductor.servicegroup.drivers import zookeeper_view
from tests import base
from tests import program
from tests import resources
from tests.servers import process
from tests.servers import proxy
from tests.servers import zookeeper as zookeeper_server

_PROCESS = str(pathlib.Path(__file__).parent / 'zookeeper_process.py')

# Seconds within which any call must return, whatever the server does, with
# room for a loaded machine.
BOUND = 8.0

UNREACHABLE = exception.DriverUnreachable


class ZooKeeperTest(testresources.ResourcedTestCase, base.TestCase):
    """Tests that have a root node of their own each."""

    resources = [('server', resources.ZOOKEEPER)]
    server: Any

    def setUp(self) -> None:
        super().setUp()
        self.hosts: str = self.server.hosts
        self.root = f'/test-{uuid.uuid4()}'

    def driver(self, timeout: float = 10, **more: Any) -> sg_driver.Driver:
        more = {'hosts': self.hosts, 'root': self.root} | more
        made = zookeeper.ZooKeeperDriver(session_timeout=timeout, **more)
        self.addCleanup(made.close)
        return made

    def kazoo(self) -> kazoo_client.KazooClient:
        client = kazoo_client.KazooClient(self.hosts)
        client.start()
        self.addCleanup(client.close)
        self.addCleanup(client.stop)
        return client

    def member(
        self, host: str = 'node1', topic: str = 'worker', incarnation: int = 1
    ) -> sg_driver.Member:
        return sg_driver.Member(
            f'uuid-{host}', host, 'acme-worker', topic, incarnation
        )

    def alive(
        self, watcher: sg_driver.Driver, *members: sg_driver.Member
    ) -> set[sg_driver.Member] | None:
        """Which members are present; None while the driver cannot tell."""
        try:
            presence = watcher.alive(members)
        except UNREACHABLE:
            return None
        return None if presence.unknown else set(presence.alive)

    def wait_until_alive(
        self, watcher: sg_driver.Driver, *members: sg_driver.Member
    ) -> None:
        self.wait_for(
            f'{members} alive',
            lambda: self.alive(watcher, *members) == set(members),
        )

    def wait_until_gone(
        self, watcher: sg_driver.Driver, *members: sg_driver.Member
    ) -> None:
        self.wait_for(
            f'{members} gone', lambda: self.alive(watcher, *members) == set()
        )

    def owner(self, member: sg_driver.Member) -> int | None:
        """The session of the member's node; None if there is no node."""
        path = zookeeper.ZooKeeperDriver('', root=self.root).explain(member)
        # A server that was away may have ended this session too.
        stat = self.onchecker.retry(self.onchecker.exists, path)
        return stat.ephemeralOwner if stat else None

    @functools.cached_property
    def onchecker(self) -> kazoo_client.KazooClient:
        return self.kazoo()

    def packets(self) -> int:
        """How many packets the server has received."""
        lines = self.server.ask('mntr').splitlines()
        (line,) = (x for x in lines if x.startswith('zk_packets_received'))
        return int(line.split()[1])


class TestMembers(ZooKeeperTest):
    def test_join_and_leave_are_seen(self) -> None:
        one, other = self.driver(), self.driver()
        member, neighbour = self.member(), self.member('node2')
        other.watch()
        self.assertEqual(set(), self.alive(other, member))
        one.join(member)
        one.join(neighbour)
        self.wait_until_alive(other, member, neighbour)
        one.leave(member)
        self.wait_until_gone(other, member)
        self.assertEqual({neighbour}, self.alive(other, member, neighbour))

    def test_calls_can_be_repeated(self) -> None:
        one, member = self.driver(), self.member()
        for _ in range(2):
            one.join(member)
            one.beat(member)
            self.wait_until_alive(one, member)
        for _ in range(2):
            one.leave(member)
            self.wait_until_gone(one, member)
        one.join(member)
        self.wait_until_alive(one, member)
        for _ in range(2):
            one.watch()
        for _ in range(2):
            one.close()

    def test_close_removes_members_at_once(self) -> None:
        one, other, member = self.driver(60), self.driver(), self.member()
        one.join(member)
        self.wait_until_alive(other, member)
        one.close()
        self.wait_until_gone(other, member)
        for call in (one.join, one.beat, one.leave):
            error = self.assertRaises(UNREACHABLE, call, member)
            self.assertIn('is closed', str(error))
        self.assertRaises(UNREACHABLE, one.watch)
        self.assertRaises(UNREACHABLE, one.alive, [member])

    def test_each_topic_has_a_node_of_its_own(self) -> None:
        topics = ['a', 'a/b', 'a%2Fb', 'a b', '.', '..', '%2E', '%', 'ä/ö']
        one, other = self.driver(), self.driver()
        members = [self.member('node1', topic) for topic in topics]
        for i, member in enumerate(members):
            one.join(member)
            self.wait_until_alive(other, *members[: i + 1])
            self.assertEqual(
                set(members[: i + 1]), self.alive(other, *members)
            )

    def test_people_can_read_a_node(self) -> None:
        one, member = self.driver(), self.member('node1', 'a/b')
        one.join(member)
        path = one.explain(member)
        self.assertEqual(f'{self.root}/a%2Fb/uuid-node1.1', path)
        data, stat = self.kazoo().get(path)
        self.assertEqual(
            {
                'host': 'node1',
                'binary': 'acme-worker',
                'topic': 'a/b',
                'incarnation': 1,
            },
            json.loads(data),
        )
        self.assertNotEqual(0, stat.ephemeralOwner)

    def test_each_incarnation_has_a_node_of_its_own(self) -> None:
        before, after, other = self.driver(), self.driver(), self.driver()
        older, newer = self.member(), self.member(incarnation=2)
        before.join(older)
        self.wait_until_alive(other, older)
        after.join(newer)
        self.wait_until_alive(other, newer)
        before.leave(older)
        before.beat(older)
        before.leave(older)
        self.wait_until_gone(other, older)
        self.assertEqual({newer}, self.alive(other, older, newer))
        before.close()
        after.beat(newer)
        self.assertEqual({newer}, self.alive(other, older, newer))

    def test_a_conductor_makes_a_member_leave(self) -> None:
        one, conductor, member = self.driver(), self.driver(), self.member()
        one.join(member)
        self.wait_until_alive(conductor, member)
        conductor.leave(member)
        self.wait_until_gone(conductor, member)
        one.beat(member)
        self.assertIsNone(self.owner(member))

    def test_reading_sends_no_requests(self) -> None:
        one, conductor = self.driver(30), self.driver(30)
        members = [self.member(f'node{i}') for i in range(20)]
        for member in members:
            one.join(member)
        self.wait_until_alive(conductor, *members)
        before = self.packets()
        for _ in range(1000):
            self.assertEqual(20, len(conductor.alive(members).alive))
            one.beat(members[0])
        self.assertLess(self.packets() - before, 20)

    def test_many_changes_are_read_with_few_requests(self) -> None:
        conductor, client = self.driver(30), self.kazoo()
        members = [self.member(f'node{i}') for i in range(500)]
        self.assertEqual(set(), self.alive(conductor, *members))
        client.ensure_path(f'{self.root}/worker')
        before = self.packets()
        for member in members:
            client.create(conductor.explain(member), ephemeral=True)
        self.wait_until_alive(conductor, *members)
        self.assertLess(self.packets() - before - len(members), 150)

    def test_five_thousand_members_in_one_call(self) -> None:
        conductor, client = self.driver(30), self.kazoo()
        members = [self.member(f'node{i}') for i in range(5000)]
        client.ensure_path(f'{self.root}/worker')
        promises = [
            client.create_async(conductor.explain(member), ephemeral=True)
            for member in members
        ]
        for promise in promises:
            promise.get(timeout=base.PATIENCE)
        conductor.watch()
        self.assertEqual(set(members), self.alive(conductor, *members))
        client.delete(conductor.explain(members[17]))
        self.wait_until_gone(conductor, members[17])
        self.assertEqual(4999, len(conductor.alive(members).alive))


class TestSessions(ZooKeeperTest):
    def start(self, host: str) -> program.Program:
        return self.useFixture(
            program.Program(
                'python', _PROCESS, self.hosts, self.root, '1', host
            )
        )

    def test_a_killed_member_becomes_absent(self) -> None:
        conductor, member = self.driver(), self.member()
        neighbour = self.member('node2')
        self.start('node2')
        running = self.start('node1')
        self.wait_until_alive(conductor, member, neighbour)
        running.signal(signal.SIGKILL)
        self.wait_until_gone(conductor, member)
        self.wait_until_alive(conductor, neighbour)

    def test_a_member_that_hung_returns_by_itself(self) -> None:
        conductor, member = self.driver(), self.member()
        running = self.start('node1')
        self.wait_until_alive(conductor, member)
        owner = self.owner(member)
        running.signal(signal.SIGSTOP)
        self.wait_until_gone(conductor, member)
        running.signal(signal.SIGCONT)
        self.wait_until_alive(conductor, member)
        self.assertNotEqual(owner, self.owner(member))

    def test_a_node_of_an_older_session_is_taken_over(self) -> None:
        sessions = [self.driver(), self.driver()]
        conductor, member = self.driver(), self.member()
        sessions[0].join(member)
        self.wait_until_alive(conductor, member)
        done = threading.Event()
        missing = []

        def check() -> None:
            while not done.wait(0.001):
                missing.append(self.alive(conductor, member) == set())

        checker = threading.Thread(target=check)
        checker.start()
        self.addCleanup(checker.join)
        self.addCleanup(done.set)
        owners = set()
        for turn in range(60):
            sessions[turn % 2].join(member)
            owners.add(self.owner(member))
        done.set()
        checker.join()
        self.assertEqual(2, len(owners))
        self.assertTrue(missing)
        self.assertFalse(any(missing))
        sessions[0].close()
        sessions[1].beat(member)
        self.assertEqual({member}, self.alive(conductor, member))

    def test_a_join_succeeds_while_another_driver_interferes(self) -> None:
        one, other, member = self.driver(), self.driver(), self.member()
        done = threading.Event()

        def trouble() -> None:
            while not done.wait(0.01):
                other.join(member)
                other.leave(member)

        with futures.ThreadPoolExecutor(1) as pool:
            troubled = pool.submit(trouble)
            try:
                for _ in range(100):
                    one.join(member)
            finally:
                done.set()
            troubled.result()
        one.join(member)
        self.wait_until_alive(one, member)

    def test_a_forked_child_has_a_session_of_its_own(self) -> None:
        mine, conductor = self.driver(), self.driver()
        ours, childs = self.member('node1'), self.member('node2')
        mine.join(ours)
        self.assertEqual({ours}, self.alive(mine, ours))
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            # Later releases of Python warn of forks among threads.
            warnings.simplefilter('ignore', DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            try:
                mine.join(childs)
                self.wait_until_alive(mine, ours, childs)
                os.write(writer, b'x')
                threading.Event().wait(base.PATIENCE)
            finally:
                os._exit(0)
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        self.assertEqual(b'x', os.read(reader, 1))
        self.wait_until_alive(conductor, ours, childs)
        self.wait_until_alive(mine, ours, childs)
        self.assertNotEqual(self.owner(ours), self.owner(childs))
        mine.close()
        self.wait_until_gone(conductor, ours)
        self.wait_until_alive(conductor, childs)


class TestOutage(ZooKeeperTest):
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.server.start)

    def wait_until_lost(self, *drivers: sg_driver.Driver) -> None:
        def lost() -> bool:
            return all(self.alive(x, self.member()) is None for x in drivers)

        self.wait_for('notice of the outage', lost)

    def beat_until_alive(
        self,
        one: sg_driver.Driver,
        conductor: sg_driver.Driver,
        member: sg_driver.Member,
    ) -> None:
        def check() -> bool:
            self.time(lambda: one.beat(member))
            return self.alive(conductor, member) == {member}

        self.wait_for('the member', check)

    def time(self, call: Callable[[], object]) -> float:
        """How long a call took; it may raise DriverUnreachable only."""
        began = time.monotonic()
        try:
            call()
        except UNREACHABLE as error:
            self.assertIn(self.hosts, str(error))
        return time.monotonic() - began

    def test_members_survive_a_restart_of_the_server(self) -> None:
        one, conductor, member = self.driver(), self.driver(), self.member()
        one.join(member)
        self.wait_until_alive(conductor, member)
        self.wait_until_alive(one, member)
        owner = self.owner(member)
        self.server.stop()
        self.wait_until_lost(one, conductor)
        for _ in range(100):
            for call in (one.beat, conductor.leave):
                self.assertRaises(UNREACHABLE, call, member)
            error = self.assertRaises(UNREACHABLE, conductor.alive, [member])
        self.assertIn('Connection', str(error))
        self.server.start()

        def seen() -> bool:
            found = self.alive(conductor, member)
            self.assertIn(found, (None, {member}))
            return bool(found)

        self.wait_for('the member', seen)
        self.assertEqual(owner, self.owner(member))

    def test_data_from_before_an_outage_is_not_used(self) -> None:
        one, conductor, member = self.driver(), self.driver(), self.member()
        one.join(member)
        self.wait_until_alive(conductor, member)
        self.server.kill()
        self.wait_until_lost(conductor)
        one.close()
        self.server.wipe()
        self.server.start()
        seen: list[set[sg_driver.Member]] = []

        def check() -> bool:
            found = self.alive(conductor, member)
            seen.extend([] if found is None else [found])
            return bool(seen)

        self.wait_for('an answer', check)
        self.assertEqual([set()], seen)
        one = self.driver()
        one.join(member)
        self.wait_until_alive(conductor, member)

    def test_the_next_beat_restores_lost_data(self) -> None:
        one, conductor, member = self.driver(2), self.driver(2), self.member()
        one.join(member)
        self.wait_until_alive(conductor, member)
        self.server.stop()
        self.server.wipe()
        self.server.start()
        self.beat_until_alive(one, conductor, member)

    def test_a_server_that_is_away_at_first(self) -> None:
        self.server.stop()
        one, conductor, member = self.driver(1), self.driver(1), self.member()
        self.assertRaises(UNREACHABLE, conductor.watch)
        self.assertRaises(UNREACHABLE, conductor.alive, [member])
        self.assertRaises(UNREACHABLE, one.join, member)
        self.server.start()
        self.beat_until_alive(one, conductor, member)

    def test_no_call_hangs_while_the_server_hangs(self) -> None:
        one, conductor = self.driver(60), self.driver(60)
        member = self.member()
        late, too_late = self.driver(60), self.driver(60)
        one.join(member)
        self.wait_until_alive(conductor, member)
        self.addCleanup(self.server.thaw)
        self.server.freeze()
        newer = self.member(incarnation=2)
        self.time_each(
            lambda: one.beat(member),
            lambda: one.join(newer),
            lambda: one.leave(member),
            lambda: conductor.alive([member]),
            lambda: conductor.alive([self.member(topic='other')]),
            conductor.watch,
            late.watch,
            lambda: too_late.join(newer),
        )
        # kazoo does not wait for the whole session timeout.
        self.wait_for('another try', lambda: self.logged('time-out'))
        self.time_each(one.close, conductor.close, late.close, too_late.close)

    def time_each(self, *calls: Callable[[], object]) -> None:
        """Make calls at the same time, and check that none takes too long."""
        with futures.ThreadPoolExecutor(len(calls)) as pool:
            for i, took in enumerate(pool.map(self.time, calls)):
                self.assertLess(took, BOUND, f'call {i}')

    def test_a_server_that_tells_nothing_calls_no_newcomer_absent(
        self,
    ) -> None:
        way = self.useFixture(proxy.Proxy(process.LOOPBACK, self.server.port))
        # Its connection is lost only after two thirds of the time.
        conductor = self.driver(60, hosts=way.address)
        one, member, newcomer = self.driver(), self.member(), self.member('n')
        one.join(member)
        self.wait_until_alive(conductor, member)
        way.freeze()
        one.join(newcomer)
        known = self.wait_for(
            'a doubt',
            lambda: (
                answer
                if (answer := conductor.alive([member, newcomer])).unknown
                else None
            ),
        )
        self.assertEqual(({member}, {newcomer}), known)
        self.assertIn('not confirmed', conductor.trouble)
        way.heal()
        self.wait_until_alive(conductor, member, newcomer)
        self.assertEqual('', conductor.trouble)

    def test_a_server_that_hung_is_used_again(self) -> None:
        one, conductor, member = self.driver(1), self.driver(1), self.member()
        one.join(member)
        self.wait_until_alive(conductor, member)
        self.addCleanup(self.server.thaw)
        self.server.freeze()
        self.wait_until_lost(conductor)
        self.server.thaw()
        self.beat_until_alive(one, conductor, member)


class TestSecurity(ZooKeeperTest):
    SECRET = 'x:y@z'

    def test_other_users_cannot_access_the_nodes_of_a_user(self) -> None:
        member = self.member()
        mine = self.driver(credentials=f'sg:{self.SECRET}')
        colleague = self.driver(credentials=f'sg:{self.SECRET}')
        mine.join(member)
        for credentials in (None, 'sg:wrong', f'other:{self.SECRET}'):
            stranger = self.driver(credentials=credentials)
            for call in (stranger.join, stranger.leave):
                error = self.assertRaises(exception.ConfigError, call, member)
                self.assertIn('check user, password and acl', str(error))
            self.assertRaises(exception.ConfigError, stranger.watch)
            silence = self.assertRaises(UNREACHABLE, stranger.alive, [member])
            self.assertIn('check user, password and acl', str(silence))
        self.wait_until_alive(colleague, member)
        colleague.join(member)
        colleague.leave(member)
        self.wait_until_gone(mine, member)
        self.assertEqual(0, self.logged(self.SECRET))

    def test_an_acl_can_let_others_read(self) -> None:
        member = self.member()
        conf = self.conf(
            user='sg',
            password=self.SECRET,
            acl=['auth::cdrwa', 'world:anyone:r'],
        )
        mine = zookeeper.from_conf(conf)
        self.addCleanup(mine.close)
        mine.join(member)
        stranger = self.driver()
        self.wait_until_alive(stranger, member)
        self.assertRaises(exception.ConfigError, stranger.leave, member)

    def test_the_server_refuses_an_acl(self) -> None:
        conf = self.conf(acl=['digest:nobody:cdrwa'])
        one = zookeeper.from_conf(conf)
        self.addCleanup(one.close)
        error = self.assertRaises(
            exception.ConfigError, one.join, self.member()
        )
        self.assertIn('it does not accept acl', str(error))

    def test_taking_over_a_node_needs_the_permission_to_delete(self) -> None:
        conf = self.conf(acl=['world:anyone:crwa'])
        one, other = zookeeper.from_conf(conf), self.driver()
        self.addCleanup(one.close)
        one.join(self.member())
        self.assertRaises(exception.ConfigError, other.join, self.member())
        self.assertRaises(exception.ConfigError, other.beat, self.member())

    def test_the_server_accepts_no_passwords(self) -> None:
        server = self.useFixture(
            zookeeper_server.ZooKeeper(
                properties={
                    'zookeeper.DigestAuthenticationProvider.enabled': 'false'
                }
            )
        )
        one = self.driver(1, hosts=server.hosts, credentials='sg:secret')

        def answer() -> str:
            try:
                one.join(self.member())
            except exception.SGConductorError as error:
                return str(error)
            return 'joined'

        self.wait_for('a refusal', lambda: 'does not accept user' in answer())
        for _ in range(3):
            self.assertIn('does not accept user', answer())
        self.assertRaises(UNREACHABLE, one.alive, [self.member()])
        server.stop()
        server.properties.clear()
        server.start()
        self.wait_for('a join', lambda: answer() == 'joined')

    def conf(self, **values: Any) -> cfg.ConfigOpts:
        values = {'hosts': self.hosts, 'root': self.root} | values
        return _conf(**values)


class TestTLS(ZooKeeperTest):
    def setUp(self) -> None:
        super().setUp()
        # kazoo leaves a socket that failed to the garbage collector.
        warnings.simplefilter('ignore', ResourceWarning)
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.certify('server', f'IP:{process.LOOPBACK}')
        self.certify('client', 'DNS:client')
        (self.folder / 'both.pem').write_text(
            (self.folder / 'server.key').read_text()
            + (self.folder / 'server.crt').read_text()
        )

    def certify(self, name: str, whom: str) -> None:
        options = (
            '-x509 -days 1 -subj /CN=sg -nodes '
            '-newkey ec -pkeyopt ec_paramgen_curve:P-256 '
            f'-addext subjectAltName={whom} '
            f'-keyout {name}.key -out {name}.crt'
        )
        subprocess.run(
            ['openssl', 'req', *options.split()],
            check=True,
            cwd=self.folder,
            capture_output=True,
        )

    def serve(self) -> zookeeper_server.ZooKeeper:
        properties = {
            'keyStore.location': f'{self.folder}/both.pem',
            'keyStore.type': 'PEM',
            'trustStore.location': f'{self.folder}/client.crt',
            'trustStore.type': 'PEM',
            'hostnameVerification': 'false',
            'clientAuth': 'need',
        }
        return self.useFixture(
            zookeeper_server.ZooKeeper(
                properties={
                    f'zookeeper.ssl.{name}': value
                    for name, value in properties.items()
                },
                tls=True,
            )
        )

    def client(self, hosts: str, ca: str, **more: Any) -> sg_driver.Driver:
        made = zookeeper.from_conf(
            _conf(
                hosts=hosts,
                root=self.root,
                tls=True,
                tls_ca_file=f'{self.folder}/{ca}',
                tls_cert_file=f'{self.folder}/client.crt',
                tls_key_file=f'{self.folder}/client.key',
                **more,
            )
        )
        self.addCleanup(made.close)
        return made

    def test_both_sides_check_certificates(self) -> None:
        server, member = self.serve(), self.member()
        one = self.client(server.tls_hosts, 'server.crt')
        one.join(member)
        self.wait_until_alive(one, member)
        for hosts, ca in (
            (server.tls_hosts, 'client.crt'),
            (f'localhost:{server.ports[1]}', 'server.crt'),
        ):
            watch = self.client(hosts, ca, session_timeout=1).watch
            self.wait_for('a complaint', functools.partial(self.doubts, watch))

    def doubts(self, watch: Callable[[], None]) -> bool:
        error = self.assertRaises(UNREACHABLE, watch)
        return 'CERTIFICATE_VERIFY_FAILED' in str(error)


class Double:
    """A client whose answers come when the test puts them."""

    def __init__(self) -> None:
        self.connection = 1
        self.cut_off = False
        self.broken = False
        self.synced = threading.Semaphore(0)
        self.answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        self.asked = threading.Semaphore(0)

    def listen(self, listener: Callable[[], None]) -> None:
        self.reconnected = listener

    def check(self) -> None:
        pass

    def get_children_async(self, path: str, watch: object) -> str:
        return 'children'

    def sync_async(self, path: str) -> str:
        if self.cut_off:
            raise self.unreachable('no answer')
        self.synced.release()
        if self.broken:
            raise ValueError('an error that nobody expects')
        return 'sync'

    def ask(self, request: Callable[[Any], str]) -> list[str]:
        if request(self) == 'sync':
            return []
        self.asked.release()
        return self.answers.get(timeout=base.PATIENCE)

    def unreachable(self, why: str) -> exception.DriverUnreachable:
        return exception.DriverUnreachable('zookeeper', 'there', why)


class Clock:
    """Takes the place of the module time: it stands still until it is set."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class TestView(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = Double()
        self.view = zookeeper_view.View(
            self.client,  # type: ignore[arg-type]
            return_time=1,
        )
        self.addCleanup(self.view.close)
        self.addCleanup(self.client.answers.put, [])

    def names(self) -> Set[str]:
        return self.view.names(['/x'])['/x']

    def wait_for_names(self, *names: str) -> None:
        def check() -> bool:
            try:
                return self.names() == set(names)
            except UNREACHABLE:
                return False

        self.wait_for('the names', check)

    def test_names_from_an_earlier_connection_are_not_used(self) -> None:
        self.client.answers.put(['a'])
        self.assertEqual({'a'}, self.names())
        self.client.connection += 1
        self.assertRaises(UNREACHABLE, self.names)
        self.client.reconnected()
        self.assertRaises(UNREACHABLE, self.names)
        self.client.answers.put(['b'])
        self.wait_for_names('b')

    def test_an_answer_from_before_a_reconnect_is_not_used(self) -> None:
        self.client.answers.put(['a'])
        self.assertEqual({'a'}, self.names())
        self.client.connection += 1
        self.client.reconnected()
        self.assertTrue(self.client.asked.acquire(timeout=base.PATIENCE))
        self.assertTrue(self.client.asked.acquire(timeout=base.PATIENCE))
        self.client.connection += 1
        self.client.answers.put(['b'])
        self.assertTrue(self.client.asked.acquire(timeout=base.PATIENCE))
        self.assertRaises(UNREACHABLE, self.names)
        self.client.answers.put(['c'])
        self.wait_for_names('c')

    def test_a_name_is_unknown_for_a_while_before_it_is_absent(self) -> None:
        self.client.answers.put(['a', 'b'])
        self.assertEqual({'a', 'b'}, self.names())
        self.client.connection += 1
        self.client.reconnected()
        self.client.answers.put(['b'])
        self.wait_for_names('b')
        self.assertEqual({'a'}, self.view.unknown('/x'))
        self.wait_for('its end', lambda: self.view.unknown('/x') == set())
        self.assertEqual({'b'}, self.names())

    def test_a_name_that_is_back_is_not_unknown(self) -> None:
        for names in (['a'], [], ['a']):
            self.client.connection += 1
            self.client.reconnected()
            self.client.answers.put(names)
            self.wait_for_names(*names)
        self.assertEqual(set(), self.view.unknown('/x'))

    def test_names_are_in_doubt_while_the_server_is_cut_off(
        self,
    ) -> None:
        self.client.answers.put(['a'])
        self.assertEqual({'a'}, self.names())
        self.assertEqual('', self.view.trouble)
        self.client.cut_off = True
        self.wait_for('a doubt', lambda: self.view.trouble)
        self.assertEqual({'a'}, self.names())
        self.client.cut_off = False
        self.wait_for('its end', lambda: not self.view.trouble)

    def test_an_error_that_nobody_expects_does_not_end_the_thread(
        self,
    ) -> None:
        self.client.answers.put(['a'])
        self.assertEqual({'a'}, self.names())
        self.client.broken = True
        self.wait_for('the error', lambda: self.logged('nobody expects'))
        self.client.broken = False
        self.client.connection += 1
        self.client.reconnected()
        self.client.answers.put(['b'])
        self.wait_for_names('b')

    def test_an_early_wake_up_does_not_put_the_next_question_off(self) -> None:
        clock = Clock()
        self.useFixture(
            fixtures.MonkeyPatch(
                'sgconductor.servicegroup.drivers.zookeeper_view.time', clock
            )
        )
        self.client.answers.put(['a'])
        self.assertEqual({'a'}, self.names())
        self.assertTrue(self.client.synced.acquire(timeout=base.PATIENCE))
        # After this one, the thread may sleep for 1.3 s.
        clock.now += 0.98
        self.client.reconnected()
        self.assertTrue(self.client.synced.acquire(timeout=5))


class TestConf(base.TestCase):
    """Wrong options are refused before anything is opened."""

    def test_the_defaults_work(self) -> None:
        made = zookeeper.from_conf(_conf())
        self.assertIsInstance(made, zookeeper.ZooKeeperDriver)
        self.assertEqual((1, 10), (made.interval, made.patience))
        made.close()

    def test_a_path_in_hosts_is_put_before_root(self) -> None:
        made = zookeeper.from_conf(_conf(hosts='a:1,[::1]:2/x/y/', root='/z'))
        member = sg_driver.Member('u', 'h', 'b', 't', 7)
        self.assertEqual('/x/y/z/t/u.7', made.explain(member))

    def test_errors_name_the_wrong_option(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / 'empty').touch()
        no_ca = str(folder / 'none')
        bad: list[tuple[str, dict[str, Any]]] = [
            ('hosts', {'hosts': ''}),
            ('hosts', {'hosts': 'a:1,'}),
            ('hosts', {'hosts': 'a:port'}),
            ('hosts', {'hosts': 'a..b:1'}),
            ('path', {'hosts': 'a:1/..'}),
            ('path', {'root': '/x/.'}),
            ('password', {'user': 'sg'}),
            ('user', {'password': 'secret'}),
            ("':'", {'user': 'a:b', 'password': 'secret'}),
            ('acl', {'acl': ['world:anyone']}),
            ('acl', {'acl': ['world:anyone:']}),
            ('acl', {'acl': ['world:anyone:x']}),
            ('acl', {'acl': [':anyone:r']}),
            ('needs user', {'acl': ['auth::cdrwa']}),
            ('tls is off', {'tls_ca_file': no_ca}),
            ('tls_', {'tls': True, 'tls_ca_file': no_ca}),
            ('tls_', {'tls': True, 'tls_ca_file': f'{folder}/empty'}),
            ('tls_', {'tls': True, 'tls_cert_file': f'{folder}/empty'}),
            ('tls_cert_file', {'tls': True, 'tls_key_file': no_ca}),
        ]
        for word, values in bad:
            error = self.assertRaises(
                exception.ConfigError, zookeeper.from_conf, _conf(**values)
            )
            self.assertIn('[servicegroup_zookeeper]', str(error))
            self.assertIn(word, str(error))
            self.assertNotIn('secret', str(error))


def _conf(**values: Any) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    sg_conf.register_opts(conf)
    for name, value in values.items():
        conf.set_override(name, value, 'servicegroup_zookeeper')
    return conf
