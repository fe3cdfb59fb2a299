"""The driver zookeeper."""

from oslo_config import cfg

from sgconductor.servicegroup import driver


def from_conf(conf: cfg.ConfigOpts) -> driver.Driver:
    """The driver that ``[servicegroup_zookeeper]`` describes."""
    raise NotImplementedError
