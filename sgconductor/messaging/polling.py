"""Taking what has arrived together, and sleeping while nothing comes.

oslo.messaging 18.3 goes through all of its layers for each message, and
between two messages wakes up after 1, 2, 4, … milliseconds; that is more than
half of what a message costs; who calls waits for answers in the same way.
These shortcuts rely on how its listeners are made, and
tests/functional/test_batch_listener.py fails where that has changed. On the
bus in memory there is nothing of that.
"""

import logging
import select
import threading
from typing import Any

LOG = logging.getLogger(__name__)

# Messages, and seconds in which the rest of one that has begun arrives.
_AT_ONCE = 250
_REST = 1.0


def hasten(listener: Any, sleep: float, moment: float = 0) -> None:
    """Replace how a listener waits for messages and takes them.

    :param listener: one that has not started yet
    :param sleep: seconds after which it looks up when nothing has come; it
        may do so that much later than it was told
    :param moment: seconds in which more may come, to be taken together
    """
    context = getattr(listener._poll_style_listener, 'conn', None)
    if context is not None:
        _sleep(context.connection, sleep)
        _take_all(context.connection.connection, moment)


def hasten_answers(transport: Any, sleep: float) -> None:
    """Have a caller sleep until answers come, and take all that have come.

    Again does no harm. A caller may be of any project, with a later
    oslo.messaging than conductors have: where that lacks what is replaced
    here, all stays as it is.

    :param transport: to whose broker calls can go
    :param sleep: as :func:`hasten` takes it
    :raises MessageDeliveryFailure: if the broker gives it no queue
    """
    driver: Any = getattr(transport, '_driver', None)
    if not hasattr(driver, '_get_reply_q'):
        return
    # The first call would do so.
    driver._get_reply_q()
    try:
        with driver._reply_q_lock:
            waiter = driver._waiter
            if waiter is None or 'consume' in vars(waiter.conn.connection):
                return
            _take_all(waiter.conn.connection.connection)
            _sleep(waiter.conn.connection, sleep)
    except (AttributeError, TypeError) as error:
        LOG.debug('Answers are taken one by one: %s', error)


def finish(listener: Any) -> None:
    """Have a listener send its last acknowledgements before it closes.

    oslo.messaging 18.3 may end the thread that sends them before that.
    """
    polled = listener._poll_style_listener
    operations = getattr(polled, '_message_operations_handler', None)
    if operations is None:
        return
    cleanup = polled.cleanup

    def finished() -> None:
        done = threading.Event()
        operations.do(done.set)
        done.wait(_REST)
        cleanup()

    polled.cleanup = finished


def _sleep(connection: Any, sleep: float) -> None:
    """
    :param connection: the RabbitMQ driver's
    """
    consume = connection.consume

    def consume_later(timeout: float | None = None) -> None:
        consume(timeout=None if timeout is None else max(timeout, sleep))

    connection.consume = consume_later


def _take_all(connection: Any, moment: float = 0) -> None:
    """
    :param connection: kombu's, the same one after each reconnect
    """
    take_one = connection.drain_events

    def take(timeout: float | None = None) -> None:
        take_one(timeout=timeout)
        transport = connection.connection.transport
        sock = transport.sock
        arrived = select.poll()
        arrived.register(sock, select.POLLIN)
        # What TLS has decrypted already, the kernel does not know of.
        pending = getattr(sock, 'pending', int)
        # Set once: else py-amqp sets it for each frame.
        before = sock.gettimeout()
        sock.settimeout(_REST)
        try:
            for _ in range(_AT_ONCE):
                if not pending() and not arrived.poll(1000 * moment):
                    return
                take_one(timeout=_REST)
        finally:
            # The broker may have closed it.
            if transport.sock is sock:
                sock.settimeout(before)

    connection.drain_events = take
