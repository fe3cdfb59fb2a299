"""The demo's displays: a live table, or a line for each change."""

import abc
import collections
import datetime
import logging
import os
import sys
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Self

from rich import box
from rich import console as rich_console
from rich import live
from rich import table
from rich import text

from sgconductor import objects

_TRY_NEXT = """\
Look at {url} with a browser. Ctrl-C stops it. Then try:
  --plain --seconds 20   the same as lines, for a script
  --database PATH        keeps the services for the next run
  examples/member.py     a member of your own, in 30 lines
  examples/acme          a whole project, on a real message broker"""

# So many fit into a terminal of 80 columns and 24 lines.
_SHOWN = 5


class Display(abc.ABC):
    """Shows the group until it is closed.

    :ivar log: handles warnings, so that they do not overwrite the display
    """

    log: logging.Handler

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @abc.abstractmethod
    def show(
        self,
        elapsed: float,
        services: Sequence[objects.Service],
        pins: str,
        events: Iterable[str],
    ) -> None:
        """
        :param elapsed: seconds since the start
        :param services: the group now
        :param pins: a line about its pins
        :param events: a line for each event since the last call
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Stop, and leave the terminal as it was."""


class Lines(Display):
    """Prints a line for each event.

    :param url: of the operator's page
    """

    def __init__(self, url: str) -> None:
        self.log = logging.StreamHandler(sys.stderr)
        print(_TRY_NEXT.format(url=url), flush=True)

    def show(
        self,
        elapsed: float,
        services: Sequence[objects.Service],
        pins: str,
        events: Iterable[str],
    ) -> None:
        for event in events:
            print(_stamped(elapsed, event), flush=True)

    def close(self) -> None:
        """Nothing: the lines stay."""


class Table(Display):
    """A table on the whole terminal, whose text comes back at the end.

    :param console: the terminal
    :param url: of the operator's page
    """

    def __init__(self, console: rich_console.Console, url: str) -> None:
        self._next = text.Text(_TRY_NEXT.format(url=url), 'dim')
        self.log = self._recent = _Recent()
        self._console = console
        self._events: collections.deque[str] = collections.deque(maxlen=_SHOWN)
        self._shown: rich_console.RenderableType = ''
        self._live = live.Live(
            console=console, screen=True, auto_refresh=False
        )
        self._live.start()

    def show(
        self,
        elapsed: float,
        services: Sequence[objects.Service],
        pins: str,
        events: Iterable[str],
    ) -> None:
        self._events.extend(_stamped(elapsed, event) for event in events)
        self._shown = rich_console.Group(
            text.Text(pins, no_wrap=True, overflow='ellipsis'),
            _table(elapsed, services),
            *(text.Text(line, 'yellow') for line in self._recent.lines),
            '',
            *(_event(line) for line in self._events),
        )
        self._live.update(
            rich_console.Group(self._shown, '', self._next), refresh=True
        )

    def close(self) -> None:
        self._live.stop()
        # Leave the last state on the screen.
        self._console.print(self._shown)


class _Recent(logging.Handler):
    """Keeps the first line of each of the last two records."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: collections.deque[str] = collections.deque(maxlen=2)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record).splitlines()[0])


def choose(plain: bool, url: str) -> Display:
    """A table if the terminal can show one, else lines.

    :param plain: whether to print lines even then
    :param url: of the operator's page
    """
    console = rich_console.Console()
    if plain or not (os.isatty(1) and console.is_interactive):
        return Lines(url)
    return Table(console, url)


def _stamped(elapsed: float, event: str) -> str:
    return f'{elapsed:6.1f} s  {event}'


def _event(line: str) -> text.Text:
    shown = text.Text(line, no_wrap=True, overflow='ellipsis')
    shown.highlight_words(['-> up'], 'green')
    shown.highlight_words(['-> down'], 'red')
    shown.highlight_words(['pin of'], 'cyan')
    return shown


def _table(elapsed: float, services: Sequence[objects.Service]) -> table.Table:
    up = sum(service.is_up is True for service in services)
    shown = table.Table(
        title=f'sgconductor: {up} up, {len(services) - up} down '
        f'after {elapsed:.0f} s',
        title_justify='left',
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in ('host', 'binary'):
        shown.add_column(name, no_wrap=True)
    shown.add_column('version', justify='right', no_wrap=True)
    shown.add_column('state', no_wrap=True)
    shown.add_column('last beat', justify='right', no_wrap=True)
    # The only column that shrinks on a narrow terminal.
    shown.add_column('reason')
    # SQLite's clock, which stamps the beats, is the clock of this host.
    now = datetime.datetime.now(datetime.UTC)
    for service in services:
        age = (now - service.last_seen_up).total_seconds()
        shown.add_row(
            service.host,
            service.binary,
            str(service.version),
            _state(service),
            f'{max(age, 0):.1f} s',
            text.Text(
                service.liveness_reason, no_wrap=True, overflow='ellipsis'
            ),
        )
    return shown


def _state(service: objects.Service) -> text.Text:
    if service.is_up:
        return text.Text('up', 'green')
    return text.Text('down', 'red')
