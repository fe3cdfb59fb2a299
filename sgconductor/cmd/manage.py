"""sgconductor-manage: the operator's command.

Everything but ``db`` is done by a conductor, over RPC, through the same
objects that members use.
"""

import argparse
import contextlib
import logging
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from cliff import app as cliff_app
from cliff import commandmanager
from oslo_config import cfg
from oslo_versionedobjects import exception as ovo_exc
from pbr import version

from sgconductor import app
from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor.cmd import argument_types
from sgconductor.cmd import configuration
from sgconductor.messaging import transports

# Seconds.
_TIMEOUT = 10.0


# What a conductor says that does not know an object, or a method of one.
UNKNOWN = (ovo_exc.UnsupportedObjectError, exception.NotRemotable)


class ConductorTooOld(exception.SGConductorError):
    message = (
        'A conductor answered that is of an older release, which cannot do '
        'this. Upgrade all conductors first.'
    )


class Manage(cliff_app.App):
    """The application behind the subcommands.

    :ivar conf: the configuration, once the command line is read
    """

    conf: cfg.ConfigOpts

    def __init__(self) -> None:
        super().__init__(
            description='Operate sgconductor: its services and its database.',
            version=version.VersionInfo('sgconductor').version_string(),
            command_manager=commandmanager.CommandManager(
                'sgconductor.manage'
            ),
            deferred_help=True,
        )

    def build_option_parser(
        self, *args: Any, **kwargs: Any
    ) -> argparse.ArgumentParser:
        parser = super().build_option_parser(*args, **kwargs)
        parser.add_argument(
            '--config-file',
            action='append',
            default=[],
            metavar='PATH',
            help='Read this file (more than once: later ones win). Default: '
            'where oslo.config looks, as /etc/sgconductor/sgconductor.conf.',
        )
        parser.add_argument(
            '--transport-url',
            metavar='URL',
            help='The message bus, instead of transport_url in the file.',
        )
        parser.add_argument(
            '--timeout',
            type=argument_types.positive,
            metavar='SECONDS',
            help='How long to wait for a conductor. Default: 10. For "pins '
            'wait": how long to wait in all.',
        )
        return parser

    def initialize_app(self, argv: list[str]) -> None:
        # A failure is told in one line below, without what led to it.
        level = logging.DEBUG if self.options.debug else logging.CRITICAL
        for name in (
            'alembic',
            'amqp',
            'oslo',
            'oslo_db',
            'oslo_messaging',
            'stevedore',
        ):
            logging.getLogger(name).setLevel(level)
        files = [f'--config-file={f}' for f in self.options.config_file]
        self.conf = configuration.read('sgconductor-manage', files)
        if self.options.transport_url:
            transports.use_url(self.conf, self.options.transport_url)

    def interact(self) -> None:
        """Where no command is given: say which there are."""
        self.run_subcommand(['help'])
        sys.exit(2)

    def remote(self) -> app.Remote:
        """The way to a conductor."""
        return app.Remote(self.conf, self.options.timeout or _TIMEOUT)

    @contextlib.contextmanager
    def context(
        self, timeout: float | None = None
    ) -> Iterator[sg_context.RequestContext]:
        """A context for calls that not every conductor knows.

        :param timeout: seconds to wait for an answer; None for the command
            line's
        :raises ConductorTooOld: for one that does not
        """
        timeout = timeout or self.options.timeout or _TIMEOUT
        with app.Remote(self.conf, timeout) as remote:
            try:
                yield remote.context()
            except UNKNOWN:
                raise ConductorTooOld() from None


def main(argv: Sequence[str] | None = None) -> int:
    return int(Manage().run(sys.argv[1:] if argv is None else list(argv)))
