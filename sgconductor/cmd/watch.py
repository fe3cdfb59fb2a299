"""sgconductor-manage watch."""

import argparse
import functools
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

# Milliseconds between two reads.
_POLL_INTERVAL = 1000


class Watch(command.Command):
    """Show the events of services, as they happen, until Ctrl-C.

    A line has the time, the type of the event, the host and binary of the
    service, details, and the UUID of the event, which its notification has
    too. While no conductor can be reached, standard error says so, and no
    event is lost.
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
            help='Print each event as a JSON object in one line, with all '
            'fields of the service.',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit())
        text = _json if parsed_args.json else _line
        try:
            with self.app.context() as context:
                fetch = functools.partial(objects.EventList.get_page, context)
                events = event_tail.EventTail(fetch, parsed_args.since)
                self._show(events, text)
        except BrokenPipeError:
            # When Python flushes at its end, it would report this again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0

    def _show(
        self,
        events: event_tail.EventTail,
        text: Callable[[objects.Event], str],
    ) -> None:
        """Show events until the reader of standard output is gone."""
        reader = select.poll()
        reader.register(self.app.stdout.fileno(), 0)
        unreachable = False
        while True:
            try:
                for event in events.poll():
                    self.app.stdout.write(f'{text(event)}\n')
                    self.app.stdout.flush()
            except exception.Unreachable as error:
                if not unreachable:
                    self.app.stderr.write(
                        f'{error} Events are shown again as soon as a '
                        f'conductor answers.\n'
                    )
                unreachable = True
            else:
                if unreachable:
                    self.app.stderr.write('Events are shown again.\n')
                unreachable = False
            if reader.poll(_POLL_INTERVAL):
                return


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
            **event.requester,
        }
    )


def _line(event: objects.Event) -> str:
    service = json.loads(event.payload)['versioned_object.data']
    return (
        f'{advice.timestamp(event.at)} {event.type:14} {service["host"]} '
        f'{service["binary"]} {_details(event.type, service)} {event.uuid}'
    )


def _details(type_: str, service: Mapping[str, Any]) -> str:
    """What an operator wants to know about an event of a type."""
    reason: str = service.get('liveness_reason', '')
    if type_ in ('service.up', 'service.down') and reason:
        return reason
    process = (
        f'version {service["version"]}, incarnation {service["incarnation"]}'
    )
    if type_ != 'service.update':
        return process
    return ', '.join([*_settings(service), process])


def _settings(service: Mapping[str, Any]) -> Iterator[str]:
    """The fields that operators set."""
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
