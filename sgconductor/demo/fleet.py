"""The demo's example fleet, and the script that it follows."""

import itertools
import logging
from collections.abc import Callable
from collections.abc import Iterator
from typing import NamedTuple

from sgconductor import app
from sgconductor import exception
from sgconductor import member
from sgconductor import objects

LOG = logging.getLogger(__name__)

_APIS = [(f'node{n}', 'acme-api') for n in (1, 2, 3)]
_WORKERS = [(f'node{n}', 'acme-worker') for n in (1, 2, 3, 4, 5)]

# When each step of a cycle happens, in seconds since its begin.
_DIES = 3.0
_LEAVES = 6.0
_BACK_FROM_DEATH = 10.0
_BACK_FROM_LEAVE = 12.0
_UPGRADES = 13.0
_UPGRADE_TAKES = 0.5
_CYCLE = 20.0


class _Step(NamedTuple):
    """
    :ivar at: seconds since the script began
    :ivar member: its host and binary
    :ivar text: the step, for people
    """

    at: float
    member: tuple[str, str]
    text: str
    run: Callable[['Fleet', tuple[str, str]], object]


class Fleet:
    """Eight members of two binaries.

    :param remote: how they reach the conductor
    :raises SGConductorError: if they cannot
    """

    def __init__(self, remote: app.Remote) -> None:
        self._remote = remote
        # A database of an earlier run admits no version below its pins.
        pins = objects.PinList.in_force(remote.context())['pins']
        self._versions = {key: pins.get(key[1], 1) for key in _APIS + _WORKERS}
        self._members = {key: self._member(*key) for key in self._versions}
        self._script = _script()
        self._next = next(self._script)

    def join(self) -> None:
        """Have all of them join.

        :raises SGConductorError: if one of them cannot
        """
        for each in self._members.values():
            _join(each)

    def run_until(self, elapsed: float) -> list[str]:
        """Run the steps of the script that are due.

        :param elapsed: seconds since the script began
        :returns: a line for each step that succeeded
        """
        lines = []
        while self._next.at <= elapsed:
            step, self._next = self._next, next(self._script)
            try:
                step.run(self, step.member)
            except exception.SGConductorError as error:
                LOG.warning('%s on %s: %s', *reversed(step.member), error)
            else:
                lines.append(line(*step.member, step.text))
        return lines

    def leave(self) -> None:
        """Have all of them leave; those that have left already do nothing."""
        for each in self._members.values():
            each.leave()

    def kill(self, key: tuple[str, str]) -> None:
        """Stop the heartbeat of a member without a leave."""
        self._members[key].stop()

    def stop(self, key: tuple[str, str]) -> None:
        """Have a member leave."""
        self._members[key].leave()

    def start(self, key: tuple[str, str]) -> None:
        """Have a member join again."""
        _join(self._members[key])

    def upgrade(self, key: tuple[str, str]) -> None:
        """Have a member leave, and join with the next version."""
        self.stop(key)
        self._versions[key] += 1
        self._members[key] = self._member(*key)
        self.start(key)

    def _member(self, host: str, binary: str) -> member.Membership:
        return self._remote.membership(
            host,
            binary,
            binary.removeprefix('acme-'),
            self._versions[host, binary],
        )


def line(host: str, binary: str, text: str) -> str:
    """A line about one member, in columns."""
    return f'{host} {binary:11}  {text}'


def _script() -> Iterator[_Step]:
    cycles = zip(
        itertools.count(0, _CYCLE),
        itertools.cycle(_WORKERS[::-1]),
        itertools.cycle(_APIS),
        strict=False,
    )
    for begin, worker, api in cycles:
        yield _Step(
            begin + _DIES, worker, 'dies: its heartbeat stops', Fleet.kill
        )
        yield _Step(begin + _LEAVES, api, 'leaves: a planned stop', Fleet.stop)
        yield _Step(
            begin + _BACK_FROM_DEATH, worker, 'joins again', Fleet.start
        )
        yield _Step(begin + _BACK_FROM_LEAVE, api, 'joins again', Fleet.start)
        for i, key in enumerate(_APIS + _WORKERS):
            at = begin + _UPGRADES + i * _UPGRADE_TAKES
            yield _Step(at, key, 'is upgraded', Fleet.upgrade)


def _join(each: member.Membership) -> None:
    # One attempt is enough: the conductor runs in this process.
    each.join(timeout=0)
