"""The driver memcache, on real servers."""

import contextlib
import json
import pathlib
import signal
import socketserver
import threading
import time
import uuid
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import fixtures
import testresources
from oslo_config import cfg
from pymemcache.client import base as memcache_client

from sgconductor import conf as sg_conf
from sgconductor import exception
from sgconductor.servicegroup import driver as sg_driver
from sgconductor.servicegroup.drivers import memcache
from sgconductor.servicegroup.drivers import memcache_markers
from tests import base
from tests import program
from tests import resources
from tests.servers import memcached
from tests.servers import process

INTERVAL = 0.25
TIMEOUT = 0.5
TTL = 4
CANARY = 2

SCRIPT = pathlib.Path(__file__).with_name('memcache_process.py')


def configuration(**options: Any) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    sg_conf.register_opts(conf)
    options = {'interval': INTERVAL, 'ttl': TTL, 'timeout': TIMEOUT} | options
    for name, value in options.items():
        conf.set_override(name, value, 'servicegroup_memcache')
    return conf


def member(
    host: str = 'node1', binary: str = 'acme-worker', incarnation: int = 1
) -> sg_driver.Member:
    return sg_driver.Member(
        str(uuid.uuid4()), host, binary, 'worker', incarnation
    )


def key(one: sg_driver.Member) -> str:
    return f'sgconductor/{one.uuid}/{one.incarnation}'


class Requests(fixtures.Fixture):
    """Counts the reads that are sent.

    :ivar count: how many
    """

    def _setUp(self) -> None:
        self.count = 0
        send = memcache_client.socket.socket.sendall

        def sendall(connection: Any, data: bytes) -> None:
            self.count += data.startswith(b'get')
            send(connection, data)

        self.useFixture(fixtures.MonkeyPatch('socket.socket.sendall', sendall))


class MemcacheTest(testresources.ResourcedTestCase, base.TestCase):
    """Tests on servers that are empty."""

    resources = [('server', resources.MEMCACHED)]
    server: memcached.Memcached
    more: tuple[str, ...] = ()

    def setUp(self) -> None:
        super().setUp()
        self.servers = [
            self.server,
            *(getattr(self, name) for name in self.more),
        ]
        for server in self.servers:
            self.restart(server)
            self.addCleanup(self.restart, server)

    def restart(self, server: memcached.Memcached) -> None:
        server.kill()
        server.start()

    def driver(self, **options: Any) -> sg_driver.Driver:
        addresses = [server.address for server in self.servers]
        conf = configuration(**{'servers': addresses} | options)
        made = memcache.from_conf(conf)
        self.addCleanup(made.close)
        return made

    def watching(self, **options: Any) -> sg_driver.Driver:
        """A driver for which an absent member counts as absent already."""
        watching = self.driver(**options)
        watching.watch()
        for server in self.servers:
            self.plain(server).delete(f'sgconductor/fresh/{TTL}/{CANARY}')
        return watching

    def plain(
        self, server: memcached.Memcached | None = None
    ) -> memcache_client.Client:
        """A client of a server; of the first one by default."""
        server = server or self.server
        client = memcache_client.Client(
            (process.LOOPBACK, server.port), default_noreply=False
        )
        self.addCleanup(client.close)
        return client

    def assert_presence(
        self,
        driver: sg_driver.Driver,
        alive: Iterable[sg_driver.Member] = (),
        absent: Iterable[sg_driver.Member] = (),
        unknown: Iterable[sg_driver.Member] = (),
    ) -> None:
        asked = [*alive, *absent, *unknown]
        expected = sg_driver.Presence(set(alive), set(unknown))
        self.assertEqual(expected, driver.alive(asked))

    def absent(self, driver: sg_driver.Driver, one: sg_driver.Member) -> bool:
        """Whether a driver says that a member is absent."""
        try:
            presence = driver.alive([one])
        except exception.DriverUnreachable:
            return False
        return one not in presence.alive | presence.unknown


class TestMembers(MemcacheTest):
    def test_joins_and_leaves_are_seen_by_other_drivers(self) -> None:
        one, other = member('node1'), member('node2')
        driver, elsewhere = self.driver(), self.watching()
        driver.join(one)
        driver.join(one)
        self.assert_presence(elsewhere, [one], absent=[other])
        self.assertEqual(
            {'host': 'node1', 'binary': 'acme-worker'},
            json.loads(self.plain().get(key(one))),
        )
        self.assertEqual(
            f'memcached {self.server.address}, key {key(one)}',
            driver.explain(one),
        )
        driver.leave(one)
        driver.leave(one)
        self.assert_presence(elsewhere, absent=[one, other])
        self.assertIsNone(self.plain().get(key(one)))

    def test_names_of_any_kind(self) -> None:
        names = 'nöde 1', 'a\r\nb', '', '../x', '本' * 255, 'a' * 255
        members = [member(name) for name in names]
        absent = [member(name) for name in names]
        driver = self.watching()
        for one in members:
            driver.join(one)
        self.assert_presence(driver, members, absent)

    def test_two_services_of_one_host(self) -> None:
        one, other = member(binary='a'), member(binary='b')
        driver = self.watching()
        driver.join(one)
        driver.join(other)
        driver.leave(one)
        self.assert_presence(driver, [other], [one])

    def test_a_member_is_absent_soon_after_its_last_beat(self) -> None:
        one, other = member(), member()
        driver = self.watching()
        driver.join(one)
        driver.join(other)

        def gone() -> bool:
            driver.beat(other)
            presence = driver.alive([one, other])
            self.assertIn(other, presence.alive)
            return one not in presence.alive | presence.unknown

        self.wait_for('its end', gone)
        driver.beat(one)
        self.assert_presence(driver, [one, other])

    def test_incarnations_do_not_disturb_each_other(self) -> None:
        old = member()
        new = sg_driver.Member(
            old.uuid, old.host, old.binary, old.topic, old.incarnation + 1
        )
        driver = self.watching()
        driver.join(old)
        self.assert_presence(driver, [old], [new])
        driver.join(new)
        driver.leave(old)
        self.assert_presence(driver, [new], [old])
        driver.beat(old)
        driver.leave(new)
        self.assert_presence(driver, [old], [new])

    def test_reading_any_number_of_members_is_one_request(self) -> None:
        driver = self.watching()
        for count in (1, 100, 10_000):
            members = [member(f'node{i}') for i in range(count)]
            absent = [member(f'node{i}') for i in range(count)]
            self.plain().set_many({key(one): b'{}' for one in members}, 60)
            with Requests() as requests:
                self.assert_presence(driver, members, absent)
                self.assertEqual(1, requests.count)

    def test_no_members_are_no_request(self) -> None:
        driver = self.driver()
        self.server.kill()
        self.assertEqual(sg_driver.Presence(set()), driver.alive([]))

    def test_threads_do_not_disturb_each_other(self) -> None:
        driver = self.watching()
        wrong: list[object] = []

        def use() -> None:
            one, other = member(), member()
            for _ in range(50):
                driver.join(one)
                wrong.append(driver.alive([one, other]).alive ^ {one})
                driver.leave(one)
                wrong.append(driver.alive([one, other]).alive)

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(base.PATIENCE)
        self.assertEqual([frozenset()] * 800, wrong)


class TestProcesses(MemcacheTest):
    def run_script(self, what: str, one: sg_driver.Member) -> program.Program:
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path) / 'conf'
        path.write_text(
            f'[servicegroup_memcache]\n'
            f'servers = {self.server.address}\n'
            f'interval = {INTERVAL}\n'
            f'ttl = {TTL}\n'
            f'timeout = {TIMEOUT}\n'
        )
        return self.useFixture(
            program.Program('python', str(SCRIPT), str(path), what, one.uuid)
        )

    def test_a_killed_member_becomes_absent(self) -> None:
        one, driver = member(), self.watching()
        started = self.run_script('beat', one)
        self.wait_for('the join', lambda: 'joined' in started.output)
        self.assert_presence(driver, [one])
        started.signal(signal.SIGKILL)
        started.wait()
        self.assert_presence(driver, [one])
        self.wait_for('its end', lambda: self.absent(driver, one))

    def test_a_driver_works_on_both_sides_of_a_fork(self) -> None:
        started = self.run_script('fork', member())
        self.assertEqual(0, started.wait(), started.output)
        self.assertEqual('child: 0\n', started.output)


class TestTrouble(MemcacheTest):
    def beating(self, one: sg_driver.Member) -> None:
        """Keep a member present with a driver of its own."""
        driver = self.driver()
        driver.join(one)
        stopped = threading.Event()

        def beat() -> None:
            while not stopped.wait(INTERVAL):
                with contextlib.suppress(exception.DriverUnreachable):
                    driver.beat(one)

        thread = threading.Thread(target=beat)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stopped.set)

    def check_presence_until(
        self,
        driver: sg_driver.Driver,
        one: sg_driver.Member,
        until: Callable[[], bool],
    ) -> None:
        """Check until a moment that a live member is never absent."""

        def check() -> bool:
            self.assertFalse(self.absent(driver, one))
            return until()

        self.wait_for('the moment', check)

    def test_a_server_that_was_restarted_once(self) -> None:
        live, dead = member(), member()
        driver = self.watching()
        self.beating(live)
        driver.join(dead)
        self.assert_presence(driver, [live, dead])
        self.restart(self.server)
        self.check_presence_until(
            driver, live, lambda: driver.alive([live]).alive == {live}
        )
        self.assert_presence(driver, [live], unknown=[dead])
        self.check_presence_until(
            driver, live, lambda: self.absent(driver, dead)
        )
        self.assert_presence(driver, [live], [dead])

    def test_a_server_that_is_restarted_repeatedly(self) -> None:
        one = member()
        driver, other = self.watching(), self.watching()
        for i in range(20):
            self.driver().join(one)
            self.restart(self.server)
            self.assertFalse(self.absent(driver, one))
            if i % 2:
                self.wait_for('a canary', self.canary)
            self.assertFalse(self.absent(driver, one))
            self.assertFalse(self.absent(other, one))

    def canary(self) -> bool:
        name = f'sgconductor/canary/{TTL}/{CANARY}'
        return self.plain().get(name) is not None

    def test_the_fresh_marker_lasts_as_long_as_a_member_key(self) -> None:
        plain = self.plain()
        canary, fresh = (
            f'sgconductor/{name}/{TTL}/{CANARY}'
            for name in ('canary', 'fresh')
        )

        def left(name: str) -> int:
            # For example b'HD t3'.
            return int(plain.raw_command(f'mg {name} t')[4:])

        self.watching()
        plain.set(fresh, b'1', 2)
        plain.delete(canary)
        self.wait_for('a canary', self.canary)
        self.assertLess(2, left(fresh))
        self.assertLessEqual(left(fresh), TTL)
        self.assertLessEqual(left(canary), CANARY)

    def test_a_server_that_is_flushed(self) -> None:
        one = member()
        driver = self.watching()
        driver.join(one)
        self.assert_presence(driver, [one])
        self.plain().flush_all()
        self.assert_presence(driver, unknown=[one])
        self.wait_for('a canary', self.canary)
        self.assert_presence(driver, unknown=[one])

    def hang(self, seconds: float) -> None:
        """Check that a live member is not absent after a server has hung.

        None of its beats reached the server meanwhile, and the next one comes
        at the latest possible moment.
        """
        one, reader = member(), self.driver()
        self.watching().join(one)
        self.assert_presence(reader, [one])
        self.server.freeze()
        threading.Event().wait(seconds)
        self.server.thaw()
        late = time.monotonic() + INTERVAL + TIMEOUT
        self.check_presence_until(reader, one, lambda: time.monotonic() > late)
        self.driver().beat(one)
        late += 0.5
        self.check_presence_until(reader, one, lambda: time.monotonic() > late)
        self.assert_presence(reader, [one])

    def test_a_server_that_hangs_for_a_moment(self) -> None:
        self.hang(CANARY - 0.3)

    def test_a_server_that_hangs_for_longer_than_a_canary_lasts(self) -> None:
        self.hang(CANARY + 0.3)

    def test_a_server_that_hangs_for_longer_than_a_key_lasts(self) -> None:
        self.hang(TTL + 0.5)

    def test_a_server_that_hangs_is_waited_for_once(self) -> None:
        one, driver = member(), self.driver()
        driver.join(one)
        self.server.freeze()
        with Requests() as requests:
            for _ in range(50):
                self.assertRaises(
                    exception.DriverUnreachable, driver.alive, [one]
                )
            self.assertEqual(1, requests.count)
        self.assertRaises(exception.DriverUnreachable, driver.leave, one)
        self.assertEqual(1, self.logged('is away; its members are unknown'))
        self.server.thaw()
        driver.beat(one)
        self.assertEqual({one}, driver.alive([one]).alive)
        self.assertEqual(1, self.logged('answers again'))

    def test_a_server_that_is_away_comes_back(self) -> None:
        one, driver = member(), self.watching()
        driver.join(one)
        self.server.kill()
        for method in (driver.join, driver.beat, driver.leave):
            error = self.assertRaises(exception.DriverUnreachable, method, one)
            self.assertIn(self.server.address, str(error))
            self.assertIn('refused', str(error))
        self.assertRaises(exception.DriverUnreachable, driver.alive, [one])
        self.server.start()
        self.wait_for('its answer', lambda: not self.away(driver, one))
        driver.join(one)
        self.assert_presence(driver, [one])

    def away(self, driver: sg_driver.Driver, one: sg_driver.Member) -> bool:
        try:
            driver.alive([one])
        except exception.DriverUnreachable:
            return True
        return False

    def test_a_server_that_is_away_at_first(self) -> None:
        one, driver = member(), self.driver()
        self.server.kill()
        self.assertRaises(exception.DriverUnreachable, driver.watch)
        self.server.start()
        self.wait_for('its answer', lambda: not self.away(driver, one))
        self.assert_presence(driver, unknown=[one])
        self.assertTrue(self.canary())

    def test_a_closed_connection_is_replaced_silently(self) -> None:
        one, driver = member(), self.driver()
        for method in (driver.join, driver.leave, driver.beat):
            self.restart(self.server)
            method(one)
        self.assertEqual({one}, driver.alive([one]).alive)
        self.assertNotIn('WARNING', self.log.output)

    def test_an_unexpected_error_does_not_stop_the_keeper(self) -> None:
        place = 'sgconductor.servicegroup.drivers.memcache_markers'
        driver = self.watching()
        self.useFixture(fixtures.MonkeyPatch(f'{place}._LONG_PAUSE', 0.01))
        with fixtures.MonkeyPatch(f'{place}.Keeper._renew', lambda _: 1 / 0):
            self.wait_for('it', lambda: self.logged('ZeroDivisionError'))
        self.restart(self.server)
        self.wait_for('a canary', self.canary)
        driver.close()

    def test_close_closes_connections_in_use(self) -> None:
        plain, driver = self.plain(), self.driver(timeout=10, ttl=20)

        def connections() -> int:
            return int(plain.stats()[b'curr_connections'])

        before = connections()
        driver.join(member())
        self.assertEqual(before + 1, connections())
        self.server.freeze()
        thread = threading.Thread(target=driver.join, args=(member(),))
        thread.start()
        driver.close()
        self.server.thaw()
        thread.join()
        self.wait_for('their end', lambda: connections() == before)

    def test_close_stops_the_keepers(self) -> None:
        driver = self.watching()
        driver.close()
        driver.close()

        def keepers() -> list[str]:
            names = [thread.name for thread in threading.enumerate()]
            return [n for n in names if n.startswith('sgconductor-memcache')]

        self.wait_for('the end of its thread', lambda: not keepers())

    def test_a_server_that_is_no_memcached(self) -> None:
        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    self.wfile.write(b'VALUE ' + line)

        server = socketserver.ThreadingTCPServer(
            (process.LOOPBACK, 0), Handler
        )
        self.addCleanup(server.server_close)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        host, port = server.server_address[:2]
        one, driver = member(), self.driver(servers=[f'{host!s}:{port}'])
        self.addCleanup(driver.close)
        for method in (driver.join, driver.beat):
            self.assertRaises(exception.DriverUnreachable, method, one)
        driver = self.driver(servers=[f'{host!s}:{port}'])
        self.assertRaises(exception.DriverUnreachable, driver.alive, [one])


class TestSeveral(MemcacheTest):
    resources = [
        ('server', resources.MEMCACHED),
        ('second', resources.MEMCACHED_MORE[0]),
        ('third', resources.MEMCACHED_MORE[1]),
    ]
    more = ('second', 'third')

    def setUp(self) -> None:
        super().setUp()
        self.members = [member(f'node{i}') for i in range(60)]
        self.dead = [member(f'node{i}') for i in range(60)]

    def on(
        self, server: memcached.Memcached, members: list[sg_driver.Member]
    ) -> set[sg_driver.Member]:
        """The members that belong to a server."""
        driver = self.driver()
        where = f'memcached {server.address}, '
        return {
            one for one in members if driver.explain(one).startswith(where)
        }

    def test_each_server_has_its_members(self) -> None:
        driver = self.driver()
        for one in self.members:
            driver.join(one)
        self.assert_presence(self.watching(), self.members, self.dead)
        for server in self.servers:
            keys = [key(one) for one in self.members]
            found = self.plain(server).get_many(keys).keys()
            here = self.on(server, self.members)
            self.assertEqual({key(one) for one in here}, found)
            self.assertLess(5, len(here))

    def test_the_order_of_servers_does_not_matter(self) -> None:
        driver = self.driver()
        for one in self.members:
            driver.join(one)
        servers = [server.address for server in reversed(self.servers)]
        self.assert_presence(
            self.watching(servers=servers), self.members, self.dead
        )

    def test_reading_is_one_request_to_each_server(self) -> None:
        driver = self.watching()
        with Requests() as requests:
            driver.alive([*self.members, *self.dead])
            self.assertEqual(3, requests.count)

    def test_members_of_a_dead_server_are_unknown(self) -> None:
        driver = self.watching()
        for one in self.members:
            driver.join(one)
        self.second.kill()
        unknown = self.on(self.second, [*self.members, *self.dead])
        self.assert_presence(
            driver,
            [one for one in self.members if one not in unknown],
            [one for one in self.dead if one not in unknown],
            unknown,
        )
        of_it = self.on(self.second, self.members).pop()
        error = self.assertRaises(
            exception.DriverUnreachable, driver.alive, [of_it]
        )
        self.assertIn(self.second.address, str(error))
        self.second.start()
        self.wait_for('its canary', lambda: self.judged(driver, of_it))
        self.assert_presence(
            driver,
            [one for one in self.members if one not in unknown],
            [one for one in self.dead if one not in unknown],
            unknown,
        )

    def judged(self, driver: sg_driver.Driver, one: sg_driver.Member) -> bool:
        try:
            return bool(driver.alive([one]).unknown)
        except exception.DriverUnreachable:
            return False

    def test_all_servers_are_away(self) -> None:
        driver = self.watching()
        for server in self.servers:
            server.kill()
        fresh = self.driver()
        for ask in (lambda: driver.alive(self.members), fresh.watch):
            error = self.assertRaises(exception.DriverUnreachable, ask)
            for server in self.servers:
                self.assertIn(server.address, str(error))

    def test_one_server_hangs_from_the_start(self) -> None:
        self.third.freeze()
        driver = self.driver()
        driver.watch()
        lost = self.on(self.third, self.members)
        presence = driver.alive(self.members)
        self.assertEqual(set(self.members), presence.unknown)
        for one in set(self.members) - lost:
            driver.join(one)
        presence = driver.alive(self.members)
        self.assertEqual((set(self.members) - lost, lost), presence)


class TestTLS(MemcacheTest):
    resources = [('server', resources.MEMCACHED_TLS)]
    server: memcached.SecureMemcached

    def plain(self, server: Any = None) -> Any:
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        certificate = str(self.server.certificate)
        return {
            'tls': True,
            'tls_ca_file': certificate,
            'tls_cert_file': certificate,
            'tls_key_file': str(self.server.key),
        }

    def test_a_member_over_tls(self) -> None:
        one, driver = member(), self.driver(**self.options())
        driver.watch()
        driver.join(one)
        self.assertEqual({one}, driver.alive([one]).alive)
        self.restart(self.server)
        driver.beat(one)
        self.assertEqual({one}, driver.alive([one]).alive)

    def test_a_wrong_certificate_or_no_tls_is_refused(self) -> None:
        for change in ({'tls_ca_file': None}, {'tls': False}):
            driver = self.driver(**self.options() | change)
            self.assertRaises(
                exception.DriverUnreachable, driver.join, member()
            )


class TestConfiguration(base.TestCase):
    def refused(self, **options: Any) -> str:
        return str(
            self.assertRaises(
                exception.ConfigError,
                memcache.from_conf,
                configuration(**options),
            )
        )

    def test_the_defaults_work(self) -> None:
        conf = cfg.ConfigOpts()
        sg_conf.register_opts(conf)
        driver = memcache.from_conf(conf)
        self.assertEqual(
            ('memcache', 3, 10),
            (driver.name, driver.interval, driver.patience),
        )

    def test_servers(self) -> None:
        wrong = 'localhost', ':1', 'a:0', 'a:65536', '::1:11211', 'a b:1', ''
        for server in wrong:
            self.assertIn(
                f'servers has {server!r}',
                self.refused(servers=['a:1', server]),
            )
        for servers in (['a:1', 'A:1'], ['[::1]:1', '[::1]:1']):
            self.assertIn('twice', self.refused(servers=servers))
        self.assertIn('empty', self.refused(servers=[]))
        right = ['node-1.example:1', '10.0.0.1:11211', '[fe80::1]:65535']
        memcache.from_conf(configuration(servers=right))

    def test_a_ttl_that_is_too_short(self) -> None:
        for interval, ttl, timeout in ((1, 5, 0.5), (0.5, 4, 0.1), (2, 7, 1)):
            error = self.refused(interval=interval, ttl=ttl, timeout=timeout)
            self.assertIn(f'ttl ({ttl} s)', error)
            self.assertIn(f'{interval} s each', error)
        for interval, ttl, timeout in ((1, 6, 1), (0.7, 5, 0.6), (10, 60, 1)):
            memcache.from_conf(
                configuration(interval=interval, ttl=ttl, timeout=timeout)
            )

    def test_a_canary_expires_before_a_live_member_can_be_missed(self) -> None:
        # The time left of a key when an outage begins, less the time until
        # the next beat when it is over.
        for interval, ttl, timeout in ((3, 10, 1), (1, 30, 0.5), (3, 60, 9)):
            markers = memcache_markers.Markers.of(interval, ttl, timeout)
            left = ttl - 1 - interval - (interval + timeout)
            self.assertEqual(int(left), markers.canary_ttl)

    def test_tls_files(self) -> None:
        empty = pathlib.Path(self.useFixture(fixtures.TempDir()).path) / 'x'
        empty.write_text('')
        for name in ('tls_ca_file', 'tls_cert_file', 'tls_key_file'):
            for path in (str(empty), '/nowhere/at/all'):
                error = self.refused(tls=True, **{name: path})
                self.assertIn(f'{name} {path!r}', error)
        memcache.from_conf(configuration(tls=True))
