"""Options of oslo.messaging for clusters of brokers, and our defaults."""

import itertools
import os
import pathlib
import re

import fixtures
from oslo_concurrency import lockutils

from sgconductor import app
from sgconductor import exception
from sgconductor import objects
from sgconductor.messaging import broker
from tests import program
from tests.functional import base
from tests.servers import process

_QUORUM = 'rabbit_quorum_queue = true\nrabbit_transient_quorum_queue = true\n'
_KINDS = {
    'durable': 'amqp_durable_queues = true\n',
    'quorum': _QUORUM,
    # Streams need a limit of messages that are not acknowledged; there is a
    # default.
    'streams': f'{_QUORUM}rabbit_stream_fanout = true\n',
}


class OptionTest(base.DeploymentTest):
    scenarios = [base.ON_MARIADB]

    def set(self, options: str) -> None:
        """Write options for RabbitMQ into all later configurations."""
        self.deployment.more = f'[oslo_messaging_rabbit]\n{options}\n'


class TestQueues(OptionTest):
    scenarios = [
        (f'mariadb,{kind}', {**base.ON_MARIADB[1], 'options': options})
        for kind, options in _KINDS.items()
    ]
    options: str

    def test_calls_beats_and_pins_arrive(self) -> None:
        self.set(self.options)
        self.deployment.conductor()
        remote = self.deployment.remote(servicegroup__sync_interval=3600)
        member = remote.membership('node1', 'acme-worker', 'worker', 3)
        member.join()
        self.addCleanup(member.stop)
        context = remote.context()

        def count() -> int:
            service = objects.Service.get_by_host_and_binary(
                context, 'node1', 'acme-worker'
            )
            return int(service.report_count)

        self.wait_for('a beat', lambda: count() >= 1)
        # It does not ask for the pins during this test.
        version = remote.pins.version
        self.assertEqual(3, version('acme-worker'))
        other = self.deployment.remote()
        objects.Pin.get_by_binary(other.context(), 'acme-worker').hold(2)
        self.wait_for('the held pin', lambda: version('acme-worker') == 2)


class TestQueueManager(OptionTest):
    def setUp(self) -> None:
        super().setUp()
        # It is a default of the whole process.
        self.addCleanup(lockutils.set_defaults, "")
        self.useFixture(fixtures.EnvironmentVariable('OSLO_LOCK_PATH'))
        # The leader of a test worker's process group may have ended.
        self.useFixture(fixtures.MonkeyPatch('os.getpgrp', os.getpid))
        self.locks = self.deployment.directory / 'locks'

    def manage_queues(self, lock_path: pathlib.Path | None) -> None:
        self.set('use_queue_manager = true')
        if lock_path:
            self.deployment.more += (
                f'[oslo_concurrency]\nlock_path = {lock_path}\n'
            )

    def test_lock_path_of_the_file_is_used(self) -> None:
        self.manage_queues(self.locks)
        self.deployment.conductor()
        context = self.deployment.remote().context()
        self.assertEqual([], base.services(context))
        self.assertTrue(os.listdir(self.locks))

    def test_a_missing_lock_path_is_refused(self) -> None:
        self.manage_queues(None)
        error = self.assertRaises(
            exception.ConfigError, self.deployment.remote
        )
        self.assertIn('needs [oslo_concurrency] lock_path', str(error))

    def test_a_lock_path_that_is_a_file_is_refused(self) -> None:
        self.locks.write_text('')
        self.manage_queues(self.locks)
        error = self.assertRaises(
            exception.ConfigError, self.deployment.remote
        )
        self.assertIn(f'lock_path is {self.locks}', str(error))

    def test_commands_do_without_it(self) -> None:
        self.deployment.conductor()
        self.manage_queues(None)
        config = self.deployment.config_file()
        command = self.useFixture(
            program.Program(
                *('sgconductor-manage', '--config-file', config),
                *('service', 'list'),
            )
        )
        self.assertEqual(0, command.wait(), command.output)


class TestHeartbeat(OptionTest):
    def heartbeats(self, remote: app.Remote) -> set[int]:
        """The intervals of AMQP heartbeats that a caller has agreed to."""
        broker.ping(remote.transport)
        *_, vhost = self.deployment.transport_url.split('/')
        found = self.broker.evaluate(
            'lists:flatten([io_lib:format("~B ", ['
            'proplists:get_value(timeout, Info)]) || Info <- '
            'rabbit_networking:connection_info_all([vhost, timeout]), '
            f'proplists:get_value(vhost, Info) =:= <<"{vhost}">>]).'
        )
        return {int(number) for number in re.findall(r'\d+', found)}

    def remote(self, down_after: int) -> app.Remote:
        return self.deployment.remote(servicegroup__down_after=down_after)

    def test_it_is_a_quarter_of_what_a_beat_may_be_late(self) -> None:
        self.assertEqual({5}, self.heartbeats(self.remote(21)))

    def test_it_is_a_second_at_least(self) -> None:
        self.assertEqual({1}, self.heartbeats(self.remote(4)))

    def test_it_is_never_long(self) -> None:
        self.assertEqual({15}, self.heartbeats(self.remote(600)))

    def test_an_operators_value_is_kept(self) -> None:
        self.set('heartbeat_timeout_threshold = 42')
        self.assertEqual({42}, self.heartbeats(self.remote(20)))

    def test_a_conductor_warns_once_of_a_value_that_is_too_long(self) -> None:
        self.set('heartbeat_timeout_threshold = 42')
        self.deployment.conductor()
        self.assertEqual(1, self.logged('heartbeat_timeout_threshold to 9'))

    def test_a_value_in_the_url_is_kept(self) -> None:
        url = f'{self.deployment.transport_url}?heartbeat_timeout_threshold=41'
        self.deployment.transport_url = url
        remote = self.deployment.remote()
        self.deployment.transport_url = url.partition('?')[0]
        self.assertEqual({41}, self.heartbeats(remote))


class TestDeadHosts(OptionTest):
    def test_a_caller_finds_the_one_that_lives_wherever_it_stands(
        self,
    ) -> None:
        # oslo.messaging shuffles the hosts.
        self.useFixture(fixtures.MonkeyPatch('random.shuffle', lambda _: None))
        *_, vhost = self.deployment.transport_url.split('/')
        dead = process.free_ports(3)
        for ports in itertools.permutations((*dead, self.broker.port)):
            hosts = ','.join(
                f'guest:guest@{process.LOOPBACK}:{port}' for port in ports
            )
            remote = self.deployment.remote(
                transport_url=f'rabbit://{hosts}/{vhost}'
            )
            broker.ping(remote.transport)
            remote.close()
