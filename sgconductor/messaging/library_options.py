"""Options of oslo.messaging that a configuration of one's own lacks."""

from oslo_config import cfg

# A release without these modules has no such options.
try:
    from oslo_messaging._metrics import client as _metrics
except ImportError:
    _metrics = None
try:
    from oslo_messaging._tracing import client as _tracing
except ImportError:
    _tracing = None


def register(conf: cfg.ConfigOpts) -> None:
    """Register the options that oslo.messaging registers globally only.

    oslo.messaging 18.3 reads them from the transport's configuration. Without
    them, each send with a configuration other than ``cfg.CONF`` fails with
    NoSuchOptError.
    """
    for module, group in (
        (_metrics, 'oslo_messaging_metrics'),
        (_tracing, 'oslo_messaging_tracing'),
    ):
        # The module names the list of options as the group.
        conf.register_opts(getattr(module, group, []), group=group)
