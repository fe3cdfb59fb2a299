"""sgconductor-manage: the operator's command.

All subcommands but ``db`` ask a conductor, over RPC, through the same objects
that members use.
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

# Seconds to wait for an answer.
_TIMEOUT = 10.0

# A conductor raises these for an object, or a method of one, that it does not
# know.
_UNKNOWN = (ovo_exc.UnsupportedObjectError, exception.NotRemotable)


class ConductorTooOld(exception.SGConductorError):
    message = (
        'A conductor of an older release answered, which cannot do this. '
        'Upgrade all conductors first.'
    )


class Manage(cliff_app.App):
    """The application that runs the subcommands.

    :ivar conf: the configuration; set when the command line is parsed
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
            help='Read this file; may be given more than once, and later '
            'files override earlier ones. Default: the files that '
            'oslo.config finds, such as /etc/sgconductor/sgconductor.conf.',
        )
        parser.add_argument(
            '--transport-url',
            metavar='URL',
            help='The message broker, instead of transport_url in the file.',
        )
        parser.add_argument(
            '--timeout',
            type=argument_types.positive_number,
            metavar='SECONDS',
            help='How long to wait for the answer of a conductor. Default: '
            '10. For "pins wait": how long to wait in all.',
        )
        return parser

    def initialize_app(self, argv: list[str]) -> None:
        # An error is reported in one line; the libraries would add theirs.
        level = logging.DEBUG if self.options.debug else logging.CRITICAL
        for name in (
            'alembic',
            'amqp',
            'oslo',
            'oslo_db',
            'oslo_messaging',
            'sgconductor.messaging',
            'stevedore',
        ):
            logging.getLogger(name).setLevel(level)
        files = [f'--config-file={f}' for f in self.options.config_file]
        self.conf = configuration.read('sgconductor-manage', files)
        if self.options.transport_url:
            transports.use_url(self.conf, self.options.transport_url)
        transports.name_queues_at_random(self.conf)

    def interact(self) -> None:
        """Without a subcommand: list the subcommands, and exit."""
        self.run_subcommand(['help'])
        sys.exit(2)

    @contextlib.contextmanager
    def context(
        self, timeout: float | None = None
    ) -> Iterator[sg_context.RequestContext]:
        """A context for calls to a conductor.

        :param timeout: seconds to wait for an answer; None for the command
            line's --timeout
        :raises ConductorTooOld: if a conductor does not know a call
        """
        timeout = timeout or self.options.timeout or _TIMEOUT
        with app.Remote(self.conf, timeout) as remote:
            try:
                yield remote.context()
            except _UNKNOWN:
                raise ConductorTooOld() from None


def main(argv: Sequence[str] | None = None) -> int:
    return int(Manage().run(sys.argv[1:] if argv is None else list(argv)))
