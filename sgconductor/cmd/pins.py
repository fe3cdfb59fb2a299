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

# Seconds between two reads of a pin that is waited for.
_POLL_INTERVAL = 0.5
# Seconds to wait for one answer, however short the wait in all: a read that
# is cut short tells nothing.
_CALL_TIMEOUT = 5.0

Shown = tuple[tuple[str, ...], tuple[Any, ...]]


class List(lister.Lister):
    """List all pins: the version that may be spoken to each binary.

    min is the lowest version of all services that count, held is an
    operator's cap, and pin is the lower of the two. services are counted by
    version; following are the live members that go by the pin.
    """

    app: manage.Manage

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        with self.app.context() as context:
            pins = objects.PinList.get_all(context)
        return _COLUMNS, [_row(pin, _COLUMNS) for pin in pins]


class _PinCommand(show.ShowOne):
    """A command on the pin of one binary."""

    app: manage.Manage

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_binary(parser)
        return parser


class Explain(_PinCommand):
    """Show which services decide a pin, who follows it, and what to do."""

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with self.app.context() as context:
            pin = objects.Pin.get_by_binary(context, parsed_args.binary)
            oldest = objects.ServiceList.get_oldest(context, pin.binary)
            lagging = objects.ServiceList.get_lagging(context, pin.epoch)
        advised = advice.for_pin(pin, oldest.objects, lagging.objects)
        return _EXPLAINED, (
            *_row(pin, _DETAILS),
            _decided_by(pin, oldest.objects),
            _not_following(pin, lagging.objects),
            columns.Formatted(
                [{'text': a.text, 'run': list(a.run)} for a in advised],
                '\n'.join(str(a) for a in advised),
            ),
        )


class Hold(_PinCommand):
    """Cap a pin: it cannot exceed a version, whatever services join.

    To go back to an older release: hold the pin at its version, wait until
    all members follow (pins wait), and only then start it.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_version(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with self.app.context() as context:
            pin = objects.Pin.named(context, binary=parsed_args.binary)
            pin.hold(parsed_args.version)
        return _DETAILS, _row(pin, _DETAILS)


class Release(_PinCommand):
    """Remove the cap from a pin: the services alone decide it again."""

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with self.app.context() as context:
            pin = objects.Pin.named(context, binary=parsed_args.binary)
            pin.release()
        return _DETAILS, _row(pin, _DETAILS)


class WhatIf(lister.Lister):
    """Show where the pins would be if some hosts' services did not count."""

    app: manage.Manage

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--without',
            nargs='+',
            required=True,
            metavar='HOST',
            help='Hosts whose services are not counted.',
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


class _Progress(NamedTuple):
    """How far a pin that is waited for is.

    :ivar text: the same, for people
    :ivar missing: the members that do not follow yet, for the last line
    """

    done: bool
    text: str
    missing: str = ''


class Wait(command.Command):
    """Wait until a pin is at a version and all live members follow it.

    Each step is printed as it happens. The exit status is 0 when all members
    follow, and 1 when the time is over.
    """

    app: manage.Manage

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_binary(parser)
        _add_version(parser)
        parser.add_argument(
            '--timeout',
            type=argument_types.positive_number,
            default=60,
            metavar='SECONDS',
            help='How long to wait. Default: 60.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        binary, version = parsed_args.binary, parsed_args.version
        # The application's own --timeout also matches after the command.
        timeout = self.app.options.timeout or parsed_args.timeout
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        printed = ''
        with self.app.context(_CALL_TIMEOUT) as context:
            while True:
                progress = _progress(context, binary, version)
                if progress.text != printed:
                    self.app.stdout.write(f'{binary}: {progress.text}\n')
                    self.app.stdout.flush()
                    printed = progress.text
                left = deadline - time.monotonic()
                if progress.done or left <= 0:
                    break
                pause.wait(min(_POLL_INTERVAL, left))
        if progress.done:
            return 0
        self.app.stderr.write(
            f'{binary}, after {timeout:g} s: {progress.text}'
            f'{progress.missing}\n'
        )
        return 1


def _progress(
    context: sg_context.RequestContext, binary: str, version: int
) -> _Progress:
    try:
        pin = objects.Pin.get_by_binary(context, binary)
        if pin.version == version:
            return _at_version(context, pin)
        return _elsewhere(context, pin, version)
    except exception.Unreachable as error:
        # An upgrade restarts the conductors while this waits.
        return _Progress(False, str(error))


def _at_version(
    context: sg_context.RequestContext, pin: objects.Pin
) -> _Progress:
    done = pin.following == pin.live
    text = (
        f'the pin is {pin.version}, and {pin.following} of {pin.live} '
        f'members follow'
    )
    if done:
        return _Progress(done, text)
    lagging = objects.ServiceList.get_lagging(
        context, pin.epoch, advice.MOST_NAMED
    )
    named = advice.members(lagging.objects, pin.live - pin.following)
    return _Progress(done, text, f'; missing: {named}')


def _elsewhere(
    context: sg_context.RequestContext, pin: objects.Pin, version: int
) -> _Progress:
    if pin.version > version:
        why = (
            f'nothing holds it there. To lower it: sgconductor-manage pins '
            f'hold {pin.binary} {version}'
        )
    elif pin.version < pin.min_version:
        why = (
            f'held by an operator. To release it: sgconductor-manage pins '
            f'release {pin.binary}'
        )
    else:
        oldest = objects.ServiceList.get_oldest(
            context, pin.binary, advice.MOST_NAMED
        )
        hosts = advice.hosts(oldest.objects, _count_oldest(pin))
        why = f'held by {hosts}' if hosts else 'no service counts any more'
    return _Progress(False, f'the pin is {pin.version}, not {version}: {why}')


def _add_binary(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'binary', metavar='BINARY', help='The binary that the pin is of.'
    )


def _add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'version', type=int, metavar='VERSION', help='A service version.'
    )


def _row(pin: objects.Pin, names: Iterable[str]) -> tuple[Any, ...]:
    services = sorted((int(v), count) for v, count in pin.services.items())
    values = {
        'binary': pin.binary,
        'pin': pin.version,
        'min': pin.min_version,
        'held': pin.held_version,
        'epoch': pin.epoch,
        'since': advice.timestamp(pin.since),
        'services': columns.Formatted(
            {str(v): count for v, count in services},
            ', '.join(f'{v}: {count}' for v, count in services),
        ),
        'following': columns.Formatted(
            {'following': pin.following, 'live': pin.live},
            f'{pin.following} of {pin.live}',
        ),
        'cause': pin.cause,
    }
    return tuple(values[name] for name in names)


def _count_oldest(pin: objects.Pin) -> int:
    """How many services have the lowest version."""
    return int(pin.services.get(str(pin.min_version), 0))


def _decided_by(
    pin: objects.Pin, oldest: Sequence[objects.Service]
) -> columns.Formatted:
    lines = advice.shortened(
        [_oldest_line(service) for service in oldest], _count_oldest(pin)
    )
    if pin.version < pin.min_version:
        lines.insert(0, f'the hold at {pin.held_version}; without it:')
    return columns.Formatted(
        [
            {
                'host': s.host,
                'version': s.version,
                'state': _state(s),
                'last_seen_up': advice.timestamp(s.last_seen_up),
                'left_at': s.left_at and advice.timestamp(s.left_at),
            }
            for s in oldest
        ],
        '\n'.join(lines),
    )


def _oldest_line(service: objects.Service) -> str:
    end = (
        f'left at {advice.timestamp(service.left_at)}'
        if service.left_at
        else f'last beat {advice.timestamp(service.last_seen_up)}'
    )
    return (
        f'{service.host}: version {service.version}, {_state(service)}, {end}'
    )


def _not_following(
    pin: objects.Pin, lagging: Sequence[objects.Service]
) -> columns.Formatted:
    lines = [f'{s.host}: {s.binary}, epoch {s.pin_epoch}' for s in lagging]
    return columns.Formatted(
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
