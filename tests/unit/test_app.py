"""Connecting to the conductors, and what a member imports for it."""

import json
import subprocess
import sys

import oslo_messaging as messaging
from oslo_config import cfg

from sgconductor import app
from sgconductor import exception
from sgconductor.messaging import broker
from sgconductor.messaging import transports
from tests import base

# What a process loads that reaches a conductor by the message bus alone: the
# contract and the clients, and neither behaviour nor SQL.
_CALLER = """
app app.client
conf conf.api conf.conductor conf.memcache conf.servicegroup conf.zookeeper
context exception host_clock versions
member member.database_clock member.driver_heartbeat member.joiner
member.membership member.periodic_task member.session
messaging messaging.broker messaging.delivery messaging.graceful_server
messaging.library_options messaging.notification messaging.polling
messaging.reconnect messaging.remote_error messaging.serializer
messaging.shortcuts
messaging.topics messaging.transports
objects objects.base objects.event objects.fast_codec objects.fields
objects.pin objects.read_ahead objects.service objects.service_list
rpcapi rpcapi.beats rpcapi.conductor rpcapi.deadline rpcapi.drain
rpcapi.pin_cache
rpcapi.pin_listener rpcapi.pinned
servicegroup servicegroup.driver
"""
# A member loads the driver that is configured, too.
_DRIVER = 'servicegroup.drivers servicegroup.drivers.db'

_SCRIPT = """
import json
import sys
from sgconductor import app
with app.connect('fake://') as remote:
    {use}
print(json.dumps(list(sys.modules)))
"""


class TestImports(base.TestCase):
    def loaded(self, use: str) -> list[str]:
        """The modules that a fresh process has loaded.

        :param use: what it does with ``remote``
        """
        run = subprocess.run(
            [sys.executable, '-c', _SCRIPT.format(use=use)],
            check=True,
            capture_output=True,
            text=True,
        )
        names: list[str] = json.loads(run.stdout)
        self.assertIn('oslo_messaging', names)
        for name in ('alembic', 'kazoo', 'pymemcache', 'sqlalchemy'):
            self.assertNotIn(name, names)
        return sorted(
            name.removeprefix('sgconductor.')
            for name in names
            if name.startswith('sgconductor.')
        )

    def test_a_remote_caller_loads_the_contract_and_the_clients(self) -> None:
        use = 'assert remote.context().conductor'
        self.assertEqual(sorted(_CALLER.split()), self.loaded(use))

    def test_a_member_loads_its_driver_too(self) -> None:
        use = "remote.membership('node1', 'acme-worker', 'worker', 1)"
        self.assertEqual(
            sorted([*_CALLER.split(), *_DRIVER.split()]), self.loaded(use)
        )


class TestRemote(base.TestCase):
    def test_a_url_may_have_any_password(self) -> None:
        for password in ('pa$word', 'pa$$word', '${x}'):
            conf = cfg.ConfigOpts()
            conf([], default_config_files=[], default_config_dirs=[])
            url = f'rabbit://me:{password}@127.0.0.1:1/'
            transports.use_url(conf, url)
            parsed = messaging.TransportURL.parse(conf)
            self.assertEqual(password, parsed.hosts[0].password)
            bus = transports.rpc_transport(conf)
            self.addCleanup(bus.cleanup)
            self.assertNotIn('wor', broker.address(bus))

    def test_a_url_that_makes_no_sense(self) -> None:
        for url in ('pigeon://x', 'rabbit://host:port/'):
            self.assertRaises(exception.ConfigError, app.connect, url)

    def test_the_timeout_may_be_that_of_the_configuration(self) -> None:
        remote = app.connect('fake://', timeout=None)
        self.addCleanup(remote.close)
        self.assertIsNotNone(remote.context().conductor)
