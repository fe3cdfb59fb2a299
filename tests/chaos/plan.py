"""The plan of a client: an endless, random sequence of operations.

It depends on the seed alone, and on no answer: so a seed can be repeated.
"""

import random
import uuid
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

BINARY = 'acme-chaos'
HOSTS = tuple(f'chaos{number + 1}' for number in range(6))

# How often each kind comes, of all together. Updates have names of their own.
_WEIGHTS = {
    'join': 20,
    'beat': 15,
    'leave': 6,
    'delete': 5,
    'disable': 6,
    'enable': 6,
    'force down': 5,
    'allow up': 5,
    'move': 5,
    'set reason': 2,
    'quarantine': 5,
    'end quarantine': 5,
    'get': 15,
    'list': 8,
    'pins': 6,
    'pin': 4,
    'hold': 2,
    'release': 2,
    'rest': 4,
}
# After how many operations of a client its joins have the next version.
_RELEASE_EVERY = 30


class Step(NamedTuple):
    """One operation of a plan.

    :ivar pause: seconds before it
    """

    kind: str
    args: dict[str, Any]
    pause: float


def steps(seed: int, client: str) -> Iterator[Step]:
    """The plan of a client."""
    dice = random.Random(f'{seed} {client}')
    kinds, weights = list(_WEIGHTS), list(_WEIGHTS.values())
    number = 0
    while True:
        (name,) = dice.choices(kinds, weights)
        number += 1
        # Each draws the same number of times, whatever comes of it.
        host = dice.choice(HOSTS)
        version = 1 + number // _RELEASE_EVERY + dice.choice((0, 0, 0, 1))
        text = f'{client}-{number}'
        # With a topic of its own, each join is an event.
        topic = dice.choice((text, text, text, 'chaos'))
        token = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        pause = dice.uniform(0.0, 0.6)
        yield Step(*_step(name, host, version, text, token, topic), pause)


def _step(
    name: str, host: str, version: int, text: str, token: str, topic: str
) -> tuple[str, dict[str, Any]]:
    changes: dict[str, dict[str, Any]] = {
        'disable': {'disabled': True, 'disabled_reason': text},
        'enable': {'disabled': False},
        'force down': {'forced_down': True},
        'allow up': {'forced_down': False},
        'move': {'availability_zone': text},
        'set reason': {'disabled_reason': text},
        'quarantine': {'quarantined': True},
        'end quarantine': {'quarantined': False},
    }
    if name in changes:
        return 'update', {'host': host, 'changes': changes[name]}
    if name == 'join':
        return 'join', {
            'host': host,
            'topic': topic,
            'version': version,
            'token': token,
        }
    if name in ('hold', 'release'):
        return 'hold', {'version': version if name == 'hold' else None}
    if name in ('list', 'pins', 'pin', 'rest'):
        return name, {}
    return name, {'host': host}
