"""A listener for notifications with a durable queue of its own."""

import contextlib
import threading
import time
from typing import Any

import fixtures
import oslo_messaging as messaging
from oslo_config import cfg

# In seconds.
_STOPS_WITHIN = 3.0

TOPIC = 'cluster_drill'

OPTIONS = f"""\
[oslo_messaging_notifications]
driver = messagingv2
topics = {TOPIC}
"""


class Listener(fixtures.Fixture):
    """Records all notifications.

    :param conf: with the options of ``OPTIONS``
    :ivar heard: when each event was first heard, by the monotonic clock, by
        its message id
    :ivar repeats: how many notifications came again, with the same id
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self.heard: dict[str, float] = {}
        self.repeats = 0

    def _setUp(self) -> None:
        transport = messaging.get_notification_transport(self._conf)
        self.addCleanup(transport.cleanup)
        listener = messaging.get_notification_listener(
            transport,
            [messaging.Target(topic=TOPIC)],
            [self],
            executor='threading',
        )
        listener.start()
        self.addCleanup(_stop, listener)

    def info(
        self,
        ctxt: dict[str, Any],
        publisher_id: str,
        event_type: str,
        payload: dict[str, Any],
        metadata: dict[str, Any],
    ) -> None:
        with self._lock:
            if metadata['message_id'] in self.heard:
                self.repeats += 1
            self.heard.setdefault(metadata['message_id'], time.monotonic())


def _stop(listener: Any) -> None:
    """Stop it; while its broker is away, that may take long or fail."""

    def stop() -> None:
        with contextlib.suppress(Exception):
            listener.stop()
            listener.wait()

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    thread.join(_STOPS_WITHIN)
