"""How a process waits for messages from RabbitMQ, and reads them.

oslo.messaging 18.3 passes each message through all of its layers, and between
two messages wakes up after 1, 2, 4, … milliseconds: together more than half of
what a message costs. It waits for replies in the same way. The functions here
replace methods of its connections, where :mod:`sgconductor.messaging.
shortcuts` has found what they rely on. On the bus in memory they do nothing.
"""

import select
from typing import Any

from sgconductor.messaging import reconnect
from sgconductor.messaging import shortcuts

# The most messages that are read together.
_MOST = 250
# Seconds within which the rest of a message arrives that has begun to.
_REST = 1.0


def speed_up(listener: Any, interval: float, moment: float = 0) -> None:
    """Have a listener sleep until messages arrive, and read all of them.

    :param listener: one that has not started yet
    :param interval: seconds after which it wakes up if nothing arrives
    :param moment: how many seconds to wait for more messages to read together
    """
    usable = shortcuts.usable()
    # Each of the others needs what this one needs.
    if shortcuts.Shortcut.RECONNECT not in usable:
        return
    context = getattr(listener._poll_style_listener, 'conn', None)
    if context is None:
        return
    if shortcuts.Shortcut.SLEEP in usable:
        sleep_longer(context.connection, interval)
    if shortcuts.Shortcut.READ_ALL in usable:
        read_all(context.connection.connection, moment)
    reconnect.connect_before_waiting(context.connection)


def speed_up_replies(transport: Any, interval: float) -> None:
    """Have a caller sleep until replies arrive, and read all of them.

    Further calls of this function do nothing.

    :param transport: one whose broker can be reached
    :param interval: seconds after which the thread that reads replies wakes
        up if nothing arrives
    :raises MessageDeliveryFailure: if the broker refuses a queue for replies
    """
    if shortcuts.Shortcut.READ_REPLIES not in shortcuts.usable():
        return
    driver = transport._driver
    if not hasattr(driver, '_get_reply_q'):
        return
    # Otherwise, the first call would do so.
    driver._get_reply_q()
    with driver._reply_q_lock:
        waiter = driver._waiter
        if waiter is None or 'consume' in vars(waiter.conn.connection):
            return
        read_all(waiter.conn.connection.connection)
        sleep_longer(waiter.conn.connection, interval)
        reconnect.connect_before_waiting(waiter.conn.connection)


def sleep_longer(connection: Any, interval: float) -> None:
    """Have a connection wait for messages at least so long.

    :param connection: a Connection of oslo.messaging's RabbitMQ driver
    :param interval: seconds
    """
    consume = connection.consume

    def consume_later(timeout: float | None = None) -> None:
        consume(timeout=None if timeout is None else max(timeout, interval))

    connection.consume = consume_later


def read_all(connection: Any, moment: float = 0) -> None:
    """Have a connection read all messages that have arrived, not only one.

    :param connection: kombu's, which stays the same when it reconnects
    :param moment: as :func:`speed_up` takes it
    """
    read_one = connection.drain_events

    def read(timeout: float | None = None) -> None:
        read_one(timeout=timeout)
        # A message's acknowledgement may have found the connection lost. To
        # read on would connect again here, where nothing starts consumers.
        if not connection.connected:
            return
        # eventlet removes it from a process that it patches.
        poll = getattr(select, 'poll', None)
        if poll is None:
            return
        amqp = connection.connection
        transport = amqp.transport
        sock = transport.sock
        arrived = poll()
        arrived.register(sock, select.POLLIN)
        # The kernel does not know of what TLS has decrypted already.
        pending = getattr(sock, 'pending', int)
        # Set once; otherwise py-amqp sets it for each frame.
        before = sock.gettimeout()
        sock.settimeout(_REST)
        try:
            for _ in range(_MOST):
                if not pending() and not arrived.poll(1000 * moment):
                    return
                amqp.drain_events(timeout=_REST)
        finally:
            # The broker may have closed the connection.
            if transport.sock is sock:
                sock.settimeout(before)

    connection.drain_events = read
