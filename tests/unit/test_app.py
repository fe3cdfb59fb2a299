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

_MEMBER = """
import json
import sys
from sgconductor import app
with app.connect('fake://') as remote:
    remote.membership('node1', 'acme-worker', 'worker', 1)
print(json.dumps(list(sys.modules)))
"""


class TestImports(base.TestCase):
    def test_a_member_imports_no_conductor_no_sql_and_no_unused_driver(
        self,
    ) -> None:
        run = subprocess.run(
            [sys.executable, '-c', _MEMBER],
            check=True,
            capture_output=True,
            text=True,
        )
        imported = set(json.loads(run.stdout))
        self.assertIn('oslo_messaging', imported)
        unwanted = {
            'alembic',
            'kazoo',
            'pymemcache',
            'sgconductor.api',
            'sgconductor.app.conductor',
            'sgconductor.app.local',
            'sgconductor.conductor',
            'sqlalchemy',
        }
        self.assertEqual(set(), unwanted & imported)


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
