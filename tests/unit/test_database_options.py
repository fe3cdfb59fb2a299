"""Options of the database that cannot work."""

import math

from oslo_config import cfg
from oslo_db import options as db_options

from sgconductor import conf as sg_conf
from sgconductor import exception
from sgconductor.db import database
from tests import base

_URL = 'mysql+pymysql://user:secret@127.0.0.1:1/name'


class TestOptions(base.TestCase):
    def conf(self, url: str = _URL) -> cfg.ConfigOpts:
        conf = cfg.ConfigOpts()
        sg_conf.register_conductor_opts(conf)
        conf.register_opts(db_options.database_opts, 'database')
        conf.set_override('connection', url, 'database')
        return conf

    def test_a_timeout_that_is_no_number_is_refused(self) -> None:
        for value in (math.nan, None):
            conf = self.conf()
            conf.set_override('database_timeout', value, 'conductor')
            error = self.assertRaises(
                exception.ConfigError, database.Database.from_conf, conf
            )
            self.assertIn('[conductor] database_timeout', str(error))

    def test_a_timeout_in_the_url_that_cannot_be_is_refused(self) -> None:
        for option in ('connect_timeout=0', 'read_timeout=-1'):
            db = database.Database.from_conf(self.conf(f'{_URL}?{option}'))
            error = self.assertRaises(exception.ConfigError, db.ping)
            self.assertIn(option.partition('=')[0], str(error))
            self.assertNotIn('secret', str(error))
