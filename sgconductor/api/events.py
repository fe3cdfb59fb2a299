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

# Seconds. A stream ends then, and its reader comes back: so no server, proxy
# or token has to last for ever.
_LASTS = 60.0
_STILL_HERE_EVERY = 10.0

# Events: so many before the last that is known are told again; and whoever
# has missed more than the most reads the rest in pages.
_BACK = 20
_MOST_MISSED = 10_000

INDEX_QUERY = json_schema.closed(**paging.QUERY)
EVENT: json_schema.Schema = {
    'type': 'object',
    'description': 'What happened; uuid is the message id of its '
    'notification, and service what that carries.',
    'properties': {
        'id': {'type': 'integer'},
        'uuid': json_schema.UUID,
        'type': json_schema.WORDS,
        'at': json_schema.MOMENT,
        'service': {'type': 'object'},
    },
    'required': ['id', 'uuid', 'type', 'at', 'service'],
}
INDEX_ANSWER = paging.listed('events', EVENT)
STREAM_QUERY = json_schema.closed(
    after={
        'type': 'integer',
        'minimum': 0,
        'maximum': 2**31 - 1,
        'description': 'The id of the last event that is known; as the '
        'header Last-Event-ID. Default: only what is new.',
    }
)


def index(call: operation.Call) -> Mapping[str, Any]:
    limit = call.query.get('limit', paging.MOST)
    found = objects.EventList.get_page(
        call.context, limit, call.query.get('marker')
    )
    more = 'marker' in call.query and len(found) == limit
    return {
        'events': [_view(event) for event in found],
        'links': paging.links(call, found[-1].id if more else None),
    }


class Stream:
    """
    :param feed: read by all streams
    """

    def __init__(self, feed: event_hub.EventHub) -> None:
        self._feed = feed

    def show(self, call: operation.Call) -> operation.Content:
        """Server-sent events: https://html.spec.whatwg.org/#server-sent-events

        Each has type ``service.create`` and so on, an id, and the JSON of
        an event; and ``trouble`` tells, in words, why there are none just
        now, or that there are again, with none.
        """
        reader = self._feed.reader()
        try:
            missed = _missed(call)
        except BaseException:
            reader.close()
            raise
        return operation.Content(
            'text/event-stream',
            _Told(reader, missed),
            {'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no'},
        )


def _missed(call: operation.Call) -> list[objects.Event]:
    """What has happened since the reader was here last."""
    last = call.headers.get('last-event-id', '')
    after = call.query.get('after')
    if last.isascii() and last.isdecimal() and len(last) <= 10:
        after = int(last)
    found: list[objects.Event] = []
    if after is None:
        return found
    # One that was written late may stand before it.
    marker = max(after - _BACK, 0)
    while len(found) < _MOST_MISSED:
        page = objects.EventList.get_page(call.context, paging.MOST, marker)
        found += list(page)
        if len(page) < paging.MOST:
            break
        marker = page[-1].id
    return found


class _Told:
    """What a reader is told; a server closes it, begun or not."""

    def __init__(
        self, reader: event_hub.Reader, missed: Sequence[objects.Event]
    ) -> None:
        self._reader = reader
        self._pieces = _pieces(reader, missed)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        self._reader.close()


def _pieces(
    reader: event_hub.Reader, missed: Sequence[objects.Event]
) -> Iterator[bytes]:
    until = time.monotonic() + _LASTS
    known = {event.uuid for event in missed}
    told = ''
    try:
        yield b'retry: 2000\n\n'
        for event in missed:
            yield _message(event)
        while time.monotonic() < until and not reader.over:
            events, trouble = reader.read(_STILL_HERE_EVERY)
            if trouble != told:
                yield _trouble(trouble)
                told = trouble
            for event in events:
                if event.uuid not in known:
                    yield _message(event)
            if not events:
                yield b': still here\n\n'
    finally:
        reader.close()


def _message(event: objects.Event) -> bytes:
    data = json.dumps(_view(event))
    return f'id: {event.id}\nevent: {event.type}\ndata: {data}\n\n'.encode()


def _trouble(words: str) -> bytes:
    return f'event: trouble\ndata: {json.dumps(words)}\n\n'.encode()


def _view(event: objects.Event) -> dict[str, Any]:
    return {
        'id': event.id,
        'uuid': event.uuid,
        'type': event.type,
        'at': event.fields['at'].stringify(event.at),
        'service': json.loads(event.payload)['versioned_object.data'],
    }
