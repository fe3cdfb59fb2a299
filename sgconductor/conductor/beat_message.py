"""The beat in a message: read, checked, and merged with others."""

import datetime
from collections.abc import Iterable
from typing import Any

from sgconductor.db import clock
from sgconductor.db import pins
from sgconductor.db import services

_MAX_INT = 2**31 - 1
_MAX_STAMP = clock.to_micros(
    datetime.datetime.max.replace(tzinfo=datetime.UTC)
)


def read(message: Any) -> services.Beat:
    """The beat in a message.

    :raises KeyError: if a part is missing
    :raises TypeError: if a part has the wrong type
    :raises ValueError: if a value is out of range
    """
    payload = message['payload']
    return services.Beat(
        _number(payload, 'id', 1, _MAX_INT),
        _number(payload, 'incarnation', 1, _MAX_INT),
        _number(payload, 'stamp', 0, _MAX_STAMP),
        epoch=_epoch(payload.get('epoch')),
    )


def merge(beats: Iterable[services.Beat]) -> list[services.Beat]:
    """One beat for each incarnation: their number, newest stamp and epoch."""
    merged: dict[tuple[int, int], services.Beat] = {}
    for beat in beats:
        key = (beat.id, beat.incarnation)
        other = merged.get(key, beat._replace(beats=0))
        merged[key] = beat._replace(
            stamp=max(beat.stamp, other.stamp),
            beats=beat.beats + other.beats,
            epoch=max(beat.epoch, other.epoch),
        )
    return list(merged.values())


def _epoch(value: Any) -> int:
    # Older members send no epoch. A beat with an invalid one counts too.
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return value if is_int and 0 <= value <= pins.MAX_EPOCH else 0


def _number(payload: Any, name: str, least: int, most: int) -> int:
    value = payload[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f'{name} is not a whole number')
    if not least <= value <= most:
        raise ValueError(f'{name} is out of range')
    return value
