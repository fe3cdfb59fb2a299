"""Shortcuts through the inside of oslo.messaging, kombu and amqp.

Our messaging is faster than theirs where it uses attributes that they do not
document. This module lists all of them. It looks for them once in a process;
where a release lacks one, the shortcut that needs it is left out, and the
libraries' public ways are used.
"""

import enum
import functools
import importlib.metadata
import inspect
import logging
import os
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

from oslo_messaging import server
from oslo_messaging import transport
from oslo_messaging.notify import listener
from oslo_messaging.rpc import server as rpc_server
from oslo_utils import strutils

# A later release may have other modules.
try:
    import kombu
    from amqp import connection as amqp_connection
    from amqp import transport as amqp_transport
    from oslo_messaging._drivers import amqp as drivers_amqp
    from oslo_messaging._drivers import amqpdriver
    from oslo_messaging._drivers import base as drivers_base
    from oslo_messaging._drivers import common as drivers_common
    from oslo_messaging._drivers import impl_rabbit
except ImportError as error:
    _MISSING_MODULE = str(error)
else:
    _MISSING_MODULE = ''

LOG = logging.getLogger(__name__)

# For tests, and for ruling the shortcuts out when hunting a fault: if it is
# set, and not to 0, false or no, this process and those that it starts use
# none of them.
VARIABLE = 'SGCONDUCTOR_NO_SHORTCUTS'


class Shortcut(enum.Enum):
    """What can be left out; each with what that costs."""

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
    SEND_NOTIFICATION = (
        'Sending notifications without a Notifier',
        'All works without it, but slower, and an event has a new message '
        'id each time that it is sent.',
    )


class Part(NamedTuple):
    """An attribute that a shortcut needs.

    :ivar args: with how many arguments it is called; None if it is not
    :ivar kwargs: the names of further arguments
    """

    module: ModuleType
    owner: str
    name: str
    args: int | None = None
    kwargs: tuple[str, ...] = ()

    def is_there(self) -> bool:
        owner = getattr(self.module, self.owner, None)
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
        return f'{self.module.__name__}.{self.owner}.{self.name}'


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
    if _MISSING_MODULE:
        LOG.warning(
            'Nothing uses the inside of oslo.messaging, kombu and amqp (%s). '
            'All works, but slower.',
            _MISSING_MODULE,
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
        Part(drivers_base, 'PollStyleListenerAdapter', '_poll_style_listener'),
        Part(amqpdriver, 'AMQPListener', 'conn'),
        Part(drivers_common, 'ConnectionContext', 'connection'),
    )
    operations = (
        *listening[:1],
        Part(amqpdriver, 'AMQPListener', '_message_operations_handler'),
        Part(amqpdriver, 'MessageOperationsHandler', 'do', 1),
    )
    read_all = (
        *listening,
        Part(impl_rabbit, 'Connection', 'connection'),
        Part(kombu, 'Connection', 'drain_events', 0, ('timeout',)),
        Part(kombu, 'Connection', 'connection'),
        Part(amqp_connection, 'Connection', 'transport'),
        Part(amqp_transport, '_AbstractTransport', 'sock'),
    )
    sleep = (
        *listening,
        Part(impl_rabbit, 'Connection', 'consume', 0, ('timeout',)),
    )
    return {
        Shortcut.READ_ALL: read_all,
        Shortcut.SLEEP: sleep,
        Shortcut.READ_REPLIES: (
            Part(transport, 'Transport', '_driver'),
            Part(amqpdriver, 'AMQPDriverBase', '_get_reply_q', 0),
            Part(amqpdriver, 'AMQPDriverBase', '_reply_q_lock'),
            Part(amqpdriver, 'AMQPDriverBase', '_waiter'),
            Part(amqpdriver, 'ReplyWaiter', 'conn'),
            *read_all,
            *sleep,
        ),
        Shortcut.ACK_BATCH: (
            Part(listener, 'BatchNotificationServer', '_process_incoming', 1),
            *_of_a_message(
                'message',
                'listener',
                'unique_id',
                '_message_operations_handler',
            ),
            *operations,
            Part(impl_rabbit, 'RabbitMessage', '_raw_message'),
            Part(kombu, 'Message', 'ack', 0, ('multiple',)),
            Part(amqpdriver, 'AMQPListener', 'msg_id_cache'),
            Part(drivers_amqp, '_MsgIdCache', 'add', 1),
        ),
        Shortcut.LAST_ACKS: (
            *operations,
            Part(amqpdriver, 'AMQPListener', 'cleanup', 0),
        ),
        Shortcut.STOP_WORKERS: (
            Part(server, 'MessageHandlingServer', '_executor_cls'),
        ),
        Shortcut.STOP_SERVER: (
            Part(rpc_server, 'RPCServer', '_create_listener', 0),
            Part(rpc_server, 'RPCServer', '_target'),
            Part(transport, 'Transport', '_listen', 3),
        ),
        Shortcut.CANCEL_CONSUMERS: (
            *listening,
            *operations,
            Part(server, 'MessageHandlingServer', 'listener'),
            Part(impl_rabbit, 'Connection', '_connection_lock'),
            Part(impl_rabbit, 'Connection', '_consumers'),
            Part(impl_rabbit, 'Consumer', 'cancel', 1),
        ),
        Shortcut.SEND_NOTIFICATION: (
            Part(
                *(transport, 'Transport', '_send_notification', 3),
                kwargs=('version', 'retry'),
            ),
        ),
    }


def _of_a_message(*names: str) -> Iterator[Part]:
    for name in names:
        yield Part(amqpdriver, 'NotificationAMQPIncomingMessage', name)


def _is_set_by(owner: type, name: str) -> bool:
    """Whether the constructor of a class handles an attribute."""
    for cls in owner.__mro__:
        made = inspect.unwrap(vars(cls).get('__init__', object.__init__))
        if name in getattr(getattr(made, '__code__', None), 'co_names', ()):
            return True
    return False


def _release(module: ModuleType) -> str:
    package = module.__name__.partition('.')[0].replace('_', '.')
    return f'{package} {importlib.metadata.version(package)}'
