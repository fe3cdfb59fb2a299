"""A model of one service: what each operation makes of it."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from tests.chaos import history as sg_history
from tests.chaos import linearizability

# The fields of a service that look-ups see, and events.
FIELDS = (
    'uuid',
    'incarnation',
    'topic',
    'version',
    'disabled',
    'disabled_reason',
    'availability_zone',
    'forced_down',
    'quarantined',
    'left',
)
# Seconds for which an operation that was not answered may still be done: its
# message waits in a queue.
_LATE = 15.0

NOT_FOUND = 'ServiceNotFound'


class Service(NamedTuple):
    """The row of a service.

    :ivar uuid: '' for a service that does not exist
    :ivar token: of its last join
    """

    uuid: str = ''
    token: str = ''
    incarnation: int = 0
    topic: str = ''
    version: int = 0
    disabled: bool = False
    disabled_reason: str | None = None
    availability_zone: str | None = None
    forced_down: bool = False
    quarantined: bool = False
    left: bool = False


ABSENT = Service()

Events = Mapping[str, Sequence[sg_history.Event]]


def calls(
    host: str,
    operations: Sequence[sg_history.Operation],
    events: Events,
    faults: Sequence[sg_history.Fault],
) -> list[linearizability.Call]:
    """What the operations did to the service of a host.

    :param events: of the host, by the id of the request
    """
    found = []
    for one in operations:
        make = _CALLS.get(one.kind)
        if make and (one.kind == 'list' or one.args.get('host') == host):
            of_it = events.get(one.request_id, ())
            for call in make(host, one, of_it):
                end = call.end if call.reads else last_moment(one, faults)
                found.append(dataclasses.replace(call, end=end))
    return found


def last_moment(
    one: sg_history.Operation, faults: Sequence[sg_history.Fault]
) -> float:
    """Until when an operation may take effect.

    If it was not answered, that is some time after all was well again: until
    then, it may wait in a stopped process, or on a connection that stands
    still.
    """
    if one.outcome != 'unknown':
        return one.end
    ends = [
        fault.recovered or fault.end
        for fault in faults
        if fault.begin <= one.end and one.begin <= (fault.recovered or one.end)
    ]
    return max([one.end, *ends]) + _LATE


def _join(
    host: str,
    one: sg_history.Operation,
    events: Sequence[sg_history.Event],
) -> Iterator[linearizability.Call]:
    created = _of_type(events, 'service.create')
    updated = _of_type(events, 'service.update')

    def apply(state: Service) -> Service | None:
        if state == ABSENT:
            if not created:
                return None
            uuid = created[0].service['uuid']
            return Service(
                uuid,
                one.args['token'],
                1,
                one.args['topic'],
                one.args['version'],
            )
        if state.token == one.args['token'] and not events:
            # A repeat, which was done before.
            return state
        after = state._replace(
            token=one.args['token'],
            incarnation=state.incarnation + 1,
            topic=one.args['topic'],
            version=one.args['version'],
            quarantined=False,
            left=False,
        )
        changed = _reported(after) != _reported(state)
        if created or changed != bool(updated):
            return None
        if updated and not _fits(after, updated[0].service):
            return None
        return after

    def answered(state: Service) -> Service | None:
        after = apply(state)
        if after is None or one.outcome != 'ok':
            return after
        names = ('uuid', 'incarnation', 'topic', 'version')
        return after if _fits(after, one.answer, names) else None

    yield from _write(one, answered, bool(events))
    if one.outcome == 'ok':
        # Of a join that was sent again, the answer is later than the write.
        yield from _read(one, one.answer)


def _leave(
    host: str,
    one: sg_history.Operation,
    events: Sequence[sg_history.Event],
) -> Iterator[linearizability.Call]:
    def apply(state: Service) -> Service | None:
        is_it = (
            state.uuid == one.args['uuid']
            and state.incarnation == one.args['incarnation']
        )
        if one.outcome == 'ok' and one.answer != is_it:
            return None
        return state._replace(left=True) if is_it else state

    yield from _write(one, apply, bool(events))


def _delete(
    host: str,
    one: sg_history.Operation,
    events: Sequence[sg_history.Event],
) -> Iterator[linearizability.Call]:
    if one.outcome == 'refused':
        yield from _read(one, None)
    elif one.outcome == 'ok' or _of_type(events, 'service.delete'):
        yield from _write(
            one, lambda state: None if state == ABSENT else ABSENT, True
        )


def _update(
    host: str,
    one: sg_history.Operation,
    events: Sequence[sg_history.Event],
) -> Iterator[linearizability.Call]:
    changed = _of_type(events, 'service.update')
    if one.outcome == 'refused' and not changed:
        yield from _refused_update(one)
        return
    if one.outcome != 'ok' and not changed:
        # It wrote nothing, for its event would be there.
        return

    def apply(state: Service) -> Service | None:
        if state == ABSENT:
            return None
        after = _updated(state, one.args['changes'])
        if after is None or (after != state) != bool(changed):
            return None
        if changed and not _fits(after, changed[0].service):
            return None
        return after

    yield from _write(one, apply, True)
    if one.outcome == 'ok':
        # The answer was read after the write.
        yield from _read(one, one.answer)


def _refused_update(
    one: sg_history.Operation,
) -> Iterator[linearizability.Call]:
    """The state in which the error is the right answer."""
    name = one.error.partition(':')[0]
    if name == NOT_FOUND:
        yield from _read(one, None)
        return
    fits: dict[str, Callable[[Service], bool]] = {
        'ServiceIsUp': lambda state: not (state.forced_down or state.left),
        'StateConflict': lambda state: (
            _updated(state, one.args['changes']) is None
        ),
        'ServiceTooOld': lambda state: state.quarantined,
    }
    fit = fits.get(name)
    if fit is not None:
        yield linearizability.Call(
            one.begin,
            one.end,
            True,
            lambda state: state if state != ABSENT and fit(state) else None,
            reads=True,
            source=one,
        )


def _updated(state: Service, changes: dict[str, Any]) -> Service | None:
    """The service after an update; None if that is a conflict."""
    wanted = dict(changes)
    if not wanted.get('disabled', state.disabled):
        if wanted.get('disabled_reason') is not None:
            return None
        if 'disabled' in wanted:
            wanted['disabled_reason'] = None
    return state._replace(**wanted)


def _get(
    host: str,
    one: sg_history.Operation,
    events: Sequence[sg_history.Event],
) -> Iterator[linearizability.Call]:
    if one.outcome == 'ok':
        yield from _read(one, one.answer)
    elif one.error.startswith(NOT_FOUND):
        yield from _read(one, None)


def _list(
    host: str,
    one: sg_history.Operation,
    events: Sequence[sg_history.Event],
) -> Iterator[linearizability.Call]:
    if one.outcome == 'ok':
        yield from _read(one, one.answer.get(host))


def _write(
    one: sg_history.Operation,
    apply: Callable[[Service], Service | None],
    done: bool,
) -> Iterator[linearizability.Call]:
    """
    :param done: whether its events show that it was done
    """
    if done or one.outcome != 'refused':
        yield linearizability.Call(
            one.begin,
            one.end,
            one.outcome == 'ok' or done,
            apply,
            source=one,
        )


def _read(
    one: sg_history.Operation, seen: Mapping[str, Any] | None
) -> Iterator[linearizability.Call]:
    """
    :param seen: the fields; None for a service that was not found
    """

    def apply(state: Service) -> Service | None:
        if seen is None:
            return state if state == ABSENT else None
        return state if state != ABSENT and _fits(state, seen) else None

    yield linearizability.Call(
        one.begin, one.end, True, apply, reads=True, source=one
    )


def _fits(
    state: Service, seen: Mapping[str, Any], names: Sequence[str] = FIELDS
) -> bool:
    """Whether a service looks so."""
    return all(getattr(state, name) == seen[name] for name in names)


def _reported(state: Service) -> tuple[Any, ...]:
    """What a process reports when it joins; a change of it is an event."""
    return state.topic, state.version


def _of_type(
    events: Sequence[sg_history.Event], type_: str
) -> list[sg_history.Event]:
    return [event for event in events if event.type == type_]


_CALLS: Mapping[str, Callable[..., Iterator[linearizability.Call]]] = {
    'join': _join,
    'leave': _leave,
    'delete': _delete,
    'update': _update,
    'get': _get,
    'list': _list,
}
