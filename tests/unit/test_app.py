"""Reaching a conductor, with the odd configuration."""

import oslo_messaging as messaging
from oslo_config import cfg

from sgconductor import app
from sgconductor import exception
from sgconductor.rpcapi import base as rpc_base
from tests import base


class TestRemote(base.TestCase):
    def test_a_url_may_have_any_password(self) -> None:
        for password in ('pa$word', 'pa$$word', '${x}'):
            conf = cfg.ConfigOpts()
            conf([], default_config_files=[], default_config_dirs=[])
            url = f'rabbit://me:{password}@127.0.0.1:1/'
            rpc_base.use_url(conf, url)
            parsed = messaging.TransportURL.parse(conf)
            self.assertEqual(password, parsed.hosts[0].password)
            transport = rpc_base.rpc_transport(conf)
            self.addCleanup(transport.cleanup)
            self.assertNotIn('wor', rpc_base.broker(transport))

    def test_a_url_that_makes_no_sense(self) -> None:
        for url in ('pigeon://x', 'rabbit://host:port/'):
            self.assertRaises(exception.ConfigError, app.connect, url)

    def test_the_timeout_may_be_that_of_the_configuration(self) -> None:
        remote = app.connect('fake://', timeout=None)
        self.addCleanup(remote.close)
        self.assertIsNotNone(remote.context().conductor)
