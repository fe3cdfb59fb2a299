"""sgconductor-manage watch."""

import argparse
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from cliff import command

from sgconductor import exception
from sgconductor import objects
from sgconductor.cmd import advice
from sgconductor.cmd import manage
from sgconductor.rpcapi import event_tail

# Milliseconds between two looks.
_LOOK_EVERY = 1000


class Watch(command.Command):
    """Show what happens to services, as it happens, until Ctrl-C.

    A line tells the time, what happened, to which service, what is to know
    of it, and the event's id, which is that of its notification too. Nothing
    is lost while no conductor can be reached; standard error says so.
    """

    app: manage.Manage

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--since',
            type=_count,
            default=0,
            metavar='N',
            help=f'Begin with the last N events, at most {event_tail.PAGE}. '
            f'Default: 0.',
        )
        parser.add_argument(
            '--json',
            action='store_true',
            help='A JSON object a line, with all that is known of the '
            'service.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit())
        text = _json if parsed_args.json else _line
        try:
            with self.app.remote() as remote:

                def fetch(limit: int, marker: int | None) -> objects.EventList:
                    return objects.EventList.get_page(
                        remote.context(), limit, marker
                    )

                self._follow(
                    event_tail.EventTail(fetch, parsed_args.since), text
                )
        except BrokenPipeError:
            # Python would complain once more when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0

    def _follow(
        self,
        events: event_tail.EventTail,
        text: Callable[[objects.Event], str],
    ) -> None:
        """Show events until nobody reads them any more."""
        reader = select.poll()
        reader.register(self.app.stdout.fileno(), 0)
        away = False
        while True:
            try:
                for event in events.poll():
                    self.app.stdout.write(f'{text(event)}\n')
                    self.app.stdout.flush()
            except exception.Unreachable as error:
                self._tell_once(away, str(error))
                away = True
            except manage.UNKNOWN:
                # In the middle of an upgrade the next may be newer.
                self._tell_once(away, str(manage.ConductorTooOld()))
                away = True
            else:
                if away:
                    self.app.stderr.write('Watching again.\n')
                away = False
            if reader.poll(_LOOK_EVERY):
                return

    def _tell_once(self, told: bool, trouble: str) -> None:
        if not told:
            self.app.stderr.write(
                f'{trouble} Watching on as soon as it can.\n'
            )


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number <= event_tail.PAGE:
        raise argparse.ArgumentTypeError(
            f'give a number from 0 to {event_tail.PAGE}, not {text!r}'
        )
    return number


def _json(event: objects.Event) -> str:
    return json.dumps(
        {
            'id': event.id,
            'uuid': event.uuid,
            'type': event.type,
            'at': event.fields['at'].stringify(event.at),
            'payload': json.loads(event.payload),
        }
    )


def _line(event: objects.Event) -> str:
    service = json.loads(event.payload)['versioned_object.data']
    return (
        f'{advice.moment(event.at)} {event.type:14} {service["host"]} '
        f'{service["binary"]} {_what(event.type, service)} {event.uuid}'
    )


def _what(type_: str, service: Mapping[str, Any]) -> str:
    """What is to know of a service, when that has happened to it."""
    reason: str = service.get('liveness_reason', '')
    if type_ in ('service.up', 'service.down') and reason:
        return reason
    process = (
        f'version {service["version"]}, incarnation {service["incarnation"]}'
    )
    if type_ != 'service.update':
        return process
    return ', '.join([*_orders(service), process])


def _orders(service: Mapping[str, Any]) -> Iterator[str]:
    """What operators have set."""
    if service['disabled']:
        why = service['disabled_reason']
        yield f'disabled: {why}' if why else 'disabled'
    else:
        yield 'enabled'
    if service['forced_down']:
        yield 'forced down'
    if service['quarantined']:
        yield 'in quarantine'
    if service['availability_zone']:
        yield f'zone {service["availability_zone"]}'
