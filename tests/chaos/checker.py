"""The checker: finds what a history shows to be wrong."""

import itertools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from tests.chaos import event_checks
from tests.chaos import history as sg_history
from tests.chaos import linearizability
from tests.chaos import liveness_checks
from tests.chaos import service_model
from tests.chaos import violation

Violation = violation.Violation

# Of the operations before a failure that are shown.
_SHOWN = 12


def check(history: sg_history.History) -> list[Violation]:
    """All violations of a history.

    Each function of ``PROPERTIES`` says what must hold.
    """
    return [one for find in PROPERTIES for one in find(history)]


def no_operation_fails_unexpectedly(
    history: sg_history.History,
) -> Iterator[Violation]:
    """Whatever fails does so with an error that says what is wrong."""
    for one in history.operations:
        if one.error.startswith('unexpected'):
            yield Violation(
                'no operation fails unexpectedly',
                f'{one.kind} by {one.client}: {one.error}',
                [one],
            )


def no_write_is_lost(history: sg_history.History) -> Iterator[Violation]:
    """All operations on a service fit one order, and so do its events.

    An operation that was answered took effect once, between its begin and its
    answer; one whose answer is unknown may have, or not. An update wrote
    something if, and only if, there is its event, with what it wrote.
    """
    operations = history.of_kind(
        'join', 'leave', 'delete', 'update', 'get', 'list'
    )
    hosts = sorted({one.args['host'] for one in operations if one.args})
    for host in hosts:
        events = _by_request(history, host)
        calls = service_model.calls(host, operations, events, history.faults)
        yield from _linearizable(
            f'no write is lost: {host}', calls, service_model.ABSENT
        )


def no_hold_is_lost(history: sg_history.History) -> Iterator[Violation]:
    """All operations on the hold of the pin fit one order."""

    def put(version: int | None) -> Callable[[Any], Any]:
        return lambda _: (version,)

    def read(version: int | None) -> Callable[[Any], Any]:
        return lambda state: state if state == (version,) else None

    calls = []
    for one in history.of_kind('hold', 'pin'):
        if one.kind == 'hold' and one.outcome != 'refused':
            end = service_model.last_moment(one, history.faults)
            known = one.outcome == 'ok'
            apply = put(one.args['version'])
            calls.append(
                linearizability.Call(one.begin, end, known, apply, source=one)
            )
        if one.outcome == 'ok':
            apply = read(one.answer['held_version'])
            calls.append(
                linearizability.Call(
                    one.begin, one.end, True, apply, reads=True, source=one
                )
            )
    yield from _linearizable('no hold is lost', calls, (None,))


def incarnations_rise(history: sg_history.History) -> Iterator[Violation]:
    """No client sees an incarnation go back; a later join has a greater one.

    That is for one service; one that was deleted is another after it.
    """
    name = 'incarnations rise'
    for client, of_client in _by_client(history).items():
        newest: dict[str, tuple[int, sg_history.Operation]] = {}
        for one in of_client:
            for uuid, incarnation in _incarnations(one):
                before = newest.get(uuid)
                if before and incarnation < before[0]:
                    yield Violation(
                        name,
                        f'{client} saw {before[0]} and then {incarnation} of '
                        f'service {uuid}',
                        [before[1], one],
                    )
                newest[uuid] = (incarnation, one)
    joins = [one for one in history.of_kind('join') if one.outcome == 'ok']
    for first, later in _one_after_the_other(joins):
        if (
            first.answer['uuid'] == later.answer['uuid']
            and first.args['token'] != later.args['token']
            and first.answer['incarnation'] >= later.answer['incarnation']
        ):
            yield Violation(
                name,
                f'two joins of {first.args["host"]} one after the other: '
                f'{first.answer["incarnation"]} and then '
                f'{later.answer["incarnation"]}',
                [first, later],
            )


def epochs_rise(history: sg_history.History) -> Iterator[Violation]:
    """No epoch goes back for anybody, and each means the same pins."""
    name = 'epochs rise'
    seen = [
        one
        for one in history.of_kind('join', 'pins')
        if one.outcome == 'ok' and 'epoch' in one.answer
    ]
    newest: sg_history.Operation | None = None
    ended = sorted(seen, key=lambda one: one.end)
    index = 0
    for one in seen:
        while index < len(ended) and ended[index].end < one.begin:
            before = ended[index]
            if not newest or before.answer['epoch'] > newest.answer['epoch']:
                newest = before
            index += 1
        if newest and one.answer['epoch'] < newest.answer['epoch']:
            yield Violation(
                name,
                f'{newest.client} saw {newest.answer["epoch"]}, and later '
                f'{one.client} saw {one.answer["epoch"]}',
                [newest, one],
            )
    meaning: dict[int, sg_history.Operation] = {}
    for one in seen:
        first = meaning.setdefault(one.answer['epoch'], one)
        if first.answer['pins'] != one.answer['pins']:
            yield Violation(
                name,
                f'epoch {one.answer["epoch"]} means {first.answer["pins"]} '
                f'and {one.answer["pins"]}',
                [first, one],
            )


def pins_are_the_minimum_at_rest(
    history: sg_history.History,
) -> Iterator[Violation]:
    """Each pin is the lowest version that counts, where nothing moves.

    A 'rest' is a look at all services, at the pins, and at the services
    again, which were the same.
    """
    for one in history.of_kind('rest'):
        if one.outcome != 'ok' or not one.answer['still']:
            continue
        pins = {pin['binary']: pin for pin in one.answer['pins']}
        for binary, lowest in _lowest(one.answer['services']).items():
            wrong = _wrong_pin(pins.get(binary), lowest)
            if wrong:
                yield Violation(
                    'pins are the minimum at rest',
                    f'{binary}: {wrong}',
                    [one],
                )


def _wrong_pin(pin: dict[str, Any] | None, lowest: int) -> str:
    if pin is None:
        return f'no pin, and the lowest version is {lowest}'
    held = pin['held_version']
    version = lowest if held is None else min(lowest, held)
    if (pin['min_version'], pin['version']) == (lowest, version):
        return ''
    return (
        f'the pin is {pin["version"]} of {pin["min_version"]}, held at '
        f'{held}, and the lowest version is {lowest}'
    )


def _lowest(services: Iterable[dict[str, Any]]) -> dict[str, int]:
    lowest: dict[str, int] = {}
    for service in services:
        if not service['quarantined']:
            binary, version = service['binary'], service['version']
            lowest[binary] = min(version, lowest.get(binary, version))
    return lowest


def _linearizable(
    name: str, calls: Sequence[linearizability.Call], initial: Any
) -> Iterator[Violation]:
    try:
        failure = linearizability.find_failure(calls, initial)
    except linearizability.TooManyError as error:
        yield Violation(name, f'cannot be told: {error}', [])
        return
    if failure is None:
        return
    bad = failure.call.source
    before = [
        call.source
        for call in sorted(calls, key=lambda call: call.end)
        if call.end <= failure.call.end and call.source is not bad
    ]
    shown = [*before[-_SHOWN:], *(call.source for call in failure.open), bad]
    states = ' or '.join(map(str, failure.states))
    yield Violation(
        name,
        f'{bad.kind} by {bad.client} fits no order; before it: {states}',
        list({id(one): one for one in shown}.values()),
    )


def _by_request(
    history: sg_history.History, host: str
) -> dict[str, list[sg_history.Event]]:
    found: dict[str, list[sg_history.Event]] = {}
    for event in history.events:
        if event.request_id and event.service['host'] == host:
            found.setdefault(event.request_id, []).append(event)
    return found


def _by_client(
    history: sg_history.History,
) -> dict[str, list[sg_history.Operation]]:
    found: dict[str, list[sg_history.Operation]] = {}
    for one in sorted(history.operations, key=lambda one: one.begin):
        found.setdefault(one.client, []).append(one)
    return found


def _incarnations(
    one: sg_history.Operation,
) -> Iterator[tuple[str, int]]:
    """The services that an operation saw, with their incarnations."""
    if one.outcome != 'ok':
        return
    if one.kind in ('join', 'update', 'get'):
        yield one.answer['uuid'], one.answer['incarnation']
    if one.kind == 'list':
        for seen in one.answer.values():
            yield seen['uuid'], seen['incarnation']


def _one_after_the_other(
    joins: Sequence[sg_history.Operation],
) -> Iterator[tuple[sg_history.Operation, sg_history.Operation]]:
    """Pairs of joins of a host of which one ended before the other began."""
    by_host: dict[str, list[sg_history.Operation]] = {}
    for one in joins:
        by_host.setdefault(one.args['host'], []).append(one)
    for of_host in by_host.values():
        for first, later in itertools.combinations(of_host, 2):
            if first.end < later.begin:
                yield first, later


PROPERTIES: Sequence[Callable[[sg_history.History], Iterator[Violation]]] = (
    no_operation_fails_unexpectedly,
    no_write_is_lost,
    no_hold_is_lost,
    incarnations_rise,
    epochs_rise,
    pins_are_the_minimum_at_rest,
    *event_checks.PROPERTIES,
    *liveness_checks.PROPERTIES,
)
