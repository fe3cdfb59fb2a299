"""sgconductor-allinone: a whole group in one process, to look at.

A conductor on SQLite, a message bus in memory, and eight members that join,
beat, die, leave and come back; and the REST API with its page. It
needs nothing and leaves nothing behind.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from sgconductor import exception
from sgconductor.cmd import argument_types
from sgconductor.cmd import optional_import


class _Parser(argparse.ArgumentParser):
    """One whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'{self.prog}: {message}. See {self.prog} --help\n')


def main(argv: Sequence[str] | None = None) -> int:
    signals = {signal.SIGINT, signal.SIGTERM}
    # Under nohup the terminal may go and this may not.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.add(signal.SIGHUP)
    # They are held back, in all threads to come, until the stage asks for
    # them. So none can come in the middle of anything.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    options = _parse(argv)
    # Importing all that takes a second, in which Ctrl-C must do no harm: it
    # cannot be done above.
    try:
        play = optional_import.load('sgconductor.demo.run:play')
    except exception.ConfigError as error:
        print(f'sgconductor-allinone: {error}', file=sys.stderr)
        return 1
    return int(
        play(
            options.database,
            options.port,
            options.seconds,
            options.plain,
            signals,
        )
    )


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog='sgconductor-allinone',
        description='Run a conductor and an example fleet of eight members '
        'in this one process, and show who is up. It stops at Ctrl-C.',
        allow_abbrev=False,
    )
    parser.add_argument(
        '--database',
        type=_path,
        metavar='PATH',
        help='Keep the services in this SQLite file, and use it again next '
        'time. Default: a temporary one, removed at the end.',
    )
    parser.add_argument(
        '--port',
        type=_port,
        metavar='N',
        help='Serve the REST API and its page on this port of 127.0.0.1. '
        'Default: 8774, or any that is free.',
    )
    parser.add_argument(
        '--seconds',
        type=argument_types.positive,
        metavar='N',
        help='Stop after so many seconds. Default: at Ctrl-C.',
    )
    parser.add_argument(
        '--plain',
        action='store_true',
        help='Print one line for each change, not a table; as happens '
        'anyway where there is no terminal.',
    )
    return parser.parse_args(argv)


def _port(text: str) -> int:
    number = int(text[:6]) if text.isdecimal() else -1
    if not 0 < number < 2**16:
        raise argparse.ArgumentTypeError(
            f'give a number from 1 to 65535, not {text!r}'
        )
    return number


def _path(text: str) -> str:
    path = os.path.abspath(text)
    directory = os.path.dirname(path)
    if not text or os.path.isdir(path):
        raise argparse.ArgumentTypeError(f'give a file, not {text!r}')
    if not os.path.isdir(directory):
        raise argparse.ArgumentTypeError(
            f'{directory} is no directory; make it, or give another path'
        )
    if not os.access(path if os.path.exists(path) else directory, os.W_OK):
        raise argparse.ArgumentTypeError(f'{path} cannot be written')
    return path
