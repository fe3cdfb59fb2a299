"""This release together with the release before it, as it was."""

import datetime
import json
import pathlib
import signal
from typing import Any

import oslo_messaging as messaging
import sqlalchemy as sa
from oslo_utils import uuidutils
from testtools import content

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor import rpcapi
from sgconductor import versions
from sgconductor.db import schema
from sgconductor.messaging import serializer
from sgconductor.rpcapi import conductor as conductor_api
from tests import primitives
from tests import program
from tests import release
from tests.functional import base as functional
from tests.upgrade import base

HERE = pathlib.Path(__file__).parent

# What the release before has.
SCHEMA = '1_0003'
SERVICE = '1.3'
SERVICE_LIST = '1.4'
EVENT = '1.0'
EVENT_LIST = '1.0'
PIN = '1.0'
PIN_LIST = '1.0'


def fields(name: str, version: str) -> list[str]:
    """The names of the fields that an object has in a version."""
    frozen = primitives.frozen(name, version)
    return sorted(frozen['versioned_object.data'])


def newest(name: str) -> Any:
    """An object with all fields, in the version of this release."""
    cls = getattr(objects, name)
    return cls.obj_from_primitive(primitives.frozen(name, cls.VERSION))


class TestOldCallers(base.UpgradeTest):
    """Callers and members of the release before, with this conductor."""

    scenarios = [base.ON_MARIADB]

    def setUp(self) -> None:
        super().setUp()
        self.conductor = self.deployment.conductor()

    def member(self, host: str, version: int = 1) -> None:
        membership = self.remote.membership(
            host, 'acme-worker', 'worker', version
        )
        membership.join()
        self.addCleanup(membership.stop)

    def test_an_old_caller_gets_objects_of_its_versions(self) -> None:
        for host in ('node1', 'node2', 'node3'):
            self.member(host)
        seen = self.run_old_caller()

        service = [SERVICE, fields('Service', SERVICE)]
        pin = [PIN, fields('Pin', PIN)]
        page = [SERVICE_LIST, service, service]
        for name, expected in (
            ('found', [service, service]),
            # The conductor is the fourth service.
            ('pages', [page, page]),
            ('empty', [SERVICE_LIST]),
            ('walked', [service] * 4),
            ('oldest', [SERVICE_LIST, *[service] * 3]),
            ('lagging', SERVICE_LIST),
            ('up', ['conductor1', 'node1', 'node2', 'node3']),
            ('down', []),
            ('census', 4),
            ('compared', 4),
            ('explained', 'up'),
            ('pin', pin),
            ('pins', [PIN_LIST, pin, pin]),
            ('in_force', 1),
            ('held', [1, None]),
            ('refreshed', service),
        ):
            self.assertEqual(expected, seen[name], name)
        version, *events = seen['events']
        self.assertEqual(EVENT_LIST, version)
        for event in events:
            self.assertEqual([EVENT, fields('Event', EVENT)], event)
        self.assertEqual(
            ['service.create', 'service.up', 'service.update'], seen['types']
        )

    def test_an_old_caller_edits_by_the_rules_of_this_conductor(self) -> None:
        self.member('node1')
        seen = self.run_old_caller()
        self.assertEqual([True, 'new fan'], seen['disabled'])
        self.assertEqual([False, None], seen['enabled'])
        self.assertIsNone(self.get_service('node1').disabled_reason)
        # The class of the error must be one that the release before has.
        name, message = seen['refused']
        self.assertEqual('InvalidInput', name)
        self.assertIn('disabled_reason', message)
        name, message = seen['unknown']
        self.assertEqual('ServiceNotFound', name)
        self.assertIn('was not found', message)

    def run_old_caller(self) -> dict[str, Any]:
        conf = self.deployment.config_file()
        script = str(HERE / 'old_caller.py')
        run = self.start('python', script, conf, old=True)
        self.assertEqual(0, run.wait(), run.output)
        *_, last = self.lines(run)
        seen: dict[str, Any] = json.loads(last)
        self.assertIn(release.PREVIOUS.commit, seen['release'])
        return seen

    def test_an_old_member_joins_beats_leaves_and_joins_again(self) -> None:
        member = self.old_member('node1')
        self.assertTrue(self.get_service('node1').is_up)
        pin = self.pin()
        self.assertEqual((1, 1), (pin.version, pin.min_version))
        self.assertEqual('join of node1 with version 1', pin.cause)
        self.wait_for_beats('node1')

        member.signal(signal.SIGTERM)
        self.assertEqual(0, member.wait(), member.output)
        self.assertEqual(['joined'], self.lines(member))
        service = self.get_service('node1')
        self.assertFalse(service.is_up)
        self.assertIsNotNone(service.left_at)

        self.old_member('node1')
        service = self.get_service('node1')
        self.assertTrue(service.is_up)
        self.assertEqual(2, service.incarnation)

    def test_an_old_member_follows_a_pin_that_is_lowered(self) -> None:
        self.old_member('node1')
        pin = self.pin()
        pin.hold(0)
        self.wait_for_followers()
        self.assertGreaterEqual(self.get_service('node1').pin_epoch, pin.epoch)
        self.member('node2', 0)

    def test_an_old_member_below_the_pin_gets_the_reason(self) -> None:
        for host in ('node1', 'node2'):
            self.member(host, 2)
        member = self.start(
            'python',
            str(release.PREVIOUS.source / 'examples/member.py'),
            self.deployment.transport_url,
            'node1',
            old=True,
        )
        self.assertEqual(1, member.wait())
        self.assertNotIn('Traceback', member.output)
        *_, error = self.lines(member)
        self.assertIn(
            'acme-worker on node1 has version 1 and cannot join: the pin is 2',
            error,
        )
        self.assertIn('pins hold acme-worker 1', error)

    def test_an_old_member_in_quarantine_joins_again(self) -> None:
        member = self.old_member('node1')
        service = self.get_service('node1')
        service.forced_down = True
        service.save()
        member.signal(signal.SIGSTOP)
        self.deployment.age(service.id, 60)
        service.quarantine()
        member.signal(signal.SIGCONT)
        self.wait_for(
            'a join', lambda: not self.get_service('node1').quarantined
        )
        self.assertEqual(2, self.get_service('node1').incarnation)
        self.assertIn(
            "joins again: the conductor said 'rejoin'", member.output
        )

    def test_the_old_admin_command(self) -> None:
        self.member('node1')
        listed = json.loads(
            self.manage('service', 'list', '-f', 'json', old=True)
        )
        self.assertEqual(
            [('conductor1', 'up'), ('node1', 'up')],
            [(s['host'], s['state']) for s in listed],
        )
        name = ('node1', 'acme-worker')
        self.manage('service', 'disable', *name, '--reason', 'fan', old=True)
        self.assertEqual('fan', self.get_service('node1').disabled_reason)
        self.manage('service', 'enable', *name, old=True)
        self.assertFalse(self.get_service('node1').disabled)
        self.manage('service', 'explain', *name, old=True)
        explained = self.manage('pins', 'explain', 'acme-worker', old=True)
        self.assertIn('Nothing to do', explained)

    def test_the_old_admin_command_does_not_sync_newer_tables(self) -> None:
        output = self.manage('db', 'sync', old=True, status=1)
        self.assertIn('a newer release has synced it', output)


class WorkerAPI(rpcapi.PinnedAPI):
    """A project's client that knows two releases of its worker."""

    BINARY = 'acme-worker'
    HISTORY = versions.History('1.0', '1.1')
    TARGET = messaging.Target(exchange='acme', topic='worker')

    def can_send_newest(self) -> bool:
        return self.can_send('1.1')


class TestOldConductor(base.UpgradeTest):
    """A conductor of the release before, with callers of this release."""

    scenarios = [base.ON_POSTGRESQL]
    tables = False

    def setUp(self) -> None:
        super().setUp()
        # The same as that release's own command does, but faster.
        schema.sync(self.deployment.db, SCHEMA)
        self.daemon = self.old_conductor()

    def join(self, host: str = 'node1', version: int = 1) -> None:
        membership = self.remote.membership(
            host, 'acme-worker', 'worker', version
        )
        membership.join()
        self.addCleanup(membership.leave)

    def test_a_member_joins_beats_syncs_and_leaves(self) -> None:
        membership = self.remote.membership(
            'node1', 'acme-worker', 'worker', 1
        )
        with membership:
            self.assertTrue(membership.service.is_up)
            self.wait_for_beats('node1')
            service = self.get_service('node1')
            service.forced_down = True
            service.save()
            self.wait_for('a sync', lambda: self.logged('is forced down'))
            service.forced_down = False
            service.save()
            self.wait_for('a sync', lambda: self.logged('no longer forced'))
        service = self.get_service('node1')
        self.assertFalse(service.is_up)
        self.assertIsNotNone(service.left_at)
        self.assertEqual(0, self.logged('ERROR '))
        self.assertNotIn('ERROR', self.daemon.output)

    def test_a_caller_reads_services_pins_and_events(self) -> None:
        for host in ('node1', 'node2', 'node3'):
            self.join(host)
        hosts = ['old', 'node1', 'node2', 'node3']
        service = self.get_service('node1')
        self.assertEqual(SERVICE, service.VERSION)
        listed = objects.ServiceList.get_page(self.context)
        self.assertEqual(SERVICE_LIST, listed.VERSION)
        self.assertEqual([SERVICE] * 4, [one.VERSION for one in listed])
        walked = objects.ServiceList.walk(self.context, up=True)
        self.assertEqual(hosts, [one.host for one in walked])
        self.assertEqual(
            0, len(objects.ServiceList.get_page(self.context, binary='none'))
        )
        self.assertEqual(
            ['acme-worker', functional.CONDUCTOR],
            [pin.binary for pin in objects.PinList.get_all(self.context)],
        )
        events = objects.EventList.get_page(self.context)
        self.assertEqual({EVENT}, {event.VERSION for event in events})
        created = [e for e in events if e.type == 'service.create']
        self.assertEqual(4, len(created))
        self.assertFalse(created[0].obj_attr_is_set('request_id'))

    def test_a_caller_saves_holds_and_quarantines(self) -> None:
        self.join()
        service = self.get_service('node1')
        service.disabled = True
        service.disabled_reason = 'new fan'
        service.save()
        self.assertEqual('new fan', self.get_service('node1').disabled_reason)
        pin = self.pin()
        pin.hold(0)
        self.assertEqual(0, self.pin().version)
        pin.release()
        self.assertEqual(1, self.pin().version)
        self.assertRaises(exception.ServiceIsUp, service.quarantine)

    def test_the_admin_command_reads(self) -> None:
        self.join()
        listed = self.manage('service', 'list', '-f', 'json')
        self.assertEqual(
            [('old', 'up', 'enabled'), ('node1', 'up', 'enabled')],
            [(s['host'], s['state'], s['status']) for s in json.loads(listed)],
        )
        self.manage('service', 'show', 'node1', 'acme-worker')
        self.manage('pins', 'explain', 'acme-worker')

    def test_an_update_is_refused_and_names_the_upgrade(self) -> None:
        self.join()
        service = self.get_service('node1')
        error = self.assertRaises(
            exception.NotRemotable, service.update, {'disabled': True}
        )
        self.assertIn('Service.update', str(error))
        self.assertIn('upgrade the conductors first', str(error))
        self.assertFalse(self.get_service('node1').disabled)

    def test_pinned_clients_follow_it_and_the_new_conductor(self) -> None:
        self.join(version=1)
        # The second remote has no membership, and asks for the pin.
        clients = [
            WorkerAPI(remote.transport, remote.pins, timeout=20)
            for remote in (self.remote, self.deployment.remote())
        ]

        def wait_for_all(expected: bool) -> None:
            self.wait_for(
                'the pin',
                lambda: all(
                    client.can_send_newest() is expected for client in clients
                ),
            )

        wait_for_all(True)
        self.pin().hold(0)
        wait_for_all(False)
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(0, self.daemon.wait())
        self.manage('db', 'sync')
        self.deployment.conductor()
        self.assertEqual((0, 0), (self.pin().version, self.pin().held_version))
        wait_for_all(False)
        self.pin().release()
        wait_for_all(True)

    def test_a_new_conductor_does_not_start_on_the_old_tables(self) -> None:
        path = self.deployment.config_file()
        early = self.start('sgconductor-conductor', '--config-file', path)
        self.assertEqual(1, early.wait())
        self.assertIn('Run: sgconductor-manage db sync', early.output)
        self.assertNotIn('Traceback', early.output)


class TestOldServers(base.UpgradeTest):
    """Servers of the release before that are sent newer objects.

    Such an object is no answer to a request of theirs, so they ask a
    conductor of this release to make it older.
    """

    scenarios = [base.ON_MARIADB]

    def setUp(self) -> None:
        super().setUp()
        self.deployment.conductor()
        conf = self.deployment.config_file()
        script = str(HERE / 'old_server.py')
        self.server = self.start('python', script, conf, old=True)
        self.wait_for('the server', lambda: 'serving' in self.server.output)
        self.client = messaging.get_rpc_client(
            self.remote.transport,
            messaging.Target(exchange='acme', topic='old', server='old'),
            timeout=20,
            serializer=serializer.Serializer(conductor=self.context.conductor),
        )

    def describe(self, thing: Any) -> Any:
        """The versions and fields in which the old server gets a thing."""
        return self.client.call(self.context, 'describe', thing=thing)

    def echo(self, thing: Any) -> Any:
        """A thing, as it comes back from the old server."""
        return self.client.call(self.context, 'echo', thing=thing)

    def test_objects_arrive_in_the_version_that_it_knows(self) -> None:
        whole = {
            'version': SERVICE,
            'host': 'node9',
            'is_up': True,
            'set': len(fields('Service', SERVICE)),
        }
        service = newest('Service')
        service.host = 'node9'
        self.assertEqual(whole, self.describe(service))
        self.assertEqual(
            [whole, 5, whole], self.describe([service, 5, service])
        )
        for name, version in (
            ('Service', SERVICE),
            ('Event', EVENT),
            ('Pin', PIN),
        ):
            self.assertEqual(
                primitives.frozen(name, version),
                self.echo(newest(name)).obj_to_primitive(),
                name,
            )

    def test_lists_arrive_with_their_items(self) -> None:
        services = [newest('Service'), newest('Service')]
        services[0].host, services[1].host = 'a', 'b'
        by_version = objects.ServiceList(objects=services)
        # A list of the version that the server knows, with newer items.
        by_version.VERSION = SERVICE_LIST
        for one in (objects.ServiceList(objects=services), by_version):
            seen = self.describe(one)
            self.assertEqual(SERVICE_LIST, seen['version'])
            self.assertEqual(
                [('a', SERVICE), ('b', SERVICE)],
                [(item['host'], item['version']) for item in seen['objects']],
            )
        self.assertEqual(
            {'version': SERVICE_LIST, 'objects': [], 'set': 1},
            self.describe(objects.ServiceList(objects=[])),
        )
        seen = self.describe(objects.EventList(objects=[newest('Event')]))
        self.assertEqual(
            (EVENT_LIST, [EVENT]),
            (seen['version'], [item['version'] for item in seen['objects']]),
        )

    def test_fields_that_are_not_set_arrive_unset(self) -> None:
        self.assertEqual(
            {'version': SERVICE, 'host': 'node1', 'set': 1},
            self.describe(objects.Service(host='node1')),
        )
        self.assertEqual(
            {'version': SERVICE, 'set': 0}, self.describe(objects.Service())
        )
        self.assertEqual(
            {'version': EVENT, 'type': 'service.up', 'set': 1},
            self.describe(
                objects.Event(type='service.up', request_id='req-1')
            ),
        )


class TestBothConductors(base.UpgradeTest):
    """Conductors of both releases, side by side, on the new tables."""

    scenarios = [base.ON_POSTGRESQL]

    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.old_conductor()

    def asking(self, conductor: str) -> sg_context.RequestContext:
        """The context of a caller that asks this one conductor."""
        api = conductor_api.ConductorAPI(self.remote.transport, 20)
        api._client = api._client.prepare(server=conductor)
        return sg_context.RequestContext(conductor=api)

    def join_by(
        self, conductor: str, host: str, version: int = 1
    ) -> dict[str, Any]:
        """The answer of this one conductor to a join; nothing beats then."""
        service = objects.Service(
            self.asking(conductor),
            host=host,
            binary='acme-worker',
            topic='worker',
            version=version,
            report_interval=1,
            down_after=30,
        )
        answer: dict[str, Any] = service.join(uuidutils.generate_uuid())
        return answer

    def test_members_and_callers_of_both_releases(self) -> None:
        self.assertIn('which can work with it', self.daemon.output)
        conductor = self.deployment.conductor()
        old = self.old_member('old1')
        with self.remote.membership('new1', 'acme-worker', 'worker', 1):
            # The broker chooses which conductor gets a request.
            for _ in range(10):
                listed = objects.ServiceList.walk(self.context)
                self.assertEqual(
                    {
                        ('old', True),
                        ('conductor1', True),
                        ('old1', True),
                        ('new1', True),
                    },
                    {(one.host, one.is_up) for one in listed},
                )
                service = self.get_service('new1')
                service.disabled = not service.disabled
                service.save()
            self.wait_for_beats('old1', 6)
            self.wait_for_beats('new1', 6)
        old.signal(signal.SIGTERM)
        self.assertEqual(0, old.wait(), old.output)
        self.assertEqual(['joined'], self.lines(old))
        self.assertEqual(0, self.logged('WARNING '))
        self.assertEqual(0, self.logged('ERROR '))
        self.assertNotIn('ERROR', self.daemon.output)
        beats = sum(
            one.report_count
            for one in objects.ServiceList.get_page(self.context)
        )
        self.assertGreater(conductor.beats.written, 0)
        self.assertGreater(beats, conductor.beats.written)

    def test_they_move_one_pin_by_one_rule(self) -> None:
        self.deployment.conductor(conductor__host='new')
        epochs = [
            self.join_by(conductor, 'node1', version)['epoch']
            for conductor, version in (
                ('old', 5),
                ('new', 6),
                ('old', 7),
                ('new', 8),
            )
        ]
        self.assertEqual(sorted(set(epochs)), epochs)
        for conductor in ('old', 'new'):
            pins = objects.PinList.in_force(self.asking(conductor))
            self.assertEqual(8, pins['pins']['acme-worker'])
            self.assertRaises(
                exception.ServiceTooOld, self.join_by, conductor, 'node2', 7
            )

    def test_their_members_hear_of_each_others_pins(self) -> None:
        self.deployment.conductor(conductor__host='new')
        self.old_member('old1')
        with self.remote.membership('new1', 'acme-worker', 'worker', 1):
            for conductor, version in (('old', 0), ('new', 1), ('old', 0)):
                pin = objects.Pin.get_by_binary(
                    self.asking(conductor), 'acme-worker'
                )
                pin.hold(version)
                self.wait_for_followers()
                self.assertEqual(
                    version, self.remote.pins.version('acme-worker')
                )

    def test_both_write_events_and_either_sends_them(self) -> None:
        self.deployment.conductor(conductor__host='new')
        self.join_by('old', 'node1')
        self.join_by('new', 'node2')
        for conductor in ('new', 'old'):
            service = objects.Service.get_by_host_and_binary(
                self.asking(conductor), 'node1', 'acme-worker'
            )
            service.forced_down = not service.forced_down
            service.save()
        this = objects.Service.VERSION
        expected = [
            ('service.create', SERVICE),
            ('service.up', SERVICE),
            ('service.update', this),
            ('service.down', this),
            ('service.update', SERVICE),
        ]
        # The conductor that holds the lease finds the service up.
        up = self.wait_for('events', lambda: self.events_of('node1')[5:])
        self.assertEqual(expected, self.events_of('node1')[:5])
        self.assertIn(up, ([('service.up', SERVICE)], [('service.up', this)]))
        self.wait_for('all to be sent', lambda: self.unsent() == 0)
        by_old, by_new = (
            objects.EventList.get_page(self.asking(conductor))
            for conductor in ('old', 'new')
        )
        self.assertEqual([e.uuid for e in by_old], [e.uuid for e in by_new])
        # The old conductor does not write the request, and the new one does.
        self.assertEqual(
            [True, False],
            [
                event.request_id is not None
                for event in by_new
                if event.type == 'service.update'
            ],
        )

    def test_one_takes_the_lease_when_the_other_ends(self) -> None:
        for host in ('node1', 'node2', 'node3'):
            self.join_by('old', host)
        first = self.leader()
        self.check_sweep('node1', SERVICE)

        new = self.deployment.conductor(conductor__host='new')
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(0, self.daemon.wait(), self.daemon.output)
        second = self.leader()
        self.assertNotEqual(first, second)
        self.check_sweep('node2', objects.Service.VERSION)

        self.old_conductor()
        new.stop()
        self.assertNotEqual(second, self.leader())
        self.check_sweep('node3', SERVICE)

    def leader(self) -> str:
        """The holder of the lease, as soon as there is one."""
        holders: list[str] = []

        def held() -> str:
            with self.deployment.db.reader() as conn:
                holders.append(
                    conn.exec_driver_sql(
                        'SELECT holder FROM lease'
                    ).scalar_one()
                )
            return holders[-1]

        self.wait_for('a leader', held)
        return holders[-1]

    def check_sweep(self, host: str, version: str) -> None:
        """See that the leader finds a service down, and once.

        :param version: of the object in the event
        """
        self.deployment.age(self.get_service(host).id, 100)
        down = ('service.down', version)
        self.wait_for('it down', lambda: down in self.events_of(host))
        found = [type_ for type_, _ in self.events_of(host)]
        self.assertEqual(1, found.count('service.down'))

    def events_of(self, host: str) -> list[tuple[str, str]]:
        """Type, and version of the service in it, of a host's events."""
        events = objects.EventList.get_page(self.context)
        payloads = [(one.type, json.loads(one.payload)) for one in events]
        return [
            (type_, payload['versioned_object.version'])
            for type_, payload in payloads
            if payload['versioned_object.data']['host'] == host
        ]

    def unsent(self) -> int:
        with self.deployment.db.reader() as conn:
            count: int = conn.exec_driver_sql(
                'SELECT count(*) FROM events WHERE sent_at IS NULL'
            ).scalar_one()
        return count


class TestMigration(base.UpgradeTest):
    """The migration, while callers and conductors of the release before
    write the tables.
    """

    tables = False
    ROWS = 5_000

    def fill(self) -> None:
        """Add many rows, so that a step of the migration takes a while."""
        long_ago = datetime.datetime(2020, 1, 1)
        self.insert(
            'services',
            {
                'binary': 'acme-past',
                'topic': 'past',
                'version': 1,
                'incarnation': 1,
                'report_interval': 10,
                'down_after': 60,
                'report_count': 0,
                'disabled': False,
                'forced_down': False,
                'deleted': 0,
                'state': 'down',
                'last_seen_up': long_ago,
                'left_at': long_ago,
                'created_at': long_ago,
            },
            host=lambda i: f'past{i}',
            join_token=lambda i: uuidutils.generate_uuid(),
        )
        # An event is deleted a day after it was sent.
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        service = primitives.frozen('Service', SERVICE)
        self.insert(
            'events',
            {
                'type': 'service.down',
                'payload': json.dumps(service),
                'at': now,
                'sent_at': now,
            },
        )

    def insert(self, name: str, row: dict[str, Any], **of: Any) -> None:
        """Insert rows with UUIDs.

        :param of: by column, what makes its value of the row's number
        """
        table = sa.Table(
            name, sa.MetaData(), autoload_with=self.deployment.db.engine
        )
        with self.deployment.db.writer() as conn:
            conn.execute(
                table.insert(),
                [
                    {
                        'uuid': uuidutils.generate_uuid(),
                        **row,
                        **{column: make(i) for column, make in of.items()},
                    }
                    for i in range(self.ROWS)
                ],
            )

    def wait_for_more(self, writers: program.Program, count: int = 10) -> None:
        """Wait until each kind of work was done that many times more."""
        before = self.progress(writers)
        self.wait_for(
            'the writers',
            lambda: all(
                done >= before[name] + count
                for name, done in self.progress(writers).items()
            ),
        )

    def progress(self, writers: program.Program) -> dict[str, int]:
        """How often each kind of work was done; none of it has failed."""
        # The last line may be half a line.
        whole, _, _ = writers.output.rpartition('\n')
        lines = [line for line in whole.splitlines() if line.startswith('{')]
        done: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        self.assertEqual([], done.pop('failed', []))
        names = ('joins', 'saves', 'looks', 'beats')
        return {name: done.get(name, 0) for name in names}

    def test_no_call_fails_and_no_beat_is_lost(self) -> None:
        self.manage('db', 'sync', old=True)
        self.assertEqual(SCHEMA, schema.version(self.deployment.db))
        self.fill()
        daemon = self.old_conductor()
        conf = self.deployment.config_file()
        script = str(HERE / 'old_writers.py')
        writers = self.start('python', script, conf, old=True)
        self.wait_for_more(writers)

        before = self.progress(writers)
        self.manage('db', 'sync')
        during = self.progress(writers)
        self.assertEqual(schema.wanted(), schema.version(self.deployment.db))
        self.wait_for_more(writers)

        # The new conductor starts before the old one ends.
        self.deployment.conductor()
        self.wait_for_more(writers)
        daemon.signal(signal.SIGTERM)
        self.assertEqual(0, daemon.wait(), daemon.output)
        self.assertNotIn('ERROR', daemon.output)
        self.wait_for_more(writers)

        writers.signal(signal.SIGTERM)
        self.assertEqual(0, writers.wait(), writers.output)
        done = self.progress(writers)
        self.wait_for(
            'all beats',
            lambda: self.get_service('beaten').report_count >= done['beats'],
        )
        self.assertEqual(
            done['beats'], self.get_service('beaten').report_count
        )
        self.assertEqual(
            {
                'acme-joiner': 2,
                'acme-member': 3,
                'acme-past': 1,
                'acme-worker': 2,
                functional.CONDUCTOR: 1,
            },
            objects.PinList.in_force(self.context)['pins'],
        )
        self.addDetail('during', content.text_content(f'{before} to {during}'))
