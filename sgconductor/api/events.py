"""``/v1/events``: what happens to services, in pages and as a stream."""

import json
import time
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from sgconductor import objects
from sgconductor.api import event_hub
from sgconductor.api import json_schema
from sgconductor.api import operation
from sgconductor.api import paging
from sgconductor.api import policies

# Seconds. Clients reconnect when a stream ends; so no server, proxy or token
# has to last longer.
_MAX_DURATION = 60.0
_KEEPALIVE_INTERVAL = 10.0

# Events with lower ids may be committed later, so a client that reconnects
# gets this many again.
_OVERLAP = 20
# A client that has missed more has to read the rest in pages.
_MAX_MISSED = 10_000

INDEX_QUERY = json_schema.closed(**paging.QUERY)
EVENT: json_schema.Schema = {
    'type': 'object',
    'description': 'An event; uuid is the message id of its notification, '
    'and service the payload.',
    'properties': {
        'id': {'type': 'integer'},
        'uuid': json_schema.UUID,
        'type': json_schema.STRING,
        'at': json_schema.DATE_TIME,
        'service': {'type': 'object'},
        'request_id': {
            **json_schema.nullable(json_schema.STRING),
            'description': 'The request that caused it; null if a conductor '
            'found it.',
        },
        'user_id': {
            **json_schema.nullable(json_schema.STRING),
            'description': 'The user of that request; null if there is none.',
        },
    },
    'required': ['id', 'uuid', 'type', 'at', 'service'],
}
INDEX_ANSWER = paging.page_of('events', EVENT)
STREAM_QUERY = json_schema.closed(
    after={
        'type': 'integer',
        'minimum': 0,
        'maximum': 2**31 - 1,
        'description': 'The id of the last event that the client knows; the '
        'header Last-Event-ID means the same. Default: only new events are '
        'sent.',
    }
)


def index(call: operation.Call) -> Mapping[str, Any]:
    limit = call.query.get('limit', paging.MAX_LIMIT)
    found = objects.EventList.get_page(
        call.context, limit, call.query.get('marker')
    )
    more = 'marker' in call.query and len(found) == limit
    return {
        'events': [_view(event) for event in found],
        'links': paging.links(call, found[-1].id if more else None),
    }


class EventStream:
    """Sends events to clients as server-sent events.

    https://html.spec.whatwg.org/#server-sent-events

    Each has the type of the event, such as ``service.create``, its id, and
    the event as JSON. One of type ``trouble`` has a string: why events
    cannot be read at present, or an empty one once they can be again.

    :param hub: where new events come from
    """

    def __init__(self, hub: event_hub.EventHub) -> None:
        self._hub = hub

    def open(self, call: operation.Call) -> operation.Content:
        subscriber = self._hub.subscribe()
        try:
            missed = _missed(call)
        except BaseException:
            subscriber.close()
            raise
        return operation.Content(
            'text/event-stream',
            _Body(subscriber, missed),
            {'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no'},
        )

    def operations(self) -> Sequence[operation.Operation]:
        return (
            operation.Operation(
                'GET',
                '/v1/events/stream',
                self.open,
                policies.EVENTS_READ,
                'Send events as they happen, as server-sent events',
                query=STREAM_QUERY,
                answer_type='text/event-stream',
            ),
        )


def _missed(call: operation.Call) -> list[objects.Event]:
    """The events since the one that the client knows."""
    last = call.headers.get('last-event-id', '')
    after = call.query.get('after')
    if last.isascii() and last.isdecimal() and len(last) <= 10:
        after = int(last)
    found: list[objects.Event] = []
    if after is None:
        return found
    marker = max(after - _OVERLAP, 0)
    while len(found) < _MAX_MISSED:
        page = objects.EventList.get_page(
            call.context, paging.MAX_LIMIT, marker
        )
        found += list(page)
        if len(page) < paging.MAX_LIMIT:
            break
        marker = page[-1].id
    return found


class _Body:
    """The body of a stream.

    A WSGI server calls :meth:`close` even if it has sent nothing of it; a
    generator that was not started would not notice.
    """

    def __init__(
        self,
        subscriber: event_hub.Subscriber,
        missed: Sequence[objects.Event],
    ) -> None:
        self._subscriber = subscriber
        self._pieces = _pieces(subscriber, missed)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        self._subscriber.close()


def _pieces(
    subscriber: event_hub.Subscriber, missed: Sequence[objects.Event]
) -> Iterator[bytes]:
    end = time.monotonic() + _MAX_DURATION
    sent = {event.uuid for event in missed}
    trouble_sent = ''
    try:
        yield b'retry: 2000\n\n'
        for event in missed:
            yield _message(event)
        while time.monotonic() < end and not subscriber.closed:
            events, trouble = subscriber.read(_KEEPALIVE_INTERVAL)
            if trouble != trouble_sent:
                yield _trouble(trouble)
                trouble_sent = trouble
            for event in events:
                if event.uuid not in sent:
                    yield _message(event)
            if not events:
                yield b': keepalive\n\n'
    finally:
        subscriber.close()


def _message(event: objects.Event) -> bytes:
    data = json.dumps(_view(event))
    return f'id: {event.id}\nevent: {event.type}\ndata: {data}\n\n'.encode()


def _trouble(text: str) -> bytes:
    return f'event: trouble\ndata: {json.dumps(text)}\n\n'.encode()


def _view(event: objects.Event) -> dict[str, Any]:
    return {
        'id': event.id,
        'uuid': event.uuid,
        'type': event.type,
        'at': event.fields['at'].stringify(event.at),
        'service': json.loads(event.payload)['versioned_object.data'],
        **event.requester,
    }


OPERATIONS = (
    operation.Operation(
        'GET',
        '/v1/events',
        index,
        policies.EVENTS_READ,
        'List the events after a marker; without a marker, the newest',
        query=INDEX_QUERY,
        answer=INDEX_ANSWER,
    ),
)
