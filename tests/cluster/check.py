"""The checks of the cluster drill: clients' journals against the tables."""

import collections
import datetime
import itertools
import json
import time
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set
from typing import Any
from typing import NamedTuple

from sgconductor import context as sg_context
from sgconductor import objects
from tests.cluster import load


class Finding(NamedTuple):
    """Something that must not be.

    :ivar at: when, by the monotonic clock
    """

    at: float
    text: str


class Event(NamedTuple):
    """A row of the events table.

    :ivar at: when it was recorded, by the monotonic clock
    :ivar service: the fields of the service in its payload
    """

    uuid: str
    type: str
    at: float
    service: Mapping[str, Any]


class Tables(NamedTuple):
    """What the tables have, as a conductor reads them.

    :ivar services: by host and binary
    """

    services: Mapping[tuple[str, str], objects.Service]
    events: Sequence[Event]
    pins: Sequence[objects.Pin]

    @classmethod
    def read(cls, context: sg_context.RequestContext) -> 'Tables':
        services = {
            (each.host, each.binary): each
            for each in objects.ServiceList.walk(context)
        }
        pins = objects.PinList.get_all(context).objects
        return cls(services, list(_events(context)), pins)


def _events(context: sg_context.RequestContext) -> Iterator[Event]:
    since = time.time() - time.monotonic()
    marker = 0
    while page := objects.EventList.get_page(context, marker=marker).objects:
        for event in page:
            data = json.loads(event.payload)['versioned_object.data']
            at = event.at.astimezone(datetime.UTC).timestamp() - since
            yield Event(event.uuid, event.type, at, data)
        marker = page[-1].id


def false_downs(
    downs: Iterable[load.Down],
    events: Iterable[Event],
    lives: Iterable[load.Life],
) -> Iterator[Finding]:
    """Look-ups and events that called a live member down."""
    alive = collections.defaultdict(list)
    for life in lives:
        alive[life.host].append(life)
    for down in downs:
        for life in alive[down.host]:
            if life.since <= down.began and down.ended <= life.until:
                yield Finding(
                    down.ended,
                    f'{down.host} was down in a look-up: {down.reason}',
                )
    for event in events:
        host = event.service['host']
        for life in alive[host] if event.type == 'service.down' else ():
            if life.since <= event.at <= life.until:
                reason = event.service['liveness_reason']
                yield Finding(event.at, f'{host} had service.down: {reason}')


def lost_events(
    events: Iterable[Event], seen: Mapping[str, Set[str]]
) -> Iterator[Finding]:
    """Events of the table that somebody has not seen.

    :param seen: the message ids that each observer has seen, by its name
    """
    for event in events:
        for name, uuids in seen.items():
            if event.uuid not in uuids:
                host = event.service['host']
                yield Finding(
                    event.at,
                    f'the {name} has not seen the {event.type} of {host}, '
                    f'{event.uuid}',
                )


def epochs_back(
    name: str, epochs: Sequence[tuple[float, int]]
) -> Iterator[Finding]:
    """Where the epochs that an observer has seen went back."""
    for (_, before), (at, after) in itertools.pairwise(epochs):
        if after < before:
            yield Finding(at, f'{name} saw epoch {after} after {before}')


def wrong_pins(tables: Tables) -> Iterator[Finding]:
    """Pins that are not the minimum of their services, or of the hold."""
    now = time.monotonic()
    versions = collections.defaultdict(list)
    for service in tables.services.values():
        if not service.quarantined:
            versions[service.binary].append(service.version)
    for pin in tables.pins:
        lowest = min(versions[pin.binary], default=pin.min_version)
        held = pin.held_version
        right = lowest if held is None else min(lowest, held)
        if (pin.min_version, pin.version) != (lowest, right):
            yield Finding(
                now,
                f'the pin of {pin.binary} is {pin.version}, of its services '
                f'{pin.min_version}; it should be {right} and {lowest}',
            )


def lost_edits(
    writes: Sequence[load.Write], tables: Tables
) -> Iterator[Finding]:
    """Edits that were acknowledged, and are not in the tables."""
    recorded = {
        (event.service['host'], event.service['availability_zone'])
        for event in tables.events
        if event.type == 'service.update'
    }
    for host, theirs in _by_key(writes).items():
        service = tables.services.get((host, load.MEMBER))
        value = service.availability_zone if service else None
        *_, last = [None, *filter(lambda write: write.at, theirs)]
        # A write that was not acknowledged may come late.
        may_be = {write.value for write in theirs if write.at is None}
        for write in theirs:
            if write.at is None:
                continue
            what = f'the edit of {host} to {write.value}'
            if write is last and value not in {write.value, *may_be}:
                yield Finding(write.at, f'{what} is lost: it is {value}')
            elif (host, write.value) not in recorded:
                yield Finding(write.at, f'{what} is lost: it has no event')


def lost_joins(
    writes: Sequence[load.Write], tables: Tables
) -> Iterator[Finding]:
    """Joins, leaves and deletes that were acknowledged, and are lost."""
    recorded = {(event.service['host'], event.type) for event in tables.events}
    types = {'joined': 'service.create', 'deleted': 'service.delete'}
    for host, theirs in _by_key(writes).items():
        service = tables.services.get((host, load.GUEST))
        *done, last = theirs
        if last.at is not None:
            done.append(last)
        if done and not any(_is(service, write) for write in {done[-1], last}):
            yield Finding(
                done[-1].at or 0.0,
                f'{host} should be {done[-1].value}, incarnation '
                f'{done[-1].number}: {_state(service)}',
            )
        for write in done:
            type_ = types.get(write.value)
            if type_ and (host, type_) not in recorded:
                yield Finding(
                    write.at or 0.0, f'{host} {write.value}: no {type_}'
                )


def _is(service: objects.Service | None, write: load.Write) -> bool:
    """Whether a service is as a write has left it."""
    if service is None or write.value == 'deleted':
        return service is None and write.value == 'deleted'
    left = service.left_at is not None
    return left == (write.value == 'left') and (
        service.incarnation == write.number or write.at is None
    )


def _state(service: objects.Service | None) -> str:
    if service is None:
        return 'it is not there'
    return f'left at {service.left_at}, incarnation {service.incarnation}'


def lost_holds(
    writes: Sequence[load.Write], tables: Tables
) -> Iterator[Finding]:
    """Holds that were acknowledged, and are lost."""
    done = [write for write in writes if write.at is not None]
    for before, after in itertools.pairwise(done):
        # A hold that changes nothing moves no epoch.
        same = after.value == before.value
        if after.number < before.number + (not same):
            yield Finding(
                after.at or 0.0,
                f'a hold at {after.value!r} had epoch {after.number} after '
                f'{before.number}',
            )
    if not done:
        return
    held = {
        str(pin.held_version or '')
        for pin in tables.pins
        if pin.binary == load.HELD
    }
    may_be = {write.value for write in writes if write.at is None}
    if not held & {done[-1].value, *may_be}:
        yield Finding(
            done[-1].at or 0.0,
            f'the hold at {done[-1].value!r} is lost: it is {held}',
        )


def undone(
    heard: Mapping[str, float], events: Iterable[Event]
) -> Iterator[Finding]:
    """Events that were heard, and are not in the table any more."""
    recorded = {event.uuid for event in events}
    for uuid, at in heard.items():
        if uuid not in recorded:
            yield Finding(at, f'event {uuid} was heard, and is not recorded')


def _by_key(
    writes: Iterable[load.Write],
) -> Mapping[str, Sequence[load.Write]]:
    found = collections.defaultdict(list)
    for write in writes:
        found[write.key].append(write)
    return found
