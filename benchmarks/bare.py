"""The limit: oslo.messaging with an endpoint that does nothing.

As a program it is an RPC server and a batch notification listener, with the
threads, batch size and prefetch that a conductor has by default.
"""

import signal
import sys
import threading
from typing import Any

# First, because it makes oslo.service use threads.
import sgconductor  # noqa: F401

# isort: split
import oslo_messaging as messaging
from oslo_config import cfg

from sgconductor import conf as sg_conf
from sgconductor.messaging import topics
from sgconductor.messaging import transports

TOPIC = 'bare'


class Ping:
    """The RPC endpoint."""

    def ping(self, context: Any, value: Any) -> Any:
        return value


class Ignore:
    """The endpoint of the batch listener."""

    def info(self, messages: Any) -> None:
        pass


def client(url: str) -> Any:
    """A client of the RPC server on a broker."""
    bus = transports.rpc_transport(_conf(url))
    return messaging.get_rpc_client(
        bus, messaging.Target(topic=TOPIC), timeout=120
    )


def main(url: str) -> None:
    conf = _conf(url)
    group = conf.conductor
    rpc = transports.rpc_transport(conf)
    beats = transports.beat_transport(conf)
    transports.limit_prefetch(conf, 4 * group.beat_batch_size)
    server = messaging.get_rpc_server(
        rpc,
        messaging.Target(topic=TOPIC, server='bare'),
        [Ping()],
        executor='threading',
    )
    listener = messaging.get_batch_notification_listener(
        beats,
        [messaging.Target(exchange=topics.EXCHANGE, topic=topics.BEATS_TOPIC)],
        [Ignore()],
        executor='threading',
        allow_requeue=True,
        batch_size=group.beat_batch_size,
        batch_timeout=group.beat_batch_timeout,
    )
    server.start()
    listener.start(override_pool_size=1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    threading.Event().wait()


def _conf(url: str) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    sg_conf.register_conductor_opts(conf)
    transports.use_url(conf, url)
    return conf


if __name__ == '__main__':
    main(sys.argv[1])
