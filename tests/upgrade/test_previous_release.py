"""The release before with this one, both as they really are."""

import datetime
import json
import pathlib
import signal
from collections.abc import Callable
from typing import Any

import oslo_messaging as messaging
import sqlalchemy as sa
from oslo_utils import uuidutils
from oslo_versionedobjects import exception as ovo_exc
from testtools import content

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor import rpcapi
from sgconductor import versions
from sgconductor.db import schema
from sgconductor.messaging import transports
from sgconductor.rpcapi import conductor as conductor_api
from tests import primitives
from tests import program
from tests import release
from tests.functional import base as functional
from tests.upgrade import base

HERE = pathlib.Path(__file__).parent

# What the release before has.
SCHEMA = '1_0001'
SERVICE = '1.1'
SERVICE_LIST = '1.0'
FIELDS = sorted(primitives.frozen('Service', SERVICE)['versioned_object.data'])


class TestItsCallers(base.UpgradeTest):
    """Callers and members of the release before, and this conductor."""

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

    def test_they_look_up_list_and_edit(self) -> None:
        for host in ('node1', 'node2', 'node3'):
            self.member(host)
        conf = self.deployment.config_file()
        script = str(HERE / 'old_caller.py')
        run = self.start('python', script, conf, old=True)
        self.assertEqual(0, run.wait(), run.output)
        told = json.loads(run.output)

        self.assertIn(release.PREVIOUS.commit, told['release'])
        service = [SERVICE, FIELDS]
        self.assertEqual([service, service], told['found'])
        # The conductor is one of them.
        self.assertEqual([SERVICE_LIST, *[service] * 4], told['page'])
        self.assertEqual([SERVICE_LIST, 0], told['nobody'])
        self.assertEqual(['conductor1', 'node1', 'node2', 'node3'], told['up'])
        self.assertEqual([], told['down'])
        self.assertEqual([True, True], told['saved'])
        self.assertEqual(service, told['refreshed'])
        self.assertIn('was not found', told['refused'])
        self.assertEqual('new fan', self.look('node1').disabled_reason)

    def test_its_members_join_beat_leave_and_come_back(self) -> None:
        member = self.old_member('node1')
        self.assertTrue(self.look('node1').is_up)
        pin = objects.Pin.get_by_binary(self.context, 'acme-worker')
        self.assertEqual((1, 1), (pin.version, pin.min_version))
        self.assertEqual('join of node1 with version 1', pin.cause)
        self.wait_for_beats('node1')

        member.signal(signal.SIGTERM)
        self.assertEqual(0, member.wait(), member.output)
        self.assertEqual('joined\n', member.output)
        service = self.look('node1')
        self.assertFalse(service.is_up)
        self.assertIsNotNone(service.left_at)

        self.old_member('node1')
        service = self.look('node1')
        self.assertTrue(service.is_up)
        self.assertEqual(2, service.incarnation)

    def test_its_members_follow_no_pin_and_so_none_is_lowered(self) -> None:
        self.old_member('node1')
        pin = objects.Pin.get_by_binary(self.context, 'acme-worker')
        pin.hold(0)
        self.wait_for_beats('node1')
        self.wait_for(
            'the conductor',
            lambda: (
                objects.Pin.get_by_binary(
                    self.context, 'acme-worker'
                ).following
                == 1
            ),
        )
        self.assertEqual(0, self.look('node1').pin_epoch)
        error = self.assertRaises(
            exception.ServiceTooOld, self.member, 'node2', 0
        )
        self.assertIn('followed by only 1 of 2 members yet', str(error))

    def test_its_members_below_the_pin_are_told_so(self) -> None:
        for host in ('node1', 'node2'):
            self.member(host, 2)
        # In that release's example, an error is one line.
        member = self.start(
            'python',
            str(release.PREVIOUS.source / 'examples/member.py'),
            self.deployment.transport_url,
            'node1',
            old=True,
        )
        self.assertEqual(1, member.wait())
        self.assertEqual(1, len(member.output.splitlines()), member.output)
        self.assertIn(
            'acme-worker on node1 has version 1 and cannot join: the pin is 2',
            member.output,
        )
        self.assertIn('pins hold acme-worker 1', member.output)

    def test_its_members_are_told_to_come_out_of_quarantine(self) -> None:
        member = self.old_member('node1')
        service = self.look('node1')
        service.forced_down = True
        service.save()
        member.signal(signal.SIGSTOP)
        self.deployment.age(service.id, 60)
        service.quarantine()
        member.signal(signal.SIGCONT)
        self.wait_for('it', lambda: not self.look('node1').quarantined)
        self.assertEqual(2, self.look('node1').incarnation)
        self.assertIn(
            "joins again: the conductor said 'rejoin'", member.output
        )

    def test_its_admin_command(self) -> None:
        self.member('node1')
        listed = json.loads(
            self.manage('service', 'list', '-f', 'json', old=True)
        )
        self.assertEqual(
            [('conductor1', 'up'), ('node1', 'up')],
            [(s['host'], s['state']) for s in listed],
        )
        name = ('node1', 'acme-worker')
        self.manage('service', 'disable', *name, old=True)
        self.assertTrue(self.look('node1').disabled)
        told = self.manage('db', 'sync', old=True, status=1)
        self.assertIn('a newer release has synced it', told)


class WorkerAPI(rpcapi.PinnedAPI):
    """A project's client that knows two releases of its worker."""

    BINARY = 'acme-worker'
    HISTORY = versions.History('1.0', '1.1')
    TARGET = messaging.Target(exchange='acme', topic='worker')

    def which(self) -> Any:
        with self.prepare() as rpc:
            return rpc.call({}, 'which', newest=rpc.can_send('1.1'))


class Worker:
    """Says what it was asked at."""

    target = messaging.Target(version='1.1')

    @messaging.expose  # type: ignore[untyped-decorator]
    def which(self, context: Any, newest: bool) -> bool:
        return newest


class TestItsConductor(base.UpgradeTest):
    """The conductor of the release before, with callers of this one."""

    scenarios = [base.ON_POSTGRESQL]
    tables = False

    def setUp(self) -> None:
        super().setUp()
        # What that release's own command makes, but in less time.
        schema.sync(self.deployment.db, SCHEMA)
        self.daemon = self.old_conductor()

    def join(self, host: str = 'node1', version: int = 1) -> None:
        membership = self.remote.membership(
            host, 'acme-worker', 'worker', version
        )
        membership.join()
        self.addCleanup(membership.leave)

    def test_members_join_beat_and_leave(self) -> None:
        membership = self.remote.membership(
            'node1', 'acme-worker', 'worker', 1
        )
        with membership:
            self.assertTrue(membership.service.is_up)
            self.wait_for_beats('node1')
        service = self.look('node1')
        self.assertFalse(service.is_up)
        self.assertIsNotNone(service.left_at)
        self.assertEqual(0, self.logged('WARNING '))
        self.assertNotIn('ERROR', self.daemon.output)

    def test_callers_look_up_list_and_edit(self) -> None:
        for host in ('node1', 'node2', 'node3'):
            self.join(host)
        service = self.look('node1')
        self.assertEqual(SERVICE, service.VERSION)
        self.assertFalse(service.obj_attr_is_set('quarantined'))
        listed = objects.ServiceList.get_page(self.context)
        self.assertEqual(SERVICE_LIST, listed.VERSION)
        self.assertEqual([SERVICE] * 3, [one.VERSION for one in listed])
        nobody = objects.ServiceList.get_page(self.context, binary='acme-api')
        self.assertEqual(0, len(nobody))
        service.disabled = True
        service.save()
        told = self.manage('service', 'list', '-f', 'json')
        self.assertEqual(
            [
                ('node1', 'up', 'disabled'),
                ('node2', 'up', 'enabled'),
                ('node3', 'up', 'enabled'),
            ],
            [(s['host'], s['state'], s['status']) for s in json.loads(told)],
        )
        self.manage('service', 'show', 'node1', 'acme-worker')

    def test_what_it_has_not_is_refused_by_name(self) -> None:
        self.join()
        service = self.look('node1')
        lists = objects.ServiceList
        methods: dict[str, Callable[[], object]] = {
            'Service.quarantine': service.quarantine,
            'Service.unquarantine': service.unquarantine,
            'ServiceList.get_oldest': lambda: lists.get_oldest(
                self.context, 'acme-worker'
            ),
            'ServiceList.get_lagging': lambda: lists.get_lagging(
                self.context, 1
            ),
        }
        for name, call in methods.items():
            error = self.assertRaises(exception.NotRemotable, call)
            self.assertIn(name, str(error))
            self.assertIn('upgrade the conductors first', str(error))
        classes: dict[str, Callable[[], object]] = {
            'Pin': lambda: objects.Pin.get_by_binary(
                self.context, 'acme-worker'
            ),
            'PinList': lambda: objects.PinList.get_all(self.context),
        }
        for name, call in classes.items():
            unknown = self.assertRaises(ovo_exc.UnsupportedObjectError, call)
            self.assertIn(name, str(unknown))
        for command in (
            ('pins', 'list'),
            ('service', 'quarantine', 'node1', 'acme-worker'),
        ):
            told = self.manage(*command, status=1)
            self.assertIn('Upgrade all conductors first.', told)
            self.assertEqual(1, len(told.splitlines()), told)

    def test_pinned_clients_speak_the_oldest_until_it_is_replaced(
        self,
    ) -> None:
        self.join(version=1)
        server = messaging.get_rpc_server(
            self.remote.transport,
            messaging.Target(exchange='acme', topic='worker', server='node1'),
            [Worker()],
            access_policy=messaging.ExplicitRPCAccessPolicy,
        )
        server.start()
        self.addCleanup(server.wait)
        self.addCleanup(server.stop)
        # One that has no membership here, and one that goes by it.
        stranger = self.deployment.remote()
        for remote in (stranger, self.remote):
            api = WorkerAPI(remote.transport, remote.pins, timeout=20)
            self.assertIs(False, api.which())

        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(0, self.daemon.wait())
        path = self.deployment.config_file()
        early = self.start('sgconductor-conductor', '--config-file', path)
        self.assertEqual(1, early.wait())
        self.assertIn('Run: sgconductor-manage db sync', early.output)
        self.assertNotIn('Traceback', early.output)
        self.manage('db', 'sync')
        self.deployment.conductor()
        for remote in (stranger, self.remote):
            api = WorkerAPI(remote.transport, remote.pins, timeout=20)
            self.wait_for('the pin', api.which)


class TestItsServers(base.UpgradeTest):
    """Servers of the release before that are sent newer objects.

    They did not ask for them, so they ask a conductor of this release to
    make them older.
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
            serializer=transports.Serializer(conductor=self.context.conductor),
        )

    def tell(self, thing: Any) -> Any:
        """How the old server sees it."""
        return self.client.call(self.context, 'tell', thing=thing)

    def service(self, **values: Any) -> objects.Service:
        service = objects.Service.obj_from_primitive(
            primitives.frozen('Service', objects.Service.VERSION)
        )
        for name, value in values.items():
            setattr(service, name, value)
        return service

    def test_objects_arrive_in_the_version_that_it_knows(self) -> None:
        whole = {
            'version': SERVICE,
            'host': 'node9',
            'is_up': True,
            'set': len(FIELDS),
        }
        service = self.service(host='node9')
        self.assertEqual(whole, self.tell(service))
        self.assertEqual([whole, 5, whole], self.tell([service, 5, service]))
        echo = self.client.call(self.context, 'echo', thing=self.service())
        self.assertEqual(
            primitives.frozen('Service', SERVICE), echo.obj_to_primitive()
        )

    def test_lists_arrive_with_what_is_in_them(self) -> None:
        services = objects.ServiceList(
            objects=[self.service(host='a'), self.service(host='b')]
        )
        # One of the version that the server knows, with newer objects.
        older = objects.ServiceList(objects=services.objects)
        older.VERSION = SERVICE_LIST
        for one in (services, older):
            told = self.tell(one)
            self.assertEqual(SERVICE_LIST, told['version'])
            self.assertEqual(
                [('a', SERVICE), ('b', SERVICE)],
                [(one['host'], one['version']) for one in told['objects']],
            )
        self.assertEqual(
            {'version': SERVICE_LIST, 'objects': [], 'set': 1},
            self.tell(objects.ServiceList(objects=[])),
        )

    def test_what_is_not_set_stays_so(self) -> None:
        self.assertEqual(
            {'version': SERVICE, 'host': 'node1', 'set': 1},
            self.tell(objects.Service(host='node1', pin_epoch=5)),
        )
        self.assertEqual(
            {'version': SERVICE, 'set': 0}, self.tell(objects.Service())
        )

    def test_what_it_has_never_heard_of_is_refused(self) -> None:
        for thing in (
            objects.Pin(binary='acme-worker'),
            objects.PinList(objects=[]),
        ):
            error = self.assertRaises(
                ovo_exc.UnsupportedObjectError, self.tell, thing
            )
            self.assertIn(
                f'Unsupported object type {thing.obj_name()}', str(error)
            )


class TestBothConductors(base.UpgradeTest):
    """Conductors of both releases, side by side, on the new tables."""

    scenarios = [base.ON_POSTGRESQL]

    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.old_conductor()

    def asking(self, host: str) -> sg_context.RequestContext:
        """The context of a caller that asks a certain conductor."""
        api = conductor_api.ConductorAPI(self.remote.transport, 20)
        api._client = api._client.prepare(server=host)
        return sg_context.RequestContext(conductor=api)

    def join_by(self, conductor: str, host: str, version: int) -> Any:
        """What a certain conductor answers to a join."""
        service = objects.Service(
            self.asking(conductor),
            host=host,
            binary='acme-worker',
            topic='worker',
            version=version,
            report_interval=1,
            down_after=30,
        )
        return service.join(uuidutils.generate_uuid())

    def test_members_and_callers_of_both(self) -> None:
        self.assertIn('which can work with it', self.daemon.output)
        conductor = self.deployment.conductor()
        old = self.old_member('old1')
        with self.remote.membership('new1', 'acme-worker', 'worker', 1):
            # Which conductor takes what is up to the broker.
            for _ in range(10):
                listed = objects.ServiceList.get_page(self.context)
                self.assertEqual(
                    [('conductor1', True), ('old1', True), ('new1', True)],
                    [(one.host, one.is_up) for one in listed],
                )
                service = self.look('new1')
                service.disabled = not service.disabled
                service.save()
            self.wait_for_beats('old1', 6)
            self.wait_for_beats('new1', 6)
        old.signal(signal.SIGTERM)
        self.assertEqual(0, old.wait(), old.output)
        self.assertEqual('joined\n', old.output)
        self.assertEqual(0, self.logged('WARNING '))
        self.assertEqual(0, self.logged('ERROR '))
        self.assertNotIn('ERROR', self.daemon.output)
        beats = sum(
            one.report_count
            for one in objects.ServiceList.get_page(self.context)
        )
        self.assertGreater(conductor.beats.written, 0)
        self.assertGreater(beats, conductor.beats.written)

    def test_what_the_old_one_lets_in_is_found(self) -> None:
        conductor = self.deployment.conductor(conductor__host='new')
        context = self.asking('new')
        for host, version in (('node1', 5), ('node2', 4)):
            self.assertNotIn('pins', self.join_by('old', host, version))
            conductor.backend.roster.settle()
            pin = objects.Pin.get_by_binary(context, 'acme-worker')
            self.assertEqual(version, pin.version)
            self.assertEqual('found so by a conductor', pin.cause)
        answer = self.join_by('new', 'node3', 6)
        self.assertEqual(
            {'acme-worker': 4, functional.CONDUCTOR: 1}, answer['pins']
        )


class TestMigration(base.UpgradeTest):
    """The tables grow while the release before writes them."""

    tables = False
    ROWS = 5_000

    def fill(self) -> None:
        """Many services that left long ago, so that steps take a while."""
        table = sa.Table(
            'services', sa.MetaData(), autoload_with=self.deployment.db.engine
        )
        row = {
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
            **dict.fromkeys(
                ('last_seen_up', 'left_at', 'created_at'),
                datetime.datetime(2020, 1, 1),
            ),
        }
        with self.deployment.db.writer() as conn:
            conn.execute(
                table.insert(),
                [
                    {
                        'uuid': uuidutils.generate_uuid(),
                        'join_token': uuidutils.generate_uuid(),
                        'host': f'past{i}',
                        **row,
                    }
                    for i in range(self.ROWS)
                ],
            )

    def wait_for_more(self, writers: program.Program, count: int = 10) -> None:
        """Wait until each of its threads has done so much more."""
        before = self.told(writers)
        self.wait_for(
            'the writers',
            lambda: all(
                done >= before[name] + count
                for name, done in self.told(writers).items()
            ),
        )

    def told(self, writers: program.Program) -> dict[str, int]:
        """How much was done until now, and nothing else is to be told."""
        *lines, _ = ['{}', *writers.output.split('\n')]
        done: dict[str, Any] = json.loads(lines[-1])
        self.assertEqual([], done.pop('failed', []))
        names = ('joins', 'saves', 'looks', 'beats')
        return {name: done.get(name, 0) for name in names}

    def test_nothing_fails_and_no_beat_is_lost(self) -> None:
        self.manage('db', 'sync', old=True)
        self.assertEqual(SCHEMA, schema.version(self.deployment.db))
        self.fill()
        daemon = self.old_conductor()
        conf = self.deployment.config_file()
        script = str(HERE / 'old_writers.py')
        writers = self.start('python', script, conf, old=True)
        self.wait_for_more(writers)

        before = self.told(writers)
        self.manage('db', 'sync')
        during = self.told(writers)
        self.assertEqual(schema.wanted(), schema.version(self.deployment.db))
        self.wait_for_more(writers)

        # Conductors change places: first one more, then one less.
        self.deployment.conductor()
        self.wait_for_more(writers)
        daemon.signal(signal.SIGTERM)
        self.assertEqual(0, daemon.wait(), daemon.output)
        self.assertNotIn('ERROR', daemon.output)
        self.wait_for_more(writers)

        writers.signal(signal.SIGTERM)
        self.assertEqual(0, writers.wait(), writers.output)
        done = self.told(writers)
        self.wait_for(
            'all beats',
            lambda: self.look('beaten').report_count >= done['beats'],
        )
        self.assertEqual(done['beats'], self.look('beaten').report_count)
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
