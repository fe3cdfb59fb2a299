"""sgconductor-allinone: a demo of a whole group in one process.

It runs a conductor on SQLite, a message bus in memory, eight members that
join, beat, die, leave and come back, and the REST API with its page. It needs
no server, and leaves nothing behind.
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
    """A parser that reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'{self.prog}: {message}. See {self.prog} --help\n')


def main(argv: Sequence[str] | None = None) -> int:
    signals = {signal.SIGINT, signal.SIGTERM}
    # Under nohup, this goes on when the terminal is closed.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.add(signal.SIGHUP)
    # Blocked here, and so in all threads to come; the demo waits for them
    # between two steps. So no signal interrupts a step.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    options = _parse(argv)
    # Imported only here: it takes a second, in which Ctrl-C is to be blocked
    # already.
    try:
        run = optional_import.load('sgconductor.demo.run:run')
    except exception.ConfigError as error:
        print(f'sgconductor-allinone: {error}', file=sys.stderr)
        return 1
    return int(
        run(
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
        'in this one process, and show which of them are up, until Ctrl-C.',
        allow_abbrev=False,
    )
    parser.add_argument(
        '--database',
        type=_path,
        metavar='PATH',
        help='Keep the services in this SQLite file, so that the next run '
        'can use it again. Default: a temporary file, removed at the end.',
    )
    parser.add_argument(
        '--port',
        type=_port,
        metavar='N',
        help='Serve the REST API and its page on this port of 127.0.0.1. '
        'Default: 8774, or any free port if that is taken.',
    )
    parser.add_argument(
        '--seconds',
        type=argument_types.positive_number,
        metavar='N',
        help='Stop after N seconds. Default: at Ctrl-C.',
    )
    parser.add_argument(
        '--plain',
        action='store_true',
        help='Print one line for each change instead of a table. This is the '
        'default where there is no terminal.',
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
        raise argparse.ArgumentTypeError(
            f'give the path of a file, not {text!r}'
        )
    if not os.path.isdir(directory):
        raise argparse.ArgumentTypeError(
            f'{directory} is not a directory; create it, or give another path'
        )
    if not os.access(path if os.path.exists(path) else directory, os.W_OK):
        raise argparse.ArgumentTypeError(f'{path} is not writable')
    return path
