"""sgconductor-manage service …"""

import argparse
from collections.abc import Iterable
from typing import Any

from cliff import command
from cliff import lister
from cliff import show
from oslo_utils import uuidutils

from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor.cmd import columns
from sgconductor.cmd import manage

_COLUMNS = (
    'id',
    'uuid',
    'host',
    'binary',
    'topic',
    'version',
    'status',
    'state',
    'liveness',
    'liveness_reason',
    'last_seen_up',
)
_DETAILS = (
    *_COLUMNS,
    'disabled_reason',
    'forced_down',
    'quarantined',
    'left_at',
    'availability_zone',
    'incarnation',
    'report_interval',
    'down_after',
    'report_count',
    'pin_epoch',
    'created_at',
    'updated_at',
)

Shown = tuple[tuple[str, ...], tuple[Any, ...]]


class List(lister.Lister):
    """List services, with the liveness of each."""

    app: manage.Manage

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        for name in ('host', 'binary', 'topic'):
            parser.add_argument(f'--{name}', help=f'Only this {name}.')
        for yes, no in (('disabled', 'enabled'), ('up', 'down')):
            either = parser.add_mutually_exclusive_group()
            either.add_argument(
                f'--{yes}',
                dest=yes,
                action='store_true',
                default=None,
                help=f'Only services that are {yes}.',
            )
            either.add_argument(
                f'--{no}',
                dest=yes,
                action='store_false',
                help=f'Only services that are {no}.',
            )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        names = ('host', 'binary', 'topic', 'disabled', 'up')
        filters = {name: getattr(parsed_args, name) for name in names}
        with self.app.context() as context:
            services = list(objects.ServiceList.walk(context, **filters))
        return _COLUMNS, [_row(service, _COLUMNS) for service in services]


class _ServiceCommand(command.Command):
    """A command on one service, named by its UUID or by host and binary."""

    app: manage.Manage

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'service',
            nargs='+',
            metavar='UUID | HOST BINARY',
            help='The service: its UUID, or its host and binary.',
        )
        return parser


class Show(_ServiceCommand, show.ShowOne):
    """Show one service."""

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with self.app.context() as context:
            service = _get(context, parsed_args.service)
        return _DETAILS, _row(service, _DETAILS)


class Explain(_ServiceCommand, lister.Lister):
    """Show the evidence behind the liveness of a service.

    Each line is one piece of evidence. speaks_for is the liveness that it
    suggests; the last line is the verdict. age is in seconds.
    """

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        with self.app.context() as context:
            key = _key(parsed_args.service)
            pieces = objects.Service.named(context, **key).explain()
        return ('source', 'says', 'age', 'speaks_for'), [
            (
                piece['source'],
                piece['says'],
                _age(piece['age']),
                piece['speaks_for'],
            )
            for piece in pieces
        ]


class _Update(_ServiceCommand, show.ShowOne):
    """A command that changes a service, and shows it afterwards."""

    def changes(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        raise NotImplementedError

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        with self.app.context() as context:
            key = _key(parsed_args.service)
            service = objects.Service.named(context, **key)
            service.update(self.changes(parsed_args))
        return _DETAILS, _row(service, _DETAILS)


class Enable(_Update):
    """Let work be scheduled to a service again."""

    def changes(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {'disabled': False}


class Disable(_Update):
    """Let no more work be scheduled to a service; it stays up."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--reason',
            help='Why, for other operators. Without it, a reason that was '
            'given before is cleared.',
        )
        return parser

    def changes(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {'disabled': True, 'disabled_reason': parsed_args.reason}


class ForceDown(_Update):
    """Mark a service down regardless of its heartbeats.

    For a host that is fenced, so that others need not wait for its
    heartbeats to time out.
    """

    def changes(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {'forced_down': True}


class ForceUp(_Update):
    """Undo force-down: the heartbeats of the service decide again."""

    def changes(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {'forced_down': False}


class Quarantine(_Update):
    """Do not count a down service for the pin of its binary.

    For a service that will not be back soon. If it comes back after all, it
    can join only if the pin allows its version, as any other service.
    """

    def changes(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {'quarantined': True}


class Unquarantine(_Update):
    """Count a service for the pin again, if the pin allows its version."""

    def changes(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        return {'quarantined': False}


class Delete(_ServiceCommand):
    """Delete a service; if its process still runs, it stops its heartbeat."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        with self.app.context() as context:
            key = _key(parsed_args.service)
            objects.Service.named(context, **key).destroy()


def _get(
    context: sg_context.RequestContext, words: list[str]
) -> objects.Service:
    key = _key(words)
    if 'uuid' in key:
        return objects.Service.get_by_uuid(context, **key)
    return objects.Service.get_by_host_and_binary(context, **key)


def _key(words: list[str]) -> dict[str, str]:
    """The fields that name a service, from a command line's words."""
    match words:
        case [uuid] if uuidutils.is_uuid_like(uuid):
            return {'uuid': uuid}
        case [word]:
            raise exception.InvalidInput(
                f'{word!r} is not a UUID; name the service by its UUID, or '
                f'by HOST BINARY'
            )
        case [host, binary]:
            return {'host': host, 'binary': binary}
    raise exception.InvalidInput(
        f'name one service, by UUID or by HOST BINARY, not '
        f'{len(words)} words: {" ".join(words)}'
    )


def _row(service: objects.Service, names: Iterable[str]) -> tuple[Any, ...]:
    computed = {
        'status': _status(service),
        'state': 'up' if service.is_up else 'down',
    }
    return tuple(
        computed[name] if name in computed else _value(service, name)
        for name in names
    )


def _status(service: objects.Service) -> str:
    if service.quarantined:
        return 'quarantined'
    return 'disabled' if service.disabled else 'enabled'


def _age(seconds: float | None) -> columns.Formatted:
    if seconds is None:
        return columns.Formatted(None, '')
    return columns.Formatted(round(seconds, 1), f'{seconds:.1f} s')


def _value(service: objects.Service, name: str) -> Any:
    value = getattr(service, name)
    if value is not None and name.endswith(('_at', '_up')):
        return service.fields[name].stringify(value)
    return value
