"""Checks of options that must fit together."""

from oslo_config import cfg

from sgconductor import conf as sg_conf
from sgconductor import exception
from tests import base


class TestConf(base.TestCase):
    def conf(self, **servicegroup: int) -> cfg.ConfigOpts:
        conf = cfg.ConfigOpts()
        sg_conf.register_conductor_opts(conf)
        for name, value in servicegroup.items():
            conf.set_override(name, value, 'servicegroup')
        return conf

    def test_the_defaults_work(self) -> None:
        sg_conf.validate(self.conf())

    def test_down_after_must_be_longer(self) -> None:
        for down_after in (9, 10):
            error = self.assertRaises(
                exception.ConfigError,
                sg_conf.validate,
                self.conf(report_interval=10, down_after=down_after),
            )
            self.assertIn(f'down_after ({down_after} s)', str(error))
            self.assertIn('report_interval (10 s)', str(error))
        sg_conf.validate(self.conf(report_interval=10, down_after=11))

    def test_a_project_keeps_its_own_options(self) -> None:
        conf = cfg.ConfigOpts()
        conf.register_opt(cfg.IntOpt('host'))
        conf.register_opt(cfg.StrOpt('workers'), group='conductor')
        sg_conf.register_opts(conf)

    def test_two_configurations_live_side_by_side(self) -> None:
        one, other = self.conf(down_after=30), self.conf(down_after=90)
        self.assertEqual(30, one.servicegroup.down_after)
        self.assertEqual(90, other.servicegroup.down_after)
