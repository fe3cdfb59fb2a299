"""The sender of notifications: what happened to services."""

import json
from collections.abc import Mapping
from typing import Any

import oslo_messaging as messaging
from oslo_messaging import transport as transport_types

from sgconductor.messaging import transports

# The drivers that go over the bus, and the format of each.
_VERSIONS = {'messaging': 1.0, 'messagingv2': 2.0}


class EventAPI:
    """Sends events as ``[oslo_messaging_notifications]`` says.

    oslo.messaging's Notifier gives each message an id of its own, and only
    logs what it cannot send. An event must keep its id when it is sent again,
    and be sent again if it was not; so this goes one step lower, to the
    transport, as that does.

    :param transport: of
        :func:`sgconductor.messaging.transports.event_transport`
    :param host: of the conductor that sends
    """

    def __init__(
        self, transport: transport_types.NotificationTransport, host: str
    ) -> None:
        group = transport.conf.oslo_messaging_notifications
        self._transport = transport
        self._url = group.transport_url
        self._topics = group.topics
        self._publisher = f'sgconductor.{host}'
        self._version = _VERSIONS.get(
            max({*group.driver} & {*_VERSIONS}, default='')
        )
        self._others = [
            messaging.Notifier(
                transport, self._publisher, driver=name, topics=group.topics
            )
            for name in group.driver
            if name not in _VERSIONS
        ]

    def send(self, event: Mapping[str, Any]) -> None:
        """Send one event to all topics, if any driver is configured.

        :param event: a row of the events table
        :raises BrokerUnreachable: if it may not have arrived
        """
        payload = json.loads(event['payload'])
        for notifier in self._others:
            notifier.info({}, event['type'], payload)
        if self._version is None:
            return
        message = {
            'message_id': event['uuid'],
            'publisher_id': self._publisher,
            'event_type': event['type'],
            'priority': 'INFO',
            'payload': payload,
            'timestamp': event['at'].replace(tzinfo=None).isoformat(' '),
        }
        for topic in self._topics:
            with transports.clear_broker_errors(self._transport, self._url):
                self._transport._send_notification(
                    messaging.Target(topic=f'{topic}.info'),
                    {},
                    message,
                    version=self._version,
                    retry=1,
                )
