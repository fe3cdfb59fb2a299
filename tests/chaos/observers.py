"""Observers: look at members, at events and at notifications."""

import hashlib
import json
import threading
from collections.abc import Callable
from typing import Any

import fixtures
import oslo_messaging as messaging
from oslo_config import cfg

from sgconductor import app
from sgconductor import context as sg_context
from sgconductor import objects
from sgconductor.rpcapi import event_tail
from tests.chaos import clients
from tests.chaos import history
from tests.chaos import service_model

BINARY = 'acme-worker'

_LOOK_EVERY = 0.5
_POLL_EVERY = 1.0


class Repeater:
    """A thread that does the same again and again.

    :param do: records what it does
    :param pause: seconds
    """

    def __init__(self, do: Callable[[], None], pause: float) -> None:
        self._do = do
        self._pause = pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._pause):
            self._do()


class Looker(Repeater):
    """Looks up all members.

    :ivar answered: the begin of the last look-up that was answered
    """

    def __init__(
        self, name: str, remote: app.Remote, recorder: history.Recorder
    ) -> None:
        super().__init__(self._look, _LOOK_EVERY)
        self.answered = float('-inf')
        self._name = name
        self._remote = remote
        self._recorder = recorder

    def _look(self) -> None:
        began = self._recorder.now()
        outcome = clients.record(
            self._recorder,
            self._name,
            'look',
            {},
            lambda: _verdicts(self._remote.context()),
        )
        if outcome == 'ok':
            self.answered = began


class Tail(Repeater):
    """Follows the events."""

    def __init__(
        self, name: str, remote: app.Remote, recorder: history.Recorder
    ) -> None:
        super().__init__(self.poll, _POLL_EVERY)
        self._name = name
        self._recorder = recorder
        self._tail = event_tail.EventTail(
            lambda limit, marker: (
                objects.EventList.get_page(
                    remote.context(), limit, marker
                ).objects
            ),
            since=event_tail.PAGE,
        )

    def poll(self) -> None:
        """Record the events that are new."""
        # An error ends the poll, and some events may have come before it.
        found: list[list[Any]] = []

        def poll() -> None:
            for event in self._tail.poll():
                found.append(
                    [event.id, event.uuid, event.type, digest(event.payload)]
                )

        clients.record(self._recorder, self._name, 'poll', {}, poll)
        if found:
            clients.record(
                self._recorder, self._name, 'events', {}, lambda: found
            )


class Subscriber(fixtures.Fixture):
    """Records each notification.

    :param conf: with the ``transport_url``
    """

    def __init__(
        self, conf: cfg.ConfigOpts, recorder: history.Recorder
    ) -> None:
        self._conf = conf
        self._recorder = recorder

    def _setUp(self) -> None:
        transport = messaging.get_notification_transport(self._conf)
        self.addCleanup(transport.cleanup)
        listener = messaging.get_notification_listener(
            transport,
            [messaging.Target(topic='notifications')],
            [self],
            executor='threading',
        )
        listener.start()
        self.addCleanup(listener.wait)
        self.addCleanup(listener.stop)

    def info(
        self,
        ctxt: dict[str, Any],
        publisher_id: str,
        event_type: str,
        payload: dict[str, Any],
        metadata: dict[str, Any],
    ) -> None:
        seen = [metadata['message_id'], event_type, digest(payload)]
        clients.record(
            self._recorder, publisher_id, 'notification', {}, lambda: seen
        )


def newest_event(context: sg_context.RequestContext) -> int:
    """The greatest id in the table; 0 if there is none."""
    page = objects.EventList.get_page(context, limit=1)
    return max((event.id for event in page.objects), default=0)


def read_events(context: sg_context.RequestContext) -> list[history.Event]:
    """All events of the table."""
    found: list[history.Event] = []
    marker = 0
    while True:
        page = objects.EventList.get_page(context, marker=marker)
        if not page.objects:
            return found
        found += map(_event, page.objects)
        marker = page.objects[-1].id


def digest(payload: str | dict[str, Any]) -> str:
    """A short name for the content of an event.

    :param payload: JSON, or its value
    """
    if isinstance(payload, str):
        payload = json.loads(payload)
    text = json.dumps(payload, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _event(event: objects.Event) -> history.Event:
    data = json.loads(event.payload)['versioned_object.data']
    names = ('host', 'binary', 'liveness', 'liveness_reason')
    fields = [name for name in service_model.FIELDS if name != 'left']
    return history.Event(
        event.id,
        event.uuid,
        event.type,
        digest(event.payload),
        event.request_id,
        {
            **{name: data[name] for name in (*names, *fields)},
            'left': data['left_at'] is not None,
        },
    )


def _verdicts(context: sg_context.RequestContext) -> dict[str, Any]:
    """How many members there are, and the reasons of those that are down."""
    services = list(objects.ServiceList.walk(context, binary=BINARY))
    return {
        'members': len(services),
        'down': {
            service.host: service.liveness_reason
            for service in services
            if not service.is_up
        },
    }
