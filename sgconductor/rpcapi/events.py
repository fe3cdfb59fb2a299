"""The sender of events: what happened to services."""

import json
from collections.abc import Mapping
from typing import Any

import oslo_messaging as messaging
from oslo_messaging import transport as transport_types

from sgconductor.messaging import notification


class EventAPI:
    """Sends events as ``[oslo_messaging_notifications]`` configures it.

    An event that could not be sent is sent again later, with the same message
    id; see :mod:`sgconductor.messaging.notification`.

    :param transport: of
        :func:`sgconductor.messaging.transports.event_transport`
    :param host: of the conductor that sends
    """

    def __init__(
        self, transport: transport_types.NotificationTransport, host: str
    ) -> None:
        group = transport.conf.oslo_messaging_notifications
        self._publisher = f'sgconductor.{host}'
        self._sender: notification.Sender | None = None
        on_the_bus = {*group.driver} & {*notification.VERSIONS}
        if on_the_bus:
            self._sender = notification.sender(
                transport,
                max(on_the_bus),
                group.topics,
                url=group.transport_url,
            )
        self._others = [
            messaging.Notifier(
                transport, self._publisher, driver=name, topics=group.topics
            )
            for name in group.driver
            if name not in notification.VERSIONS
        ]

    def send(self, event: Mapping[str, Any]) -> None:
        """Send one event to all topics, if any driver is configured.

        :param event: a row of the events table
        :raises BrokerUnreachable: if it may not have arrived
        """
        payload = json.loads(event['payload'])
        context = {
            name: event[name]
            for name in ('request_id', 'user_id')
            if event.get(name) is not None
        }
        for notifier in self._others:
            notifier.info(
                notification.Context(context), event['type'], payload
            )
        if self._sender is None:
            return
        message = {
            'message_id': event['uuid'],
            'publisher_id': self._publisher,
            'event_type': event['type'],
            'priority': 'INFO',
            'payload': payload,
            'timestamp': event['at'].replace(tzinfo=None).isoformat(' '),
        }
        self._sender.send(message, context)
