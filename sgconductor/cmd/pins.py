"""sgconductor-manage pins …"""

import argparse
import threading
import time
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from cliff import command
from cliff import lister
from cliff import show
from oslo_versionedobjects import exception as ovo_exc

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor.cmd import advice
from sgconductor.cmd import argument_types
from sgconductor.cmd import columns
from sgconductor.cmd import manage

_COLUMNS = (
    'binary',
    'pin',
    'min',
    'held',
    'epoch',
    'since',
    'services',
    'following',
)
_DETAILS = (*_COLUMNS, 'cause')
_EXPLAINED = (*_DETAILS, 'decided_by', 'not_following', 'advice')

# Seconds between two looks at a pin that is waited for.
_LOOK_EVERY = 0.5
# Seconds to wait for one answer, however few there are in all: a look that is
# cut short tells nothing.
_ANSWER = 5.0

Shown = tuple[tuple[str, ...], tuple[Any, ...]]


class List(lister.Lister):
    """List all pins: what may be spoken to the services of each binary.

    min is the lowest version of all services that count, held an operator's
    cap, pin the lower of the two. services are counted by version; following
    are the live members that go by the pin.
    """

    app: manage.Manage

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        with self.app.context() as context:
            pins = objects.PinList.get_all(context)
        return _COLUMNS, [_line(pin, _COLUMNS) for pin in pins]


class _OfBinary(show.ShowOne):
    """A command on the pin of one binary."""

    app: manage.Manage

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_binary(parser)
        return parser


class Explain(_OfBinary):
    """Tell who decides where a pin is, who follows it, and what to do."""

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with self.app.context() as context:
            pin = objects.Pin.get_by_binary(context, parsed_args.binary)
            oldest = objects.ServiceList.get_oldest(context, pin.binary)
            lagging = objects.ServiceList.get_lagging(context, pin.epoch)
        advised = advice.on(pin, oldest.objects, lagging.objects)
        return _EXPLAINED, (
            *_line(pin, _DETAILS),
            _deciders(pin, oldest.objects),
            _stragglers(pin, lagging.objects),
            columns.Dual(
                [{'text': a.text, 'run': list(a.run)} for a in advised],
                '\n'.join(str(a) for a in advised),
            ),
        )


class Hold(_OfBinary):
    """Cap a pin: it will not exceed a version, whatever joins.

    To go back to an older release: hold at its version, wait until all
    members follow (pins wait), and only then start it.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_version(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with self.app.context() as context:
            pin = objects.Pin.get_by_binary(context, parsed_args.binary)
            pin.hold(parsed_args.version)
        return _DETAILS, _line(pin, _DETAILS)


class Release(_OfBinary):
    """Take the cap off a pin: it is what the services say again."""

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with self.app.context() as context:
            pin = objects.Pin.get_by_binary(context, parsed_args.binary)
            pin.release()
        return _DETAILS, _line(pin, _DETAILS)


class WhatIf(lister.Lister):
    """Show where the pins would go if some hosts' services did not count."""

    app: manage.Manage

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--without',
            nargs='+',
            required=True,
            metavar='HOST',
            help='The hosts to leave out of account.',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        with self.app.context() as context:
            then = objects.PinList.what_if(context, parsed_args.without)
            pins = objects.PinList.get_all(context)
        return ('binary', 'pin', 'then'), [
            (pin.binary, pin.version, then.get(pin.binary, pin.version))
            for pin in pins
        ]


class _Look(NamedTuple):
    """What is seen of a pin that is waited for.

    :ivar word: how far it is
    :ivar missing: who is in its way
    """

    done: bool
    word: str
    missing: str = ''


class Wait(command.Command):
    """Wait until a pin is at a version and all live members follow it.

    Each step is told as it happens. The exit status is 0 when all is done,
    and 1 when the time is over.
    """

    app: manage.Manage

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_binary(parser)
        _add_version(parser)
        parser.add_argument(
            '--timeout',
            type=argument_types.positive,
            default=60,
            metavar='SECONDS',
            help='How long to wait. Default: 60.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        binary, version = parsed_args.binary, parsed_args.version
        # The application takes it from wherever it stands.
        timeout = self.app.options.timeout or parsed_args.timeout
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        told = ''
        with self.app.context(_ANSWER) as context:
            while True:
                seen = _look(context, binary, version)
                if seen.word != told:
                    self.app.stdout.write(f'{binary}: {seen.word}\n')
                    self.app.stdout.flush()
                    told = seen.word
                left = deadline - time.monotonic()
                if seen.done or left <= 0:
                    break
                pause.wait(min(_LOOK_EVERY, left))
        if seen.done:
            return 0
        self.app.stderr.write(
            f'{binary}, after {timeout:g} s: {seen.word}{seen.missing}\n'
        )
        return 1


def _look(
    context: sg_context.RequestContext, binary: str, version: int
) -> _Look:
    try:
        pin = objects.Pin.get_by_binary(context, binary)
        if pin.version == version:
            return _followed(context, pin)
        return _elsewhere(context, pin, version)
    except exception.Unreachable as error:
        # Conductors are restarted in the middle of an upgrade,
        return _Look(False, str(error))
    except ovo_exc.UnsupportedObjectError:
        # and not all are of this release until its end.
        return _Look(False, str(manage.ConductorTooOld()))


def _followed(context: sg_context.RequestContext, pin: objects.Pin) -> _Look:
    done = pin.following == pin.live
    word = (
        f'the pin is {pin.version}, and {pin.following} of {pin.live} '
        f'members follow'
    )
    if done:
        return _Look(done, word)
    lagging = objects.ServiceList.get_lagging(
        context, pin.epoch, advice.MOST_NAMED
    )
    who = advice.members(lagging.objects, pin.live - pin.following)
    return _Look(done, word, f'; missing: {who}')


def _elsewhere(
    context: sg_context.RequestContext, pin: objects.Pin, version: int
) -> _Look:
    if pin.version > version:
        why = (
            f'nothing holds it there. To lower it: sgconductor-manage pins '
            f'hold {pin.binary} {version}'
        )
    elif pin.version < pin.min_version:
        why = (
            f'held by an operator. To let it go: sgconductor-manage pins '
            f'release {pin.binary}'
        )
    else:
        oldest = objects.ServiceList.get_oldest(
            context, pin.binary, advice.MOST_NAMED
        )
        who = advice.names(oldest.objects, _count(pin))
        why = f'held by {who}' if who else 'no service counts any more'
    return _Look(False, f'the pin is {pin.version}, not {version}: {why}')


def _add_binary(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('binary', metavar='BINARY', help='Whose pin.')


def _add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'version', type=int, metavar='VERSION', help='A service version.'
    )


def _line(pin: objects.Pin, names: Iterable[str]) -> tuple[Any, ...]:
    services = sorted((int(v), count) for v, count in pin.services.items())
    values = {
        'binary': pin.binary,
        'pin': pin.version,
        'min': pin.min_version,
        'held': pin.held_version,
        'epoch': pin.epoch,
        'since': advice.moment(pin.since),
        'services': columns.Dual(
            {str(v): count for v, count in services},
            ', '.join(f'{v}: {count}' for v, count in services),
        ),
        'following': columns.Dual(
            {'following': pin.following, 'live': pin.live},
            f'{pin.following} of {pin.live}',
        ),
        'cause': pin.cause,
    }
    return tuple(values[name] for name in names)


def _count(pin: objects.Pin) -> int:
    """How many services have the lowest version."""
    return int(pin.services.get(str(pin.min_version), 0))


def _deciders(
    pin: objects.Pin, oldest: Sequence[objects.Service]
) -> columns.Dual:
    lines = advice.shortened([_told(s) for s in oldest], _count(pin))
    if pin.version < pin.min_version:
        lines.insert(0, f'the hold at {pin.held_version}; without it:')
    return columns.Dual(
        [
            {
                'host': s.host,
                'version': s.version,
                'state': _state(s),
                'last_seen_up': advice.moment(s.last_seen_up),
                'left_at': s.left_at and advice.moment(s.left_at),
            }
            for s in oldest
        ],
        '\n'.join(lines),
    )


def _told(service: objects.Service) -> str:
    end = (
        f'left at {advice.moment(service.left_at)}'
        if service.left_at
        else f'last beat {advice.moment(service.last_seen_up)}'
    )
    return (
        f'{service.host}: version {service.version}, {_state(service)}, {end}'
    )


def _stragglers(
    pin: objects.Pin, lagging: Sequence[objects.Service]
) -> columns.Dual:
    lines = [f'{s.host}: {s.binary}, epoch {s.pin_epoch}' for s in lagging]
    return columns.Dual(
        [
            {
                'host': s.host,
                'binary': s.binary,
                'epoch': s.pin_epoch,
                'state': _state(s),
            }
            for s in lagging
        ],
        '\n'.join(advice.shortened(lines, pin.live - pin.following)),
    )


def _state(service: objects.Service) -> str:
    return 'up' if service.is_up else 'down'
