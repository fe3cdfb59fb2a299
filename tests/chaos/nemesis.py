"""The nemesis: makes one fault after the other, in a random order."""

import os
import random
import signal
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import NamedTuple

from tests.chaos import place as sg_place
from tests.servers import proxy

# In seconds: how long a fault lasts, and how long nothing is away after it.
_LASTS = (4.0, 22.0)
_RESTS = (3.0, 8.0)
# Of all faults, those that come together with the next one.
_TOGETHER = 0.2
# Seconds by which a slow proxy holds each piece, in each direction.
_SLOW = 0.4
# The ways in which a server is away from a process, by a proxy.
_WAYS: Mapping[str, Callable[[proxy.Proxy], None]] = {
    'refuse': lambda one: one.refuse(),
    'cut': lambda one: one.cut(),
    'silence': lambda one: one.freeze(),
    'half-open': lambda one: one.freeze(new=False),
    # What is asked for is done, and no answer comes.
    'mute': lambda one: one.freeze(to_server=False),
    'slow': lambda one: one.delay(_SLOW),
}


class Fault(NamedTuple):
    """A fault of a part.

    :ivar target: the part; two faults of the same never come together
    """

    name: str
    target: str


class Planned(NamedTuple):
    """Faults that come together.

    :ivar worker: which worker of a conductor, where one is meant
    """

    faults: tuple[Fault, ...]
    worker: int
    seconds: float
    rest: float


def known(nodes: int = 0) -> list[Fault]:
    """All faults that there are.

    :param nodes: of the database, if it is a cluster
    """
    servers = ['broker', 'database']
    found = [
        Fault('kill', 'all conductors'),
        Fault('kill', 'broker'),
        Fault('stop', 'broker'),
        Fault('stop', 'database'),
    ]
    if nodes:
        found.append(Fault('move', 'writer of database'))
        found += [
            Fault(name, f'node {number} of database')
            for number in range(nodes)
            for name in ('kill', 'stop', 'isolate')
        ]
    else:
        found.append(Fault('kill', 'database'))
    for conductor in sg_place.CONDUCTORS:
        found += [
            Fault(name, conductor)
            for name in ('kill', 'stop', 'kill worker', 'stop worker')
        ]
        found += [
            Fault(name, f'{server} of {conductor}')
            for server in servers
            for name in _WAYS
        ]
    # Members that cannot beat for long are down, and rightly so.
    found += [
        Fault(name, f'broker of {sg_place.MEMBERS}')
        for name in ('cut', 'slow')
    ]
    return found


def plan(seed: int, quiet: float, nodes: int = 0) -> Iterator[Planned]:
    """An endless sequence of faults, each as often as any other.

    :param quiet: seconds of rest after which the dead must have been found;
        every fourth rest is so long
    """
    dice = random.Random(f'{seed} nemesis')
    deck: list[Fault] = []
    number = 0
    while True:
        if len(deck) < 2:
            more = known(nodes)
            dice.shuffle(more)
            deck = more + deck
        faults = [deck.pop()]
        together = dice.random() < _TOGETHER
        if together and not _same_part(faults[0], deck[-1]):
            faults.append(deck.pop())
        number += 1
        rest = dice.uniform(*_RESTS)
        yield Planned(
            tuple(faults),
            dice.randrange(sg_place.WORKERS),
            dice.uniform(*_LASTS),
            rest + quiet if number % 4 == 0 else rest,
        )


def _same_part(one: Fault, other: Fault) -> bool:
    def parts(fault: Fault) -> set[str]:
        words = set(fault.target.split()) - {'of', 'all', 'node', 'writer'}
        if 'conductors' in words:
            words |= set(sg_place.CONDUCTORS)
        return words

    return bool(parts(one) & parts(other))


class Nemesis:
    """Begins and ends faults.

    Call it in the main thread: the servers must be started there.

    :param place: where to make them
    """

    def __init__(self, place: sg_place.Place) -> None:
        self._place = place
        self._stopped: dict[str, int] = {}

    def begin(self, fault: Fault, worker: int) -> None:
        """
        :param worker: which one, for a fault of a worker
        """
        if fault.target.endswith(' of database'):
            self._attack_cluster(*fault)
        elif ' of ' in fault.target:
            self._cut_off(*fault)
        elif fault.target in self._place.servers:
            server = self._place.servers[fault.target]
            (server.kill if fault.name == 'kill' else server.freeze)()
        elif fault.target == 'all conductors':
            for name in sg_place.CONDUCTORS:
                self._place.kill(name)
        else:
            self._attack(*fault, worker)

    def end(self, fault: Fault) -> None:
        """Make all well again, and wait for processes that start."""
        if fault.target.endswith(' of database'):
            self._restore_cluster(*fault)
        elif ' of ' in fault.target:
            self._proxy(fault.target).heal()
        elif fault.target in self._place.servers:
            server = self._place.servers[fault.target]
            (server.start if fault.name == 'kill' else server.thaw)()
        elif fault.target == 'all conductors':
            self._place.start_conductors(*sg_place.CONDUCTORS)
        else:
            self._relent(*fault)

    def _attack_cluster(self, name: str, target: str) -> None:
        if name == 'move':
            self._place.servers['database'].move()
        else:
            number = int(target.split()[1])
            self._place.servers['database'].attack(name, number)

    def _restore_cluster(self, name: str, target: str) -> None:
        if name != 'move':
            number = int(target.split()[1])
            self._place.servers['database'].relent(name, number)

    def _proxy(self, target: str) -> proxy.Proxy:
        server, name = target.split(' of ')
        return self._place.proxies[server, name]

    def _cut_off(self, name: str, target: str) -> None:
        one = self._proxy(target)
        _WAYS[name](one)

    def _attack(self, name: str, conductor: str, worker: int) -> None:
        if name == 'kill':
            self._place.kill(conductor)
        elif name == 'stop':
            self._place.signal_all(conductor, signal.SIGSTOP)
        else:
            pid = self._place.worker(conductor, worker)
            if pid is not None:
                self._stopped[conductor] = pid
                stops = name == 'stop worker'
                os.kill(pid, signal.SIGSTOP if stops else signal.SIGKILL)

    def _relent(self, name: str, conductor: str) -> None:
        if name == 'kill':
            self._place.start_conductors(conductor)
        elif name == 'stop':
            self._place.signal_all(conductor, signal.SIGCONT)
        else:
            pid = self._stopped.pop(conductor, None)
            if name == 'stop worker' and pid is not None:
                os.kill(pid, signal.SIGCONT)
            self._place.until(
                f'the workers of {conductor}',
                lambda: self._place.has_workers(conductor),
            )
