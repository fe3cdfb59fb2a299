"""Conductors, members and commands as real processes."""

import json
import os
import pathlib
import re
import signal
import socket
import threading
from typing import Any

import fixtures
from testtools import content

from sgconductor import objects
from sgconductor.db import models
from sgconductor.db import schema
from sgconductor.messaging import shortcuts
from tests import base as tests_base
from tests import program
from tests.functional import base

# It changes the wall clock, and leaves the monotonic clock of timers alone.
_FAKETIME = ('/usr/bin/faketime', '--exclude-monotonic', '-f')
_MEMBER = str(pathlib.Path(__file__).parent / 'member_process.py')


class ProcessTest(base.DeploymentTest):
    scenarios = [base.ON_MARIADB]

    def conductor(
        self,
        workers: int = 2,
        env: dict[str, str] | None = None,
        **overrides: Any,
    ) -> program.Program:
        """A conductor daemon whose workers are ready."""
        path = self.deployment.config_file(
            conductor__workers=workers, **overrides
        )
        daemon = self.useFixture(
            program.Program(
                'sgconductor-conductor',
                '--config-file',
                path,
                env=env,
            )
        )
        self.addOnException(
            lambda _: self.addDetail(
                'conductor', content.text_content(daemon.output)
            )
        )
        self.wait_for(
            'the workers to be ready',
            lambda: daemon.output.count('worker is ready') >= workers,
        )
        self.config = path
        return daemon

    def member(self, host: str, *args: str, **more: Any) -> program.Program:
        """A member process that has joined."""
        path = self.deployment.config_file(servicegroup__down_after=10)
        member = self.useFixture(
            program.Program('python', _MEMBER, path, host, *args, **more)
        )
        self.wait_for('the member to join', lambda: 'joined' in member.output)
        return member

    def hosts_up(self) -> list[str]:
        """The hosts whose services are up, except conductors."""
        found = base.services(self.context, up=True)
        return [service.host for service in found]

    def get_service(self, host: str) -> objects.Service:
        return objects.Service.get_by_host_and_binary(
            self.context, host, 'acme-worker'
        )

    def wait_for_beats(self, host: str, count: int) -> None:
        self.wait_for(
            f'{count} beats of {host}',
            lambda: self.get_service(host).report_count >= count,
        )

    def setUp(self) -> None:
        super().setUp()
        self.context = self.deployment.remote(timeout=20).context()


class TestFleet(ProcessTest):
    def test_members_that_are_killed_or_stopped_are_down(self) -> None:
        self.conductor()
        members = {host: self.member(host) for host in ('a', 'b', 'c', 'd')}
        self.assertEqual(['a', 'b', 'c', 'd'], self.hosts_up())
        members['b'].signal(signal.SIGKILL)
        members['c'].signal(signal.SIGTERM)
        self.assertEqual(0, members['c'].wait())
        service = self.get_service('c')
        self.assertFalse(service.is_up)
        self.assertIsNotNone(service.left_at)
        self.wait_for('b to be down', lambda: self.hosts_up() == ['a', 'd'])
        self.assertIsNone(self.get_service('b').left_at)

    def test_members_with_wrong_clocks_are_up(self) -> None:
        if not pathlib.Path(_FAKETIME[0]).exists():
            self.skipTest('server missing: faketime')
        self.conductor()
        for host, shift in (('ahead', '+1h'), ('behind', '-1h')):
            self.member(host, prefix=[*_FAKETIME, shift])
        self.member('right')
        hosts = ['ahead', 'behind', 'right']
        for host in hosts:
            self.wait_for_beats(host, 4)
        self.assertEqual(hosts, self.hosts_up())
        stamps = [self.get_service(host).last_seen_up for host in hosts]
        spread = max(stamps) - min(stamps)
        self.assertLess(spread.total_seconds(), 60)

    def test_a_member_is_up_though_the_conductor_has_a_wrong_clock(
        self,
    ) -> None:
        if not pathlib.Path(_FAKETIME[0]).exists():
            self.skipTest('server missing: faketime')
        path = self.deployment.config_file(conductor__workers=1)
        daemon = self.useFixture(
            program.Program(
                'sgconductor-conductor',
                '--config-file',
                path,
                prefix=[_FAKETIME[0], '-f', '+1h'],
            )
        )
        self.wait_for(
            'the worker to be ready', lambda: 'is ready' in daemon.output
        )
        self.member('node1')
        self.wait_for_beats('node1', 4)
        self.assertEqual(['node1'], self.hosts_up())


class TestConductor(ProcessTest):
    def test_a_killed_worker_is_replaced(self) -> None:
        daemon = self.conductor()
        before = daemon.children()
        self.assertEqual(2, len(before))
        self.member('node1')
        os.kill(before[0], signal.SIGKILL)
        self.wait_for(
            'another worker',
            lambda: len(set(daemon.children()) - set(before)) == 1,
        )
        os.kill(before[1], signal.SIGKILL)
        self.wait_for(
            'two other workers',
            lambda: len(set(daemon.children()) - set(before)) == 2,
        )
        self.wait_for(
            'the two other workers to be ready',
            lambda: daemon.output.count('worker is ready') == 4,
        )
        count = self.get_service('node1').report_count
        self.wait_for(
            'more beats',
            lambda: self.get_service('node1').report_count > count,
        )

    def test_a_conductor_that_stops_loses_no_beat(self) -> None:
        daemon = self.conductor(workers=1)
        remote = self.deployment.remote(timeout=20)
        member = remote.membership(
            'node1', 'acme-worker', 'worker', 1, report_interval=20
        )
        service = member.join()
        # After this, only the beats below are sent.
        member.stop()
        total = 500
        for i in range(total):
            if i == total // 2:
                daemon.signal(signal.SIGTERM)
            self.deployment.beat(remote, service)
        self.assertEqual(0, daemon.wait())
        self.assertNotIn('Traceback', daemon.output)
        self.assertIn('Conductor worker has stopped', daemon.output)
        self.conductor(workers=1)
        self.wait_for(
            'all beats',
            lambda: self.get_service('node1').report_count >= total,
        )
        self.assertEqual(total, self.get_service('node1').report_count)

    def test_no_call_is_lost_when_workers_stop(self) -> None:
        if shortcuts.Shortcut.CANCEL_CONSUMERS not in shortcuts.usable():
            self.skipTest(f'{shortcuts.VARIABLE} is set')
        self.conductor(workers=1)
        for signum in (signal.SIGTERM, signal.SIGHUP):
            other = self.conductor(workers=2, conductor__host='conductor2')
            failed: list[Exception] = []
            answered: list[int] = []
            done = threading.Event()

            def call(
                failed: list[Exception] = failed,
                answered: list[int] = answered,
                done: threading.Event = done,
            ) -> None:
                while not done.is_set():
                    try:
                        objects.ServiceList.get_page(self.context)
                        answered.append(1)
                    except Exception as error:
                        failed.append(error)

            callers = [threading.Thread(target=call) for _ in range(6)]
            for caller in callers:
                caller.start()
            self.wait_for_more(answered, 50)
            other.signal(signum)
            if signum == signal.SIGTERM:
                self.assertEqual(0, other.wait())
            else:
                self.wait_for_new_workers(other, 4)
            self.wait_for_more(answered, 50)
            done.set()
            for caller in callers:
                caller.join()
            self.assertEqual([], failed)

    def wait_for_more(self, answered: list[int], count: int) -> None:
        goal = len(answered) + count
        self.wait_for(f'{count} more answers', lambda: len(answered) >= goal)

    def wait_for_new_workers(
        self, daemon: program.Program, count: int
    ) -> None:
        self.wait_for(
            'the new workers to be ready',
            lambda: daemon.output.count('worker is ready') >= count,
        )

    def test_sighup_with_an_invalid_file_keeps_the_configuration(self) -> None:
        daemon = self.conductor()
        config = pathlib.Path(self.config)
        good = config.read_text()
        for bad in (
            good.replace('debug = False', 'debug = perhaps'),
            good + '\nno sense',
        ):
            config.write_text(bad)
            errors = daemon.output.count('is kept as it was')
            ready = daemon.output.count('worker is ready')
            daemon.signal(signal.SIGHUP)
            self.wait_for_error(daemon, errors)
            self.wait_for_new_workers(daemon, ready + 2)
        self.assertNotIn('Traceback', daemon.output)
        daemon.signal(signal.SIGTERM)
        self.assertEqual(0, daemon.wait())

    def wait_for_error(self, daemon: program.Program, before: int) -> None:
        """Wait until more than so many errors in the file are logged."""
        self.wait_for(
            'the error in the file to be logged',
            lambda: daemon.output.count('is kept as it was') > before,
        )

    def test_sighup_reads_mutable_options(self) -> None:
        daemon = self.conductor()
        member = self.member('node1')
        self.assertNotIn('DEBUG', daemon.output)
        config = pathlib.Path(self.config)
        config.write_text(
            config.read_text().replace('debug = False', 'debug = True')
        )
        daemon.signal(signal.SIGHUP)
        self.wait_for(
            'two workers to log at level DEBUG',
            lambda: (
                sum(
                    f'{worker} DEBUG' in daemon.output
                    for worker in daemon.children()
                )
                == 2
            ),
        )
        count = self.get_service('node1').report_count
        self.wait_for(
            'more beats',
            lambda: self.get_service('node1').report_count > count,
        )
        self.assertEqual(['node1'], self.hosts_up())
        self.assertIsNone(member.process.poll())

    def test_a_conductor_notifies_systemd_when_it_is_ready(self) -> None:
        directory = self.useFixture(fixtures.TempDir()).path
        path = f'{directory}/notify'
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(60)
            self.conductor(
                workers=1, env={**os.environ, 'NOTIFY_SOCKET': path}
            )
            self.assertEqual(b'READY=1', notify.recv(100))

    def test_nothing_runs_on_eventlet(self) -> None:
        script = (
            'from sgconductor.cmd import conductor;'
            'from oslo_service import backend;'
            'from oslo_messaging import _utils;'
            'print(backend.get_backend_type().value,'
            '_utils.get_executor_with_context())'
        )
        run = self.useFixture(
            program.Program('python', '-c', script, fresh=True)
        )
        self.assertEqual(0, run.wait(), run.output)
        self.assertEqual('threading threading\n', run.output)


class TestScripts(tests_base.TestCase):
    def test_the_scripts_are_installed(self) -> None:
        """Other tests fork from a process that has imported the modules."""
        for name in ('allinone', 'conductor', 'manage', 'status'):
            run = self.useFixture(
                program.Program(f'sgconductor-{name}', '--help', fresh=True)
            )
            self.assertEqual(0, run.wait(), run.output)
            self.assertIn(f'usage: sgconductor-{name} ', run.output)

    def test_a_script_imports_all_that_it_needs(self) -> None:
        path = f'{self.useFixture(fixtures.TempDir()).path}/sg.conf'
        pathlib.Path(path).write_text(
            f'[database]\nconnection = sqlite:///{path}.db\n'
        )
        run = self.useFixture(
            program.Program(
                'sgconductor-manage',
                '--config-file',
                path,
                'db',
                'sync',
                fresh=True,
            )
        )
        self.assertEqual(0, run.wait(), run.output)


class TestStart(ProcessTest):
    scenarios = [base.ON_MARIADB]

    def run_conductor(self, **overrides: Any) -> str:
        """The last line that a conductor prints, which cannot start."""
        path = self.deployment.config_file(
            conductor__startup_timeout=0, **overrides
        )
        daemon = self.useFixture(
            program.Program('sgconductor-conductor', '--config-file', path)
        )
        self.assertEqual(1, daemon.wait())
        self.assertNotIn('Traceback', daemon.output)
        return daemon.output.splitlines()[-1]

    def test_options_that_contradict_each_other_are_named(self) -> None:
        output = self.run_conductor(
            servicegroup__report_interval=30, servicegroup__down_after=30
        )
        self.assertIn('down_after (30 s) must be longer', output)
        self.assertIn('report_interval (30 s)', output)

    def test_a_broker_that_cannot_be_reached_is_named(self) -> None:
        output = self.run_conductor(
            transport_url='rabbit://guest:secret@127.0.0.1:1/'
        )
        self.assertIn('broker at rabbit://127.0.0.1:1/ cannot', output)
        self.assertNotIn('secret', output)

    def test_a_database_that_cannot_be_reached_is_named(self) -> None:
        output = self.run_conductor(
            database__connection='mysql+pymysql://u:secret@127.0.0.1:1/sg'
        )
        self.assertIn('database at mysql+pymysql://u:***@127.0.0.1:1/', output)
        self.assertNotIn('secret', output)

    def test_the_reason_of_a_broker_that_refuses_is_shown(self) -> None:
        url = self.deployment.transport_url
        output = self.run_conductor(
            transport_url=url.replace('guest:guest', 'guest:wrong')
        )
        self.assertIn('The message broker at rabbit://127.0.0.1:', output)
        self.assertIn('ACCESS_REFUSED', output)
        output = self.run_conductor(transport_url=f'{url}-missing')
        self.assertIn('NOT_ALLOWED', output)

    def test_an_option_with_an_invalid_value_is_named(self) -> None:
        path = pathlib.Path(self.deployment.config_file())
        good = path.read_text()
        for option, value in (
            ('workers', '0'),
            ('on_deleted', 'explode'),
            ('beat_batch_timeout', '0'),
            ('host', ''),
            ('debug', 'perhaps'),
        ):
            path.write_text(
                re.sub(
                    f'^{option} = .*$', f'{option} = {value}', good, flags=re.M
                )
            )
            daemon = self.useFixture(
                program.Program(
                    'sgconductor-conductor', '--config-file', str(path)
                )
            )
            self.assertEqual(1, daemon.wait(), daemon.output)
            self.assertNotIn('Traceback', daemon.output)
            self.assertIn('Configuration error', daemon.output)
            self.assertIn(option, daemon.output)

    def test_a_database_that_does_not_exist_is_named(self) -> None:
        output = self.run_conductor(
            database__connection=re.sub(
                r'/t[0-9a-f]{12}\b', '/nowhere', self.deployment.url
            )
        )
        self.assertIn('/nowhere', output)
        self.assertIn('cannot be reached', output)

    def test_an_option_with_an_invalid_url_is_named(self) -> None:
        output = self.run_conductor(transport_url='carrier-pigeon://x/')
        self.assertIn('transport_url cannot be used', output)
        output = self.run_conductor(database__connection='oracle')
        self.assertIn('[database] connection cannot be used', output)
        output = self.run_conductor(database__connection='')
        self.assertIn('no [database] connection is set', output)

    def test_a_driver_that_is_not_installed_is_named(self) -> None:
        output = self.run_conductor(servicegroup__driver='pigeon')
        self.assertIn(
            "driver 'pigeon' is not installed; there is: db, memcache, zoo",
            output,
        )

    def test_a_schema_of_another_release_is_named(self) -> None:
        with self.deployment.db.writer() as conn:
            conn.exec_driver_sql("UPDATE alembic_version SET version_num='x'")
        self.assertIn(
            f'schema x, which this release (schema {schema.wanted()}) does '
            f'not know',
            self.run_conductor(),
        )
        with self.deployment.db.writer() as conn:
            conn.exec_driver_sql('DELETE FROM alembic_version')
        self.assertIn(
            f'needs {schema.wanted()}. Run: sgconductor-manage db sync',
            self.run_conductor(),
        )

    def test_a_conductor_waits_for_the_broker_at_its_start(self) -> None:
        self.broker.stop()
        try:
            path = self.deployment.config_file()
            daemon = self.useFixture(
                program.Program('sgconductor-conductor', '--config-file', path)
            )
            self.wait_for(
                'the warning',
                lambda: (
                    'Not ready; trying again: The message' in daemon.output
                ),
            )
        finally:
            self.broker.start()
        self.wait_for(
            'the worker to be ready', lambda: 'is ready' in daemon.output
        )


class TestManage(ProcessTest):
    scenarios = [base.ON_POSTGRESQL]

    def manage(self, *args: str, status: int = 0) -> str:
        """Run sgconductor-manage to its end, and return its output."""
        command = self.useFixture(
            program.Program(
                'sgconductor-manage', '--config-file', self.config, *args
            )
        )
        self.assertEqual(status, command.wait(), command.output)
        self.assertNotIn('Traceback', command.output)
        return command.output

    def test_services_are_listed_shown_edited_and_deleted(self) -> None:
        self.conductor(workers=1)
        self.member('node1')
        self.member('node2').signal(signal.SIGTERM)
        self.wait_for('node2 to be down', lambda: self.hosts_up() == ['node1'])

        listed = json.loads(self.manage('service', 'list', '-f', 'json'))
        self.assertEqual(
            [
                ('conductor1', 'up', 'enabled'),
                ('node1', 'up', 'enabled'),
                ('node2', 'down', 'enabled'),
            ],
            [(s['host'], s['state'], s['status']) for s in listed],
        )
        uuid = listed[1]['uuid']
        for option, hosts in (
            ('--down', 'node2\n'),
            ('--binary=acme-api', ''),
            ('--disabled', ''),
        ):
            listed_hosts = self.manage(
                'service', 'list', option, '-f', 'value', '-c', 'host'
            )
            self.assertEqual(hosts, listed_hosts)

        for form in ('table', 'json', 'yaml', 'csv', 'value'):
            self.assertIn(uuid, self.manage('service', 'list', '-f', form))

        output = self.manage('service', 'disable', uuid, '--reason', 'fan')
        self.assertIn('fan', output)
        self.assertTrue(self.get_service('node1').disabled)
        self.manage('service', 'enable', 'node1', 'acme-worker')
        self.assertFalse(self.get_service('node1').disabled)
        self.assertIsNone(self.get_service('node1').disabled_reason)
        self.manage('service', 'force-down', uuid)
        self.assertFalse(self.get_service('node1').is_up)
        self.manage('service', 'force-up', uuid)
        self.assertTrue(self.get_service('node1').is_up)
        shown = json.loads(self.manage('service', 'show', uuid, '-f', 'json'))
        self.assertEqual('up', shown['state'])
        self.manage('service', 'delete', 'node2', 'acme-worker')
        self.assertEqual(
            'conductor1\nnode1\n',
            self.manage('service', 'list', '-f', 'value', '-c', 'host'),
        )

    def test_a_mistake_is_reported_in_one_line(self) -> None:
        self.conductor(workers=1)
        uuid = '5d0dd9a1-33a0-4bca-a62b-1e8d79bb1b6c'
        for args, error in (
            (('service', 'show', uuid), f'Service {uuid} was not found.'),
            (('service', 'show', 'a/b', 'c'), "host 'a/b' must begin"),
            (('service', 'show', 'a', 'b', 'c'), 'not 3 words: a b c'),
            (('service', 'delete', 'no'), "'no' is not a UUID; name the"),
            (('service', 'delete', uuid), f'Service {uuid} was not found.'),
            (('service', 'disable', 'a/b', 'c'), "host 'a/b' must begin"),
            (('service', 'enable', 'a', 'b'), 'was not found.'),
        ):
            output = self.manage(*args, status=1)
            self.assertEqual(1, len(output.splitlines()), output)
            self.assertIn(error, output)

    def test_a_conductor_or_broker_that_does_not_answer_is_named(self) -> None:
        self.config = self.deployment.config_file()
        output = self.manage('--timeout', '1', 'service', 'list', status=1)
        self.assertIn('No conductor answered on topic', output)
        self.assertEqual(1, len(output.splitlines()), output)
        self.config = self.deployment.config_file(
            transport_url='rabbit://guest:guest@127.0.0.1:1/'
        )
        output = self.manage('--timeout', '1', 'service', 'list', status=1)
        self.assertIn('broker at rabbit://127.0.0.1:1/ cannot', output)
        self.assertEqual(1, len(output.splitlines()), output)

    def test_without_a_subcommand_all_are_listed(self) -> None:
        self.config = self.deployment.config_file()
        self.assertIn('service list', self.manage(status=2))

    def test_a_configuration_file_that_cannot_be_read_is_named(self) -> None:
        self.config = '/nowhere/sgconductor.conf'
        output = self.manage('service', 'list', status=1)
        self.assertIn('/nowhere/sgconductor.conf', output)
        self.assertEqual(1, len(output.splitlines()), output)

    def test_only_db_commands_need_the_database_option(self) -> None:
        self.conductor(workers=1)
        path = pathlib.Path(self.config)
        without_connection = [
            line
            for line in path.read_text().splitlines()
            if not line.startswith('connection')
        ]
        path.write_text('\n'.join(without_connection))
        self.manage('service', 'list')
        output = self.manage('db', 'version', status=1)
        self.assertIn('no [database] connection is set', output)

    def test_db_sync_and_db_version(self) -> None:
        self.config = self.deployment.config_file()
        with self.deployment.db.writer() as conn:
            models.metadata.drop_all(conn)
            conn.exec_driver_sql('DROP TABLE alembic_version')
        wanted = schema.wanted()
        output = self.manage('db', 'version', '-f', 'json')
        self.assertEqual(
            (None, wanted),
            (json.loads(output)['schema'], json.loads(output)['needed']),
        )
        self.assertIn(f'schema (none) -> {wanted}', self.manage('db', 'sync'))
        self.assertIn(
            f'schema {wanted} -> {wanted}', self.manage('db', 'sync')
        )
        with self.deployment.db.writer() as conn:
            conn.exec_driver_sql("UPDATE alembic_version SET version_num='x'")
        output = self.manage('db', 'sync', status=1)
        self.assertIn('a newer release has synced it', output)
