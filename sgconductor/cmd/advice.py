"""Advice: what an operator can do about a pin."""

import datetime
import textwrap
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from sgconductor import objects

# Of more services than these, the rest is only counted.
MOST_NAMED = 20

_MOST_COMMANDS = 3
_WIDTH = 72
# After so many beats, a member that follows pins has reported an epoch.
_SEVERAL_BEATS = 3


class Advice(NamedTuple):
    """
    :ivar text: the state, and what can be done about it
    :ivar run: the commands that do it
    """

    text: str
    run: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = textwrap.fill(
            self.text,
            _WIDTH,
            initial_indent='- ',
            subsequent_indent='  ',
            break_on_hyphens=False,
        )
        return '\n'.join((text, *(f'    {command}' for command in self.run)))


def for_pin(
    pin: objects.Pin,
    oldest: Sequence[objects.Service],
    lagging: Sequence[objects.Service],
) -> list[Advice]:
    """What can be done about a pin; at least one piece of advice.

    :param oldest: the services of the lowest version
    :param lagging: the live members that do not follow
    """
    found = [
        *for_hold(pin),
        *_for_fleet(pin, oldest),
        *_for_lagging(pin, lagging),
    ]
    return found or [
        Advice(
            f'Nothing to do: {_all(sum(pin.services.values()), "service")} '
            f'at version {pin.min_version}, and {pin.following} of '
            f'{pin.live} live members follow the pin.'
        )
    ]


def for_hold(pin: objects.Pin) -> list[Advice]:
    """What can be done about the hold of a pin, if it has one."""
    held = pin.held_version
    if held is None:
        return []
    since = timestamp(pin.since)
    if held < pin.min_version:
        text = (
            f'The pin of {pin.binary} is held at {held}, since {since}; '
            f'without the hold it would be {pin.min_version}. If no service '
            f'of an older version is to join any more, release it:'
        )
    else:
        text = (
            f'The pin of {pin.binary} is {pin.version}, since {since}, and '
            f'held: it cannot exceed {held}, whatever services join. If the '
            f'hold is no longer needed, release it:'
        )
    return [Advice(text, (f'sgconductor-manage pins release {pin.binary}',))]


def for_down(services: Sequence[objects.Service]) -> Advice:
    """What can be done about services that hold a pin and are down.

    :param services: at least one, all of one version and binary
    """
    first = services[0]
    shown = services[:_MOST_COMMANDS]
    only_first = (
        f'; here for the first {len(shown)}'
        if len(services) > len(shown)
        else ''
    )
    return Advice(
        f'{hosts(services)}: down, with version {first.version}, and counted '
        f'because they may come back with it. Upgrade and start them; or '
        f'delete those that are gone for good, and quarantine those that '
        f'will not be back soon{only_first}:',
        tuple(
            f'sgconductor-manage service {verb} {service.host} '
            f'{service.binary}'
            for service in shown
            for verb in ('delete', 'quarantine')
        ),
    )


def hosts(services: Sequence[objects.Service], total: int = 0) -> str:
    """The hosts of services, at most :data:`MOST_NAMED` of them.

    :param total: how many there are, if that is more than are given
    """
    return ', '.join(shortened([s.host for s in services], total))


def members(services: Sequence[objects.Service], total: int = 0) -> str:
    """The binaries and hosts of services, at most :data:`MOST_NAMED`.

    :param total: how many there are, if that is more than are given
    """
    named = [f'{s.binary} on {s.host}' for s in services]
    return ', '.join(shortened(named, total))


def shortened(lines: Sequence[str], total: int = 0) -> list[str]:
    """The first :data:`MOST_NAMED` lines, and the number of the others.

    :param total: how many there are, if that is more than are given
    """
    shown = list(lines[:MOST_NAMED])
    more = max(total, len(lines)) - len(shown)
    return [*shown, f'and {more} more'] if more else shown


def timestamp(value: datetime.datetime) -> str:
    """A time, for people."""
    return f'{value:%Y-%m-%dT%H:%M:%SZ}'


def _for_fleet(
    pin: objects.Pin, oldest: Sequence[objects.Service]
) -> Iterator[Advice]:
    if not pin.services:
        yield Advice(
            f'No service of {pin.binary} counts any more, and the pin stays '
            f'as it is. To let an older service join, hold the pin at its '
            f'version:',
            (f'sgconductor-manage pins hold {pin.binary} VERSION',),
        )
    if len(pin.services) < 2:
        return
    held = pin.held_version is not None
    up = [service for service in oldest if service.is_up]
    down = [service for service in oldest if not service.is_up]
    if up:
        yield Advice(
            f'{hosts(up)}: up, with version {up[0].version}. When the last '
            f'of them is upgraded and has joined again, the pin rises by '
            f'itself{", as far as the hold allows" if held else ""}.'
        )
    if down:
        yield for_down(down)


def _for_lagging(
    pin: objects.Pin, lagging: Sequence[objects.Service]
) -> Iterator[Advice]:
    unaware = [member for member in lagging if _ignores_pins(member)]
    late = [member for member in lagging if not _ignores_pins(member)]
    if unaware:
        yield Advice(
            f'{members(unaware)}: up, but built on a release of sgconductor '
            f'that does not follow pins. Upgrade it there: while they run, '
            f'no service that is older than all others can join.'
        )
    if late:
        yield Advice(
            f'{members(late)}: not following yet. A member learns the pins '
            f'with its next sync at the latest, which is a minute unless '
            f'configured otherwise. To wait for them:',
            (f'sgconductor-manage pins wait {pin.binary} {pin.version}',),
        )


def _ignores_pins(member: objects.Service) -> bool:
    # updated_at is of the last join or edit. After an edit, this takes a few
    # beats longer to see.
    joined = member.updated_at or member.created_at
    beating = (member.last_seen_up - joined).total_seconds()
    return (
        member.pin_epoch == 0
        and beating > _SEVERAL_BEATS * member.report_interval
    )


def _all(count: int, noun: str) -> str:
    return f'the only {noun} is' if count == 1 else f'all {count} {noun}s are'
