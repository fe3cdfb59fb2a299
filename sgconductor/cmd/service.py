"""sgconductor-manage service …"""

import argparse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from cliff import command
from cliff import lister
from cliff import show

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


class List(lister.Lister):
    """List services, with the conductor's verdict on each."""

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
                help=f'Only those that are {yes}.',
            )
            either.add_argument(
                f'--{no}',
                dest=yes,
                action='store_false',
                help=f'Only those that are {no}.',
            )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        names = ('host', 'binary', 'topic', 'disabled', 'up')
        filters = {name: getattr(parsed_args, name) for name in names}
        with self.app.remote() as remote:
            services = list(
                objects.ServiceList.walk(remote.context(), **filters)
            )
        return _COLUMNS, [_line(service, _COLUMNS) for service in services]


class _One(command.Command):
    """A command on one service, by its UUID or by host and binary."""

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

    def with_service(
        self,
        parsed_args: argparse.Namespace,
        act: Callable[[objects.Service], None],
    ) -> objects.Service:
        """Look the service up, and act on it."""
        with self.app.context() as context:
            service = _find(context, parsed_args.service)
            act(service)
        return service


class Show(_One, show.ShowOne):
    """Show one service."""

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        service = self.with_service(parsed_args, lambda service: None)
        return _DETAILS, _line(service, _DETAILS)


class Explain(_One, lister.Lister):
    """Show the evidence behind the verdict on a service, piece by piece.

    speaks_for is what a piece would have the service be; the last line is
    the verdict. age is in seconds.
    """

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        pieces: list[Mapping[str, Any]] = []
        self.with_service(
            parsed_args, lambda service: pieces.extend(service.explain())
        )
        return ('source', 'says', 'age', 'speaks_for'), [
            (
                piece['source'],
                piece['says'],
                _age(piece['age']),
                piece['speaks_for'],
            )
            for piece in pieces
        ]


class _Edit(_One, show.ShowOne):
    """A command that changes a service and shows what became of it."""

    def change(
        self, service: objects.Service, parsed_args: argparse.Namespace
    ) -> None:
        raise NotImplementedError

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        service = self.with_service(
            parsed_args, lambda service: self.change(service, parsed_args)
        )
        return _DETAILS, _line(service, _DETAILS)


class Enable(_Edit):
    """Let work be scheduled to a service again."""

    def change(
        self, service: objects.Service, parsed_args: argparse.Namespace
    ) -> None:
        service.disabled = False
        service.disabled_reason = None
        service.save()


class Disable(_Edit):
    """Have no more work scheduled to a service; it stays up."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('--reason', help='Why, for others to read.')
        return parser

    def change(
        self, service: objects.Service, parsed_args: argparse.Namespace
    ) -> None:
        service.disabled = True
        service.disabled_reason = parsed_args.reason
        service.save()


class ForceDown(_Edit):
    """Call a service down, whatever its beats say: its host is fenced."""

    def change(
        self, service: objects.Service, parsed_args: argparse.Namespace
    ) -> None:
        service.forced_down = True
        service.save()


class ForceUp(_Edit):
    """Take a force-down back; its beats decide again."""

    def change(
        self, service: objects.Service, parsed_args: argparse.Namespace
    ) -> None:
        service.forced_down = False
        service.save()


class Quarantine(_Edit):
    """Count a dead service no more for its pin; it will not be back soon.

    Should it come back nevertheless, it is let in only if the pin allows its
    version, as any other.
    """

    def change(
        self, service: objects.Service, parsed_args: argparse.Namespace
    ) -> None:
        service.quarantine()


class Unquarantine(_Edit):
    """Count a service for its pin again, if the pin allows its version."""

    def change(
        self, service: objects.Service, parsed_args: argparse.Namespace
    ) -> None:
        service.unquarantine()


class Delete(_One):
    """Delete a service; if its process still runs, it stops beating."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        self.with_service(parsed_args, lambda service: service.destroy())


def _find(
    context: sg_context.RequestContext, words: list[str]
) -> objects.Service:
    if len(words) == 1:
        return objects.Service.get_by_uuid(context, words[0])
    if len(words) == 2:
        return objects.Service.get_by_host_and_binary(context, *words)
    raise exception.InvalidInput(
        f'name one service, by UUID or by HOST BINARY, not '
        f'{len(words)} words: {" ".join(words)}'
    )


def _line(service: objects.Service, columns: Iterable[str]) -> tuple[Any, ...]:
    state = 'up' if service.is_up else 'down'
    words = {'status': _status(service), 'state': state}
    if not service.obj_attr_is_set('liveness'):
        # A conductor of an older release has not got it.
        words |= {'liveness': state, 'liveness_reason': ''}
    return tuple(
        words[name] if name in words else _value(service, name)
        for name in columns
    )


def _status(service: objects.Service) -> str:
    # A conductor of the release before knows of no quarantine.
    if service.obj_attr_is_set('quarantined') and service.quarantined:
        return 'quarantined'
    return 'disabled' if service.disabled else 'enabled'


def _age(seconds: float | None) -> columns.Dual:
    if seconds is None:
        return columns.Dual(None, '')
    return columns.Dual(round(seconds, 1), f'{seconds:.1f} s')


def _value(service: objects.Service, name: str) -> Any:
    if not service.obj_attr_is_set(name):
        # A conductor of an older release has not got it.
        return None
    value = getattr(service, name)
    if value is not None and name.endswith(('_at', '_up')):
        return service.fields[name].stringify(value)
    return value
