"""Reading the configuration of a command."""

from collections.abc import Sequence

from oslo_config import cfg
from oslo_log import log as oslo_log
from pbr import version

from sgconductor import conf as sg_conf
from sgconductor import exception


def read(prog: str, argv: Sequence[str] | None = None) -> cfg.ConfigOpts:
    """The configuration from the files and the command line.

    Files not named are looked for where oslo.config looks, under
    ``sgconductor``: for example /etc/sgconductor/sgconductor.conf.

    :param argv: the arguments; None for the process's own
    :raises ConfigError: for a value that is not allowed
    """
    conf = cfg.ConfigOpts()
    oslo_log.set_defaults(
        default_log_levels=[
            *oslo_log.get_default_log_levels(),
            # At each start it says twice which database it talks to.
            'alembic=WARN',
        ]
    )
    oslo_log.register_options(conf)
    sg_conf.register_conductor_opts(conf)
    try:
        conf(
            argv,
            project='sgconductor',
            prog=prog,
            version=version.VersionInfo('sgconductor').version_string(),
        )
        sg_conf.validate(conf)
    except cfg.ConfigFilesNotFoundError as error:
        raise exception.ConfigError(str(error)) from None
    except (cfg.Error, ValueError) as error:
        raise exception.ConfigError(str(error)) from None
    return conf
