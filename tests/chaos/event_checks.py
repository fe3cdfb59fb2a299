"""Checks of events: each once, complete, and in turn."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from tests.chaos import history as sg_history
from tests.chaos import violation

Violation = violation.Violation


def each_event_is_there_once(
    history: sg_history.History,
) -> Iterator[Violation]:
    """No id comes twice, and no request causes the same event twice."""
    name = 'each event is there once'
    by_uuid: dict[str, sg_history.Event] = {}
    by_cause: dict[tuple[str, str, str], sg_history.Event] = {}
    last = 0
    for event in history.events:
        if event.uuid in by_uuid or event.id <= last:
            first = by_uuid.get(event.uuid, event)
            yield Violation(name, f'event {event.id} again', [first, event])
        by_uuid[event.uuid] = event
        last = max(last, event.id)
        if event.request_id:
            cause = (event.request_id, event.type, event.service['uuid'])
            if cause in by_cause:
                yield Violation(
                    name,
                    f'{event.request_id} caused {event.type} twice',
                    [
                        by_cause[cause],
                        event,
                        *_requested(history, event.request_id),
                    ],
                )
            by_cause[cause] = event


def up_and_down_alternate(history: sg_history.History) -> Iterator[Violation]:
    """A service is created, up and down in turn, and deleted at the end."""
    last: dict[str, sg_history.Event] = {}
    may_follow: dict[str, set[str]] = {
        '': {'service.create'},
        'service.create': {'service.up', 'service.down'},
        'service.up': {'service.down', 'service.delete'},
        'service.down': {'service.up', 'service.delete'},
        'service.delete': set(),
    }
    for event in history.events:
        if event.type == 'service.update':
            continue
        before = last.get(event.service['uuid'])
        type_ = before.type if before else ''
        if event.type not in may_follow[type_]:
            yield Violation(
                'up and down alternate',
                f'{event.type} of {event.service["host"]} after '
                f'{type_ or "nothing"}',
                [one for one in (before, event) if one],
            )
        last[event.service['uuid']] = event


def acknowledged_changes_have_events(
    history: sg_history.History,
) -> Iterator[Violation]:
    """A join that created a service and a delete have their events.

    Of updates, the check that no write is lost finds it.
    """
    name = 'acknowledged changes have events'
    caused = {(event.request_id, event.type) for event in history.events}
    for one in history.of_kind('delete'):
        if (
            one.outcome == 'ok'
            and (one.request_id, 'service.delete') not in caused
        ):
            yield Violation(name, 'no service.delete for a delete', [one])
    # A join that is sent again is one request more, with the same token.
    tries: dict[str, list[sg_history.Operation]] = {}
    for one in history.of_kind('join'):
        tries.setdefault(one.args['token'], []).append(one)
    for joins in tries.values():
        created = any(
            one.outcome == 'ok' and one.answer['incarnation'] == 1
            for one in joins
        )
        if created and not any(
            (one.request_id, 'service.create') in caused for one in joins
        ):
            yield Violation(name, 'no service.create for a join', joins)


def observers_see_each_event_once(
    history: sg_history.History,
) -> Iterator[Violation]:
    """Who follows the table sees all of its events, and none twice.

    'settled' is the last id before the last poll.
    """
    name = 'observers see each event once'
    table = {event.uuid: event for event in history.events}
    seen: dict[str, set[str]] = {}
    for one in history.of_kind('events'):
        for id_, uuid, type_, digest in one.answer or ():
            event = table.get(uuid)
            known = event and [event.id, event.type, event.digest]
            if known != [id_, type_, digest]:
                yield Violation(
                    name,
                    f'{one.client} saw event {id_} ({type_}), and the table '
                    f'has {known}',
                    [one],
                )
            if uuid in seen.setdefault(one.client, set()):
                yield Violation(
                    name, f'{one.client} saw event {id_} twice', [one]
                )
            seen[one.client].add(uuid)
    settled = [
        one.answer for one in history.of_kind('settled') if one.outcome == 'ok'
    ]
    last = (
        settled[-1]
        if settled
        else max((event.id for event in history.events), default=0)
    )
    for client, uuids in seen.items():
        for uuid, event in table.items():
            if uuid not in uuids and event.id <= last:
                yield Violation(
                    name,
                    f'{client} never saw event {event.id}',
                    [event],
                )


def notifications_repeat_what_is_stored(
    history: sg_history.History,
) -> Iterator[Violation]:
    """A notification has the id and the content of an event, each time."""
    table = {event.uuid: event for event in history.events}
    for one in history.of_kind('notification'):
        uuid, type_, digest = one.answer
        event = table.get(uuid)
        if event is None or (event.type, event.digest) != (type_, digest):
            yield Violation(
                'notifications repeat what is stored',
                f'{type_} {uuid} is not what the table has',
                [one, *([event] if event else [])],
            )


def _requested(
    history: sg_history.History, request_id: str
) -> list[sg_history.Operation]:
    return [one for one in history.operations if one.request_id == request_id]


PROPERTIES: Sequence[Callable[[sg_history.History], Iterator[Violation]]] = (
    each_event_is_there_once,
    up_and_down_alternate,
    acknowledged_changes_have_events,
    observers_see_each_event_once,
    notifications_repeat_what_is_stored,
)
