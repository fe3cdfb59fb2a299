"""Reading the configuration of a command."""

import contextlib
import io
import logging
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_db import options as db_options
from oslo_log import log as oslo_log
from oslo_service import opts as service_opts
from pbr import version

from sgconductor import conf as sg_conf
from sgconductor import exception

LOG = logging.getLogger(__name__)


class Configuration(cfg.ConfigOpts):
    """A configuration that a mistake in a file does not change.

    :param read_again: reads the same files and arguments anew; raises
        ConfigError for a mistake
    """

    def __init__(self, read_again: Callable[[], object]) -> None:
        super().__init__()
        self._read_again = read_again

    def mutate_config_files(self) -> Any:
        """Read the mutable options again, unless a file has a mistake."""
        try:
            self._read_again()
        except exception.ConfigError as error:
            LOG.error('The configuration is kept as it was: %s', error)
            return {}
        return super().mutate_config_files()


def read(
    prog: str,
    argv: Sequence[str] | None = None,
    register: Callable[[cfg.ConfigOpts], object] = lambda conf: None,
) -> cfg.ConfigOpts:
    """The configuration from the files and the command line.

    Unless the arguments name files, oslo.config looks for those of the
    project ``sgconductor``, such as /etc/sgconductor/sgconductor.conf.

    :param argv: the arguments; None for those of the process
    :param register: adds the options of this command
    :raises ConfigError: for a value that is not allowed
    """
    conf = Configuration(lambda: read(prog, argv, register))
    oslo_log.set_defaults(
        default_log_levels=[
            *oslo_log.get_default_log_levels(),
            # At each start it logs twice which database it uses.
            'alembic=WARN',
        ]
    )
    oslo_log.register_options(conf)
    sg_conf.register_conductor_opts(conf)
    conf.register_opts(db_options.database_opts, 'database')
    service_opts.register_service_opts(conf)
    register(conf)
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            conf(
                argv,
                project='sgconductor',
                prog=prog,
                version=version.VersionInfo('sgconductor').version_string(),
            )
        messaging.TransportURL.parse(conf)
        # oslo.config checks a value when it is read: read them all.
        conf.log_opt_values(LOG, logging.NOTSET)
        sg_conf.validate(conf)
    except SystemExit as end:
        # argparse exits at a mistake; for some options also at one in a file.
        if not end.code:
            raise
        problem = stderr.getvalue().strip().rpartition('\n')[2]
        raise exception.ConfigError(problem) from None
    except cfg.ConfigFilesNotFoundError as error:
        raise exception.ConfigError(str(error)) from None
    except (cfg.Error, messaging.InvalidTransportURL, ValueError) as error:
        raise exception.ConfigError(str(error)) from None
    return conf


def set_up_logging(conf: cfg.ConfigOpts) -> None:
    """Set logging up from a configuration.

    :raises ConfigError: for logging options that cannot work
    """
    try:
        oslo_log.setup(conf, 'sgconductor')
    except (OSError, ValueError) as error:
        raise exception.ConfigError(f'logging: {error}') from None
