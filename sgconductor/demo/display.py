"""Displays of the all-in-one: a live table, or a line for each change."""

import abc
import collections
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

from sgconductor.conductor import watch

_TRY_NEXT = """\
Look at {url} with a browser. Ctrl-C stops it. Then try:
  --plain --seconds 20   the same as lines, for a script
  --database PATH        keeps the services; a second run takes them over
  examples/member.py     a member of your own, in 30 lines
  examples/acme          a whole project, on a real message broker"""

# So that all fits into a terminal of 80 columns and 24 lines.
_LAST = 5


class Display(abc.ABC):
    """Shows the group until it is closed.

    :ivar log: where warnings go, so that they do not get in its way
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
        seen: Sequence[watch.Sighting],
        pins: str,
        events: Iterable[str],
    ) -> None:
        """
        :param elapsed: seconds since the start
        :param seen: the group now
        :param pins: what may be spoken to it
        :param events: what happened since the last call
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Show no more; leave the terminal as it was."""


class Lines(Display):
    """A line for each event, at once.

    :param url: of the page
    """

    def __init__(self, url: str) -> None:
        self.log = logging.StreamHandler(sys.stderr)
        print(_TRY_NEXT.format(url=url), flush=True)

    def show(
        self,
        elapsed: float,
        seen: Sequence[watch.Sighting],
        pins: str,
        events: Iterable[str],
    ) -> None:
        for event in events:
            print(_stamped(elapsed, event), flush=True)

    def close(self) -> None:
        """There is nothing to put back."""


class Table(Display):
    """A table in place of the terminal's text, which comes back after it.

    :param console: the terminal
    :param url: of the page
    """

    def __init__(self, console: rich_console.Console, url: str) -> None:
        self._next = text.Text(_TRY_NEXT.format(url=url), 'dim')
        self.log = self._recent = _Recent()
        self._console = console
        self._events: collections.deque[str] = collections.deque(maxlen=_LAST)
        self._shown: rich_console.RenderableType = ''
        self._live = live.Live(
            console=console, screen=True, auto_refresh=False
        )
        self._live.start()

    def show(
        self,
        elapsed: float,
        seen: Sequence[watch.Sighting],
        pins: str,
        events: Iterable[str],
    ) -> None:
        self._events.extend(_stamped(elapsed, event) for event in events)
        self._shown = rich_console.Group(
            text.Text(pins, no_wrap=True, overflow='ellipsis'),
            _table(elapsed, seen),
            *(text.Text(line, 'yellow') for line in self._recent.lines),
            '',
            *(_event(line) for line in self._events),
        )
        self._live.update(
            rich_console.Group(self._shown, '', self._next), refresh=True
        )

    def close(self) -> None:
        self._live.stop()
        # What was seen last stays to be read.
        self._console.print(self._shown)


class _Recent(logging.Handler):
    """Keeps the first lines of the last few records."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: collections.deque[str] = collections.deque(maxlen=2)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record).splitlines()[0])


def best(plain: bool, url: str) -> Display:
    """A table if there is a terminal that can show it, else lines.

    :param url: of the page
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


def _table(elapsed: float, seen: Sequence[watch.Sighting]) -> table.Table:
    up = sum(one.up for one in seen)
    shown = table.Table(
        title=f'sgconductor: {up} up, {len(seen) - up} down '
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
    shown.add_column('reason', no_wrap=True)
    for one in seen:
        shown.add_row(
            one.host,
            one.binary,
            str(one.version),
            text.Text('up', 'green') if one.up else text.Text('down', 'red'),
            f'{max(one.age, 0):.1f} s',
            one.reason,
        )
    return shown
