"""The interval of AMQP heartbeats."""

import itertools

import fixtures
from oslo_config import cfg

from sgconductor import conf as sg_conf
from sgconductor import exception
from sgconductor.messaging import transports
from tests import base

_URL = 'rabbit://guest:guest@127.0.0.1:1/'


class TestHeartbeat(base.TestCase):
    def conf(self, url: str = _URL, **servicegroup: object) -> cfg.ConfigOpts:
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        sg_conf.register_conductor_opts(conf)
        for name, value in servicegroup.items():
            conf.set_override(name, value, 'servicegroup')
        transports.use_url(conf, url)
        return conf

    def warning(self, conf: cfg.ConfigOpts) -> str:
        """What it says, '' for nothing."""
        with fixtures.FakeLogger('sgconductor.messaging.transports') as log:
            transports.warn_of_late_notice(conf)
            return str(log.output)

    def test_the_default_is_sound_wherever_that_is_possible(self) -> None:
        pairs = itertools.combinations([*range(1, 9), 10, 60, 86400], 2)
        for interval, down_after in pairs:
            conf = self.conf(report_interval=interval, down_after=down_after)
            noticed = transports.noticed_within(conf)
            # The shortest heartbeat is a second.
            if 3 + interval < down_after:
                self.assertLess(noticed + interval, down_after)
                self.assertEqual('', self.warning(conf))
            else:
                self.assertEqual(3, noticed)
                self.assertIn(
                    f'Set down_after to more than {3 + interval} s',
                    self.warning(conf),
                )

    def test_it_fits_the_slow_intervals_of_other_drivers(self) -> None:
        conf = self.conf(
            driver='zookeeper', slow_report_interval=20, slow_down_after=40
        )
        self.assertEqual(15, transports.noticed_within(conf))
        self.assertEqual('', self.warning(conf))
        text = self.warning(
            self.conf(
                f'{_URL}?heartbeat_timeout_threshold=7',
                driver='zookeeper',
                slow_report_interval=20,
                slow_down_after=40,
            )
        )
        self.assertIn('slow_report_interval (20 s)', text)
        self.assertIn('slow_down_after (40 s)', text)
        self.assertIn('heartbeat_timeout_threshold to 6 or less', text)

    def test_a_warning_says_which_value_is_safe(self) -> None:
        url = f'{_URL}?heartbeat_timeout_threshold='
        self.assertEqual('', self.warning(self.conf(f'{url}16')))
        text = self.warning(self.conf(f'{url}17'))
        self.assertIn('heartbeat_timeout_threshold (17 s)', text)
        self.assertIn('report_interval (10 s)', text)
        self.assertIn('down_after (60 s)', text)
        self.assertIn('heartbeat_timeout_threshold to 16 or less', text)

    def test_no_heartbeats_are_a_warning(self) -> None:
        url = f'{_URL}?heartbeat_timeout_threshold=0'
        text = self.warning(self.conf(url, down_after=600))
        self.assertIn('heartbeat_timeout_threshold is 0', text)
        self.assertIn('but not to 0', text)

    def test_other_kinds_of_brokers_have_none(self) -> None:
        self.assertEqual('', self.warning(self.conf('fake:///')))

    def test_one_that_is_negative_is_refused(self) -> None:
        conf = self.conf(f'{_URL}?heartbeat_timeout_threshold=-5')
        self.assertRaisesRegex(
            exception.ConfigError,
            'heartbeat_timeout_threshold must not be less than 0',
            transports.rpc_transport,
            conf,
        )
