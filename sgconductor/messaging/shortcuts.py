"""Shortcuts through the inside of oslo.messaging, kombu and amqp.

Our messaging is faster than theirs where it uses attributes that they do not
document. This module lists all of them. It looks for them once in a process;
where a release lacks one, the shortcut that needs it is left out, and the
libraries' public ways are used.
"""

import enum
import functools
import importlib
import importlib.metadata
import inspect
import logging
import os
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

from oslo_utils import strutils

LOG = logging.getLogger(__name__)

# For tests, and for ruling the shortcuts out when hunting a fault: if it is
# set, and not to 0, false or no, this process and those that it starts use
# none of them.
VARIABLE = 'SGCONDUCTOR_NO_SHORTCUTS'


# Where the attributes are.
_DRIVERS_BASE = 'oslo_messaging._drivers.base'
_AMQPDRIVER = 'oslo_messaging._drivers.amqpdriver'
_DRIVERS_COMMON = 'oslo_messaging._drivers.common'
_IMPL_RABBIT = 'oslo_messaging._drivers.impl_rabbit'
_DRIVERS_AMQP = 'oslo_messaging._drivers.amqp'
_POOL = 'oslo_messaging._drivers.pool'
_KOMBU = 'kombu'
_AMQP_CONNECTION = 'amqp.connection'
_AMQP_CHANNEL = 'amqp.channel'
_AMQP_TRANSPORT = 'amqp.transport'
_TRANSPORT = 'oslo_messaging.transport'
_SERVER = 'oslo_messaging.server'
_LISTENER = 'oslo_messaging.notify.listener'
_RPC_SERVER = 'oslo_messaging.rpc.server'


class Shortcut(enum.Enum):
    """What can be left out; each with what that costs."""

    RECONNECT = (
        'Trying each broker when a listener has lost its connection',
        'All works without it, but slower; and where transport_url names a '
        'host that accepts connections and does not answer, a listener may '
        'not come back before that host does.',
    )
    READ_ALL = (
        'Reading all messages that have arrived together',
        'All works without it, but slower.',
    )
    SLEEP = (
        'Sleeping until a message arrives',
        'All works without it, but an idle process wakes up more often.',
    )
    READ_REPLIES = (
        'Reading replies as messages are read',
        'All works without it, but slower.',
    )
    ACK_BATCH = (
        'Acknowledging a batch by its last message',
        'All works without it, but slower.',
    )
    LAST_ACKS = (
        'Sending the last acknowledgements before a connection closes',
        'All works without it, but the last beats that a conductor writes '
        'before it stops may be written again.',
    )
    STOP_WORKERS = (
        'Stopping idle worker threads at once',
        'All works without it, but a process takes a second more to stop.',
    )
    STOP_SERVER = (
        'Stopping an idle RPC server at once',
        'All works without it, but a process takes up to 5 seconds more to '
        'stop.',
    )
    CANCEL_CONSUMERS = (
        'Cancelling consumers before an RPC server stops',
        'Calls that arrive while it stops may be lost: their callers get a '
        'timeout, and have to call again.',
    )
    CLOSE_SOON = (
        'Closing the connection of a listener soon',
        'All works without it, but while a broker hangs, a process takes up '
        'to a minute more to stop.',
    )
    DELIVERY = (
        'Learning that a notification has reached no queue',
        'All works without it, but beats and events that are sent just after '
        'a node of a cluster of brokers has died may be lost.',
    )
    SEND_NOTIFICATION = (
        'Sending notifications without a Notifier',
        'All works without it, but slower, and an event has a new message '
        'id each time that it is sent.',
    )


class Part(NamedTuple):
    """An attribute that a shortcut needs.

    :ivar module: by its name: it is loaded when a transport is made, which
        loads it too, and may not be there in a later release
    :ivar args: with how many arguments it is called; None if it is not
    :ivar kwargs: the names of further arguments
    """

    module: str
    owner: str
    name: str
    args: int | None = None
    kwargs: tuple[str, ...] = ()

    def is_there(self) -> bool:
        try:
            module = importlib.import_module(self.module)
        except ImportError:
            return False
        owner = getattr(module, self.owner, None)
        if owner is None:
            return False
        attribute = getattr(owner, self.name, None)
        if attribute is None:
            return self.args is None and _is_set_by(owner, self.name)
        return self.args is None or self._can_be_called(attribute)

    def _can_be_called(self, method: object) -> bool:
        if not callable(method):
            return False
        given = (None,) * (1 + (self.args or 0))
        try:
            inspect.signature(method).bind(
                *given, **dict.fromkeys(self.kwargs)
            )
        except TypeError:
            return False
        return True

    def __str__(self) -> str:
        return f'{self.module}.{self.owner}.{self.name}'


Parts = Mapping[Shortcut, Sequence[Part]]


@functools.cache
def usable() -> frozenset[Shortcut]:
    """The shortcuts that this process uses; it logs once which it does not."""
    value = os.environ.get(VARIABLE, '')
    if value and strutils.bool_from_string(value, default=True):
        LOG.info(
            '%s is set: nothing uses the inside of oslo.messaging, kombu and '
            'amqp. All works, but slower.',
            VARIABLE,
        )
        return frozenset()
    return look_for(needed())


def look_for(needs: Parts) -> frozenset[Shortcut]:
    """The shortcuts of which all parts are there; logs the others."""
    found = set()
    for shortcut, parts in needs.items():
        missing = [part for part in parts if not part.is_there()]
        if not missing:
            found.add(shortcut)
            continue
        what, cost = shortcut.value
        LOG.warning(
            '%s is left out: %s has no %s that fits. %s',
            what,
            _release(missing[0].module),
            missing[0],
            cost,
        )
    return frozenset(found)


def needed() -> Parts:
    """What each shortcut needs."""
    listening = (
        Part(
            _DRIVERS_BASE, 'PollStyleListenerAdapter', '_poll_style_listener'
        ),
        Part(_AMQPDRIVER, 'AMQPListener', 'conn'),
        Part(_DRIVERS_COMMON, 'ConnectionContext', 'connection'),
    )
    operations = (
        *listening[:1],
        Part(_AMQPDRIVER, 'AMQPListener', '_message_operations_handler'),
        Part(_AMQPDRIVER, 'MessageOperationsHandler', 'do', 1),
    )
    closing = (
        Part(_KOMBU, 'Connection', 'connected'),
        Part(_KOMBU, 'Connection', 'connection'),
        Part(_KOMBU, 'Connection', 'collect', 0),
        Part(_AMQP_CONNECTION, 'Connection', 'sock'),
    )
    reconnect = (
        *listening,
        Part(_IMPL_RABBIT, 'Connection', 'connection'),
        Part(_IMPL_RABBIT, 'Connection', 'consume', 0, ('timeout',)),
        Part(_IMPL_RABBIT, 'Connection', 'heartbeat_timeout_threshold'),
        Part(_IMPL_RABBIT, 'Connection', '_set_current_channel', 1),
        Part(_IMPL_RABBIT, 'Connection', 'set_transport_socket_timeout', 0),
        Part(_IMPL_RABBIT, 'Connection', '_consume_loop_stopped'),
        Part(_IMPL_RABBIT, 'Connection', '_consumers'),
        Part(_IMPL_RABBIT, 'Connection', '_new_tags'),
        Part(_KOMBU, 'Connection', 'alt'),
        *closing,
        Part(_AMQP_CONNECTION, 'Connection', 'channel', 0),
    )
    read_all = (
        *reconnect,
        Part(_KOMBU, 'Connection', 'drain_events', 0, ('timeout',)),
        Part(_AMQP_CONNECTION, 'Connection', 'transport'),
        Part(_AMQP_CONNECTION, 'Connection', 'drain_events', 0, ('timeout',)),
        Part(_AMQP_TRANSPORT, '_AbstractTransport', 'sock'),
    )
    return {
        Shortcut.RECONNECT: reconnect,
        Shortcut.READ_ALL: read_all,
        Shortcut.SLEEP: reconnect,
        Shortcut.READ_REPLIES: (
            Part(_TRANSPORT, 'Transport', '_driver'),
            Part(_AMQPDRIVER, 'AMQPDriverBase', '_get_reply_q', 0),
            Part(_AMQPDRIVER, 'AMQPDriverBase', '_reply_q_lock'),
            Part(_AMQPDRIVER, 'AMQPDriverBase', '_waiter'),
            Part(_AMQPDRIVER, 'ReplyWaiter', 'conn'),
            *read_all,
        ),
        Shortcut.ACK_BATCH: (
            Part(_LISTENER, 'BatchNotificationServer', '_process_incoming', 1),
            *_of_a_message(
                'message',
                'listener',
                'unique_id',
                '_message_operations_handler',
            ),
            *operations,
            Part(_IMPL_RABBIT, 'RabbitMessage', '_raw_message'),
            Part(_KOMBU, 'Message', 'ack', 0, ('multiple',)),
            Part(_AMQPDRIVER, 'AMQPListener', 'msg_id_cache'),
            Part(_DRIVERS_AMQP, '_MsgIdCache', 'add', 1),
        ),
        Shortcut.LAST_ACKS: (
            *operations,
            Part(_AMQPDRIVER, 'AMQPListener', 'cleanup', 0),
        ),
        Shortcut.STOP_WORKERS: (
            Part(_SERVER, 'MessageHandlingServer', '_executor_cls'),
        ),
        Shortcut.STOP_SERVER: (
            # It makes the server wait for shorter times.
            *reconnect,
            Part(_RPC_SERVER, 'RPCServer', '_create_listener', 0),
            Part(_RPC_SERVER, 'RPCServer', '_target'),
            Part(_TRANSPORT, 'Transport', '_listen', 3),
        ),
        Shortcut.CANCEL_CONSUMERS: (
            *listening,
            *operations,
            Part(_SERVER, 'MessageHandlingServer', 'listener'),
            Part(_IMPL_RABBIT, 'Connection', '_connection_lock'),
            Part(_IMPL_RABBIT, 'Connection', '_consumers'),
            Part(_IMPL_RABBIT, 'Consumer', 'cancel', 1),
            Part(_IMPL_RABBIT, 'Connection', 'connection'),
            Part(_IMPL_RABBIT, 'Connection', 'stop_consuming', 0),
            *closing,
        ),
        Shortcut.CLOSE_SOON: (
            *listening,
            Part(_AMQPDRIVER, 'AMQPListener', 'cleanup', 0),
            Part(_IMPL_RABBIT, 'Connection', 'connection'),
            *closing,
        ),
        Shortcut.DELIVERY: (
            Part(_TRANSPORT, 'Transport', '_driver'),
            Part(_AMQPDRIVER, 'AMQPDriverBase', '_connection_pool'),
            Part(_POOL, 'ConnectionPool', 'connection_cls'),
            Part(_IMPL_RABBIT, 'Connection', '_declared_queues'),
            Part(_IMPL_RABBIT, 'Connection', 'channel'),
            Part(_AMQP_CHANNEL, 'Channel', 'wait', 1),
            *(
                Part(
                    *(_IMPL_RABBIT, 'Connection', name, 2),
                    kwargs=('routing_key', 'timeout', 'transport_options'),
                )
                for name in ('_publish', '_publish_and_creates_default_queue')
            ),
        ),
        Shortcut.SEND_NOTIFICATION: (
            Part(
                *(_TRANSPORT, 'Transport', '_send_notification', 3),
                kwargs=('version', 'retry'),
            ),
        ),
    }


def _of_a_message(*names: str) -> Iterator[Part]:
    for name in names:
        yield Part(_AMQPDRIVER, 'NotificationAMQPIncomingMessage', name)


def _is_set_by(owner: type, name: str) -> bool:
    """Whether the constructor of a class handles an attribute."""
    for cls in owner.__mro__:
        made = inspect.unwrap(vars(cls).get('__init__', object.__init__))
        if name in getattr(getattr(made, '__code__', None), 'co_names', ()):
            return True
    return False


def _release(module: str) -> str:
    package = module.partition('.')[0].replace('_', '.')
    return f'{package} {importlib.metadata.version(package)}'
