"""The example fleet of the all-in-one, and its story."""

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

# One round of the story, in seconds.
_DIES = 3.0
_LEAVES = 6.0
_BACK_FROM_DEATH = 10.0
_BACK_FROM_LEAVE = 12.0
_UPGRADES = 13.0
_UPGRADE_TAKES = 0.5
_ROUND = 20.0


class _Act(NamedTuple):
    at: float
    member: tuple[str, str]
    what: str
    do: Callable[['Fleet', tuple[str, str]], object]


class Fleet:
    """Eight members of two binaries.

    :param remote: how they reach the conductor
    :raises SGConductorError: if they do not
    """

    def __init__(self, remote: app.Remote) -> None:
        self._remote = remote
        # A database that was kept lets in none that is older than its pin.
        known = objects.PinList.in_force(remote.context())['pins']
        self._versions = {
            key: known.get(key[1], 1) for key in _APIS + _WORKERS
        }
        self._members = {key: self._member(*key) for key in self._versions}
        self._story = _story()
        self._next = next(self._story)

    def join(self) -> None:
        """All become members.

        :raises SGConductorError: if one of them cannot
        """
        for each in self._members.values():
            _join(each)

    def act(self, elapsed: float) -> list[str]:
        """Do what the story has until now.

        :param elapsed: seconds since it began
        :returns: a line for each thing that was done
        """
        told = []
        while self._next.at <= elapsed:
            act, self._next = self._next, next(self._story)
            try:
                act.do(self, act.member)
            except exception.SGConductorError as error:
                LOG.warning('%s on %s: %s', *reversed(act.member), error)
            else:
                told.append(line(*act.member, act.what))
        return told

    def leave(self) -> None:
        """All leave; who is no member has nothing to leave."""
        for each in self._members.values():
            each.leave()

    def die(self, key: tuple[str, str]) -> None:
        """One of them beats no more, and tells nobody."""
        self._members[key].stop()

    def stop(self, key: tuple[str, str]) -> None:
        """One of them leaves."""
        self._members[key].leave()

    def start(self, key: tuple[str, str]) -> None:
        """One of them joins again."""
        _join(self._members[key])

    def upgrade(self, key: tuple[str, str]) -> None:
        """One of them leaves, and comes back as the next release."""
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


def line(host: str, binary: str, what: str) -> str:
    """What happened to one of the fleet, in columns."""
    return f'{host} {binary:11}  {what}'


def _story() -> Iterator[_Act]:
    casts = zip(
        itertools.count(0, _ROUND),
        itertools.cycle(_WORKERS[::-1]),
        itertools.cycle(_APIS),
        strict=False,
    )
    for begin, worker, api in casts:
        yield _Act(begin + _DIES, worker, 'dies: it beats no more', Fleet.die)
        yield _Act(begin + _LEAVES, api, 'leaves: a planned stop', Fleet.stop)
        yield _Act(
            begin + _BACK_FROM_DEATH, worker, 'joins again', Fleet.start
        )
        yield _Act(begin + _BACK_FROM_LEAVE, api, 'joins again', Fleet.start)
        for i, key in enumerate(_APIS + _WORKERS):
            at = begin + _UPGRADES + i * _UPGRADE_TAKES
            yield _Act(at, key, 'is upgraded', Fleet.upgrade)


def _join(each: member.Membership) -> None:
    # Once: the conductor is in this very process.
    each.join(timeout=0)
