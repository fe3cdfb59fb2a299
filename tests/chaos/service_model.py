"""A model of one service: what each operation makes of it."""

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
    'version',
    'disabled',
    'disabled_reason',
    'availability_zone',
    'forced_down',
    'quarantined',
    'left',
)
# Seconds for which an operation that was not answered may still be done: its
# message waits in a queue or in a stopped process.
LATE = 60.0

NOT_FOUND = 'ServiceNotFound'


class Service(NamedTuple):
    """The row of a service.

    :ivar uuid: '' for a service that does not exist
    :ivar token: of its last join
    """

    uuid: str = ''
    token: str = ''
    incarnation: int = 0
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
    host: str, operations: Sequence[sg_history.Operation], events: Events
) -> list[linearizability.Call]:
    """What the operations did to the service of a host.

    :param events: of the host, by the id of the request
    """
    found = []
    for one in operations:
        if one.kind == 'list' or one.args.get('host') == host:
            make = _CALLS.get(one.kind)
            if make:
                of_it = events.get(one.request_id, ())
                found += list(make(host, one, of_it))
    return found


def _join(
    host: str,
    one: sg_history.Operation,
    events: Sequence[sg_history.Event],
) -> Iterator[linearizability.Call]:
    created = _of_type(events, 'service.create')

    def apply(state: Service) -> Service | None:
        if state == ABSENT:
            if not created:
                return None
            uuid = created[0].service['uuid']
            after = Service(uuid, one.args['token'], 1, one.args['version'])
        elif state.token == one.args['token']:
            # A repeat, which was done before.
            after = state
        elif created:
            return None
        else:
            after = state._replace(
                token=one.args['token'],
                incarnation=state.incarnation + 1,
                version=one.args['version'],
                quarantined=False,
                left=False,
            )
        return after if _fits(after, one.answer) else None

    yield from _write(one, apply, bool(events))


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
    if one.outcome != 'refused':
        known = one.outcome == 'ok'
        end = one.end if known else one.end + LATE
        yield linearizability.Call(
            one.begin, end, known or done, apply, source=one
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


def _fits(state: Service, seen: Mapping[str, Any] | None) -> bool:
    """Whether a service looks so.

    :param seen: the fields; None if nobody has seen it
    """
    return seen is None or all(
        getattr(state, name) == seen[name] for name in FIELDS
    )


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
