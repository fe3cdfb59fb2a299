"""Sending notifications, and learning whether they were sent."""

import abc
import contextlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_messaging import transport as transport_types

from sgconductor.messaging import broker
from sgconductor.messaging import shortcuts

# oslo.messaging's notification drivers that use the message bus, with the
# version of the message format of each.
VERSIONS = {'messaging': 1.0, 'messagingv2': 2.0}


class Sender(abc.ABC):
    """Sends notifications to topics."""

    @abc.abstractmethod
    def send(
        self, message: Mapping[str, Any], context: Mapping[str, Any]
    ) -> None:
        """Send one notification of the priority ``info`` to all topics.

        :param message: what oslo.messaging's Notifier would send: message_id,
            publisher_id, event_type, priority, payload, timestamp
        :param context: says who caused it: request_id, user_id, …
        :raises BrokerUnreachable: if it was not sent to all of them
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Close what it has opened; the transport stays open."""


def sender(
    transport: transport_types.Transport,
    driver: str,
    topics: Sequence[str],
    exchange: str | None = None,
    url: str | None = None,
) -> Sender:
    """A sender of notifications.

    :param driver: one of :data:`VERSIONS`
    :param exchange: None for that of the transport
    :param url: of the transport, if it is not ``transport_url``
    """
    if shortcuts.Shortcut.SEND_NOTIFICATION in shortcuts.usable():
        return _DirectSender(
            transport, VERSIONS[driver], topics, exchange, url
        )
    return _NotifierSender(transport, driver, topics, exchange, url)


class _DirectSender(Sender):
    """Hands notifications to the transport, as the Notifier's driver does.

    The Notifier gives each message an id of its own. Its driver logs a
    traceback for each failure and does not tell the caller.
    """

    def __init__(
        self,
        transport: transport_types.Transport,
        version: float,
        topics: Sequence[str],
        exchange: str | None,
        url: str | None,
    ) -> None:
        self._transport = transport
        self._version = version
        self._targets = [
            messaging.Target(exchange=exchange, topic=f'{topic}.info')
            for topic in topics
        ]
        self._url = url
        self._retries = broker.retries(transport, url)

    def send(
        self, message: Mapping[str, Any], context: Mapping[str, Any]
    ) -> None:
        for target in self._targets:
            with broker.clear_errors(self._transport, self._url):
                self._transport._send_notification(
                    target,
                    dict(context),
                    # The transport adds to it.
                    dict(message),
                    version=self._version,
                    retry=self._retries,
                )

    def close(self) -> None:
        pass


class _NotifierSender(Sender):
    """Sends notifications by oslo.messaging's public Notifier.

    What is lost: the Notifier gives each message an id and a timestamp of its
    own, so a subscriber cannot tell an event that is sent again from a new
    one. It tells the caller nothing of a failure, so the broker is asked
    first whether it can be reached; a message that is lost after that is only
    logged. It is slower. It sends to the exchange of its transport only, so
    another exchange takes another transport, with a connection of its own.
    oslo.messaging warns once that calls should not use a transport that is
    for notifications; only the question whether the broker is there does.
    """

    def __init__(
        self,
        transport: transport_types.Transport,
        driver: str,
        topics: Sequence[str],
        exchange: str | None,
        url: str | None,
    ) -> None:
        self._probe = broker.Probe(transport, url)
        self._own: transport_types.NotificationTransport | None = None
        if exchange is not None:
            self._own = messaging.get_notification_transport(
                _ConfWithExchange(transport.conf, exchange),
                url or transport.conf.transport_url,
            )
        self._notifier = messaging.Notifier(
            self._own or transport,
            driver=driver,
            retry=broker.retries(transport, url),
            topics=[*topics],
        )

    def send(
        self, message: Mapping[str, Any], context: Mapping[str, Any]
    ) -> None:
        # Kafka takes notifications and no calls.
        with contextlib.suppress(NotImplementedError):
            self._probe.ping()
        notifier = self._notifier.prepare(message['publisher_id'])
        notifier.info(
            Context(context), message['event_type'], message['payload']
        )

    def close(self) -> None:
        if self._own is not None:
            self._own.cleanup()


class Context(dict[str, Any]):
    """A context that oslo.messaging's Notifier sends.

    It drops a plain dictionary, because that may hold secrets.
    """

    def redacted_copy(self) -> dict[str, Any]:
        return dict(self)


class _ConfWithExchange:
    """A configuration in which ``control_exchange`` is another one."""

    def __init__(self, conf: cfg.ConfigOpts, exchange: str) -> None:
        self._conf = conf
        self.control_exchange = exchange

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conf, name)

    def __getitem__(self, name: str) -> Any:
        return self._conf[name]
