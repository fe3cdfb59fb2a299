"""What a listener takes at once."""

import os
import socket
from typing import Any

from sgconductor.messaging import polling
from tests import base


class Connection:
    """As much of kombu's, of the driver's and of a listener's as is used.

    :ivar taken: messages so far
    """

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.taken = 0
        # Each is found below the one before.
        self.conn = self.connection = self.transport = self
        self._poll_style_listener = self

    def consume(self, timeout: float | None = None) -> None:
        self.timeout = timeout

    def drain_events(self, timeout: float | None = None) -> None:
        self.sock.recv(1)
        self.taken += 1


class Decrypted:
    """A socket whose messages TLS has taken from the kernel already."""

    def __init__(self, messages: int) -> None:
        self.messages = messages
        self.reader, writer = os.pipe()
        os.close(writer)

    def fileno(self) -> int:
        return self.reader

    def pending(self) -> int:
        return self.messages

    def recv(self, size: int) -> None:
        self.messages -= 1

    def gettimeout(self) -> None:
        return None

    def settimeout(self, timeout: float | None) -> None:
        pass


class TestHasten(base.TestCase):
    def test_it_takes_what_has_arrived_and_no_more(self) -> None:
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        connection = Connection(ours)
        polling.hasten(connection, sleep=0.2)
        theirs.send(b'12345')
        connection.drain_events()
        self.assertEqual(5, connection.taken)
        self.assertIsNone(ours.gettimeout())

    def test_what_is_decrypted_has_arrived(self) -> None:
        # Nothing is left for the kernel to tell of; at the end, a closed pipe
        # would be readable for ever.
        connection = Connection(Decrypted(5))
        polling.hasten(connection, sleep=0.2)
        connection.drain_events()
        self.assertGreaterEqual(connection.taken, 5)

    def test_it_sleeps_at_least_so_long(self) -> None:
        connection = Connection(None)
        polling.hasten(connection, sleep=0.2)
        for asked, slept in ((0.001, 0.2), (1, 1), (None, None)):
            connection.consume(timeout=asked)
            self.assertEqual(slept, connection.timeout)

    def test_a_connection_that_was_closed_is_left_alone(self) -> None:
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        connection = Connection(ours)
        take = connection.drain_events

        def last(timeout: float | None = None) -> None:
            take()
            if connection.taken == 2:
                ours.close()
                connection.sock = None
                raise ConnectionError('the broker says goodbye')

        connection.drain_events = last  # type: ignore[method-assign]
        polling.hasten(connection, sleep=0.2)
        theirs.send(b'12345')
        error = self.assertRaises(ConnectionError, connection.drain_events)
        self.assertIn('goodbye', str(error))
