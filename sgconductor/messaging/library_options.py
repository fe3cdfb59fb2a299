"""Options of libraries that a configuration of one's own lacks."""

import os

from oslo_concurrency import lockutils
from oslo_config import cfg
from oslo_messaging import opts

from sgconductor import exception

# A release without these modules has no such options.
try:
    from oslo_messaging._metrics import client as _metrics
except ImportError:
    _metrics = None
try:
    from oslo_messaging._tracing import client as _tracing
except ImportError:
    _tracing = None


# The options of the driver for RabbitMQ, and those of notifications.
RABBIT = 'oslo_messaging_rabbit'
NOTIFICATIONS = 'oslo_messaging_notifications'


def register(conf: cfg.ConfigOpts) -> None:
    """Register oslo.messaging's options in a configuration.

    oslo.messaging 18.3 registers some of them globally only, and reads them
    from the transport's configuration. Without them, each send with a
    configuration other than the global one fails with NoSuchOptError. Those
    for RabbitMQ and for notifications it registers too, but only when it has
    made a transport.
    """
    by_group = dict(opts.list_opts())
    for group in (RABBIT, NOTIFICATIONS):
        conf.register_opts(by_group[group], group=group)
    for module, group in (
        (_metrics, 'oslo_messaging_metrics'),
        (_tracing, 'oslo_messaging_tracing'),
    ):
        # The module names the list of options as the group.
        conf.register_opts(getattr(module, group, []), group=group)


def provide_lock_path(conf: cfg.ConfigOpts) -> None:
    """Let oslo.messaging's queue manager use a configuration's lock_path.

    The queue manager locks a file by oslo.concurrency, which reads the global
    configuration, and not that of the transport.

    :raises ConfigError: if ``[oslo_concurrency] lock_path`` is not set, or is
        no directory in which this process may create files
    """
    path = lockutils.get_lock_path(conf)
    if not path:
        try:
            # A project may have set it globally.
            lockutils.external_lock('sgconductor')
        except cfg.RequiredOptError:
            raise exception.ConfigError(
                f'[{RABBIT}] use_queue_manager is true, and needs '
                f'[oslo_concurrency] lock_path, which is not set. Set it to a '
                f'directory in which this process may create files.'
            ) from None
        return
    try:
        os.makedirs(path, exist_ok=True)
        usable = os.access(path, os.W_OK | os.X_OK)
    except OSError:
        usable = False
    if not usable:
        raise exception.ConfigError(
            f'[oslo_concurrency] lock_path is {path}, which is no directory '
            f'in which this process may create files. [{RABBIT}] '
            f'use_queue_manager needs one.'
        )
    lockutils.set_defaults(path)
