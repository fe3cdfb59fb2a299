"""What an operator can do about a pin."""

import datetime
import textwrap
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from sgconductor import objects

# So many are named, the rest is counted.
MOST_NAMED = 20

_MOST_COMMANDS = 3
_WIDTH = 72
# A member that has beaten so often has had the time to say what it follows.
_SEVERAL_BEATS = 3


class Advice(NamedTuple):
    """
    :ivar text: what is so, and what can be done
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


def on(
    pin: objects.Pin,
    oldest: Sequence[objects.Service],
    lagging: Sequence[objects.Service],
) -> list[Advice]:
    """What can be done about a pin, or one that says: nothing.

    :param oldest: the services of the lowest version
    :param lagging: the live members that do not follow
    """
    found = [*on_hold(pin), *_fleet(pin, oldest), *_followers(pin, lagging)]
    return found or [
        Advice(
            f'Nothing to do: {_all(sum(pin.services.values()), "service")} '
            f'at version {pin.min_version}, and {pin.following} of '
            f'{pin.live} live members follow the pin.'
        )
    ]


def on_hold(pin: objects.Pin) -> list[Advice]:
    """What a pin's hold means by now, if it has one."""
    held = pin.held_version
    if held is None:
        return []
    if held < pin.min_version:
        text = (
            f'The pin of {pin.binary} is held at {held}, since '
            f'{moment(pin.since)}; by its services it would be '
            f'{pin.min_version}. When none of an older version is to join '
            f'any more, release it:'
        )
    else:
        text = (
            f'The pin of {pin.binary} is {pin.version}, since '
            f'{moment(pin.since)}, and held: it will not exceed {held}, '
            f'whatever joins. If that is no longer wanted, release it:'
        )
    return [Advice(text, (f'sgconductor-manage pins release {pin.binary}',))]


def on_dead(services: Sequence[objects.Service]) -> Advice:
    """What can be done about services that hold a pin and are down.

    :param services: at least one, all of one version and binary
    """
    first = services[0]
    shown = services[:_MOST_COMMANDS]
    as_here = ', as here the first' if len(services) > len(shown) else ''
    return Advice(
        f'{names(services)}: down, with version {first.version}, and counted '
        f'because they may come back with it. Upgrade and start them; or '
        f'delete those that are gone for good, and quarantine those that '
        f'will not be back soon{as_here}:',
        tuple(
            f'sgconductor-manage service {verb} {service.host} '
            f'{service.binary}'
            for service in shown
            for verb in ('delete', 'quarantine')
        ),
    )


def names(services: Sequence[objects.Service], total: int = 0) -> str:
    """Their hosts, as many as can be read.

    :param total: how many there are, if that is more than are given
    """
    return ', '.join(shortened([s.host for s in services], total))


def members(services: Sequence[objects.Service], total: int = 0) -> str:
    """The same, of several binaries."""
    named = [f'{s.binary} on {s.host}' for s in services]
    return ', '.join(shortened(named, total))


def shortened(lines: Sequence[str], total: int = 0) -> list[str]:
    """The first few, and the number of the others.

    :param total: how many there are, if that is more than are given
    """
    shown = list(lines[:MOST_NAMED])
    more = max(total, len(lines)) - len(shown)
    return [*shown, f'and {more} more'] if more else shown


def moment(value: datetime.datetime) -> str:
    """A moment, for people."""
    return f'{value:%Y-%m-%dT%H:%M:%SZ}'


def _fleet(
    pin: objects.Pin, oldest: Sequence[objects.Service]
) -> Iterator[Advice]:
    if not pin.services:
        yield Advice(
            f'No service of {pin.binary} counts any more, and the pin stays '
            f'as it is. An older one can join with a hold at its version:',
            (f'sgconductor-manage pins hold {pin.binary} VERSION',),
        )
    if len(pin.services) < 2:
        return
    held = pin.held_version is not None
    up = [service for service in oldest if service.is_up]
    down = [service for service in oldest if not service.is_up]
    if up:
        yield Advice(
            f'{names(up)}: up, with version {up[0].version}. When the last '
            f'of them is upgraded and has joined anew, the pin moves by '
            f'itself{", as far as the hold lets it" if held else ""}.'
        )
    if down:
        yield on_dead(down)


def _followers(
    pin: objects.Pin, lagging: Sequence[objects.Service]
) -> Iterator[Advice]:
    deaf = [member for member in lagging if _follows_none(member)]
    late = [member for member in lagging if not _follows_none(member)]
    if deaf:
        yield Advice(
            f'{members(deaf)}: beating, but of a release that follows no '
            f'pins. Upgrade what they are built on; as long as they run, no '
            f'service older than all others is let in.'
        )
    if late:
        yield Advice(
            f'{members(late)}: not following yet. A member learns the pins '
            f'with its next sync at the latest, a minute unless configured '
            f'otherwise. To wait for them:',
            (f'sgconductor-manage pins wait {pin.binary} {pin.version}',),
        )


def _follows_none(member: objects.Service) -> bool:
    # What a join or an edit did last; a later moment only hides it longer.
    joined = member.updated_at or member.created_at
    beats = (member.last_seen_up - joined).total_seconds()
    return (
        member.pin_epoch == 0
        and beats > _SEVERAL_BEATS * member.report_interval
    )


def _all(count: int, noun: str) -> str:
    return f'the only {noun} is' if count == 1 else f'all {count} {noun}s are'
