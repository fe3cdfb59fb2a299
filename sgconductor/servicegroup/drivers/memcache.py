"""The driver memcache."""

from oslo_config import cfg

from sgconductor.servicegroup import driver


def from_conf(conf: cfg.ConfigOpts) -> driver.Driver:
    """The driver that ``[servicegroup_memcache]`` describes."""
    raise NotImplementedError
