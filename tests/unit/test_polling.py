"""How long a connection sleeps, and how much it reads at once."""

import os
import pathlib
import socket
import subprocess
import sys
from typing import Any

from sgconductor.messaging import polling
from tests import base

_PATCHED = """
import eventlet
eventlet.monkey_patch()
import socket
from sgconductor.messaging import polling
from tests.unit import test_polling

ours, theirs = socket.socketpair()
connection = test_polling.Connection(ours)
polling.read_all(connection)
theirs.send(b'1')
connection.drain_events()
print('read', connection.amqp.taken)
"""


class Amqp:
    """As much of amqp's connection as is used.

    :ivar taken: how many messages were read
    """

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.taken = 0
        self.transport = self

    def drain_events(self, timeout: float | None = None) -> None:
        self.sock.recv(1)
        self.taken += 1


class Connection:
    """As much of kombu's and of the driver's connections as is used."""

    def __init__(self, sock: Any) -> None:
        self.amqp = Amqp(sock)
        self.connected = True

    @property
    def connection(self) -> Amqp:
        if not self.connected:
            raise AssertionError('kombu would connect again')
        return self.amqp

    def consume(self, timeout: float | None = None) -> None:
        self.timeout = timeout

    def drain_events(self, timeout: float | None = None) -> None:
        self.connection.drain_events(timeout)


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


class TestReadAll(base.TestCase):
    def test_it_reads_what_has_arrived_and_no_more(self) -> None:
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        connection = Connection(ours)
        polling.read_all(connection)
        theirs.send(b'12345')
        connection.drain_events()
        self.assertEqual(5, connection.amqp.taken)
        self.assertIsNone(ours.gettimeout())

    def test_messages_that_tls_has_decrypted_are_read(self) -> None:
        # Nothing is left for the kernel to tell of; at the end, a closed pipe
        # would be readable for ever.
        connection = Connection(Decrypted(5))
        polling.read_all(connection)
        connection.drain_events()
        self.assertGreaterEqual(connection.amqp.taken, 5)

    def test_the_timeout_of_a_closed_socket_is_not_reset(self) -> None:
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        connection = Connection(ours)
        amqp = connection.amqp
        take = amqp.drain_events

        def last(timeout: float | None = None) -> None:
            take()
            if amqp.taken == 2:
                ours.close()
                amqp.sock = None
                raise ConnectionError('the broker says goodbye')

        amqp.drain_events = last  # type: ignore[method-assign]
        polling.read_all(connection)
        theirs.send(b'12345')
        error = self.assertRaises(ConnectionError, connection.drain_events)
        self.assertIn('goodbye', str(error))

    def test_a_connection_that_a_message_found_lost_is_not_read(self) -> None:
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        connection = Connection(ours)
        take = connection.amqp.drain_events

        def lose(timeout: float | None = None) -> None:
            take()
            connection.connected = False

        connection.amqp.drain_events = lose  # type: ignore[method-assign]
        polling.read_all(connection)
        theirs.send(b'12345')
        connection.drain_events()
        self.assertEqual(1, connection.amqp.taken)

    def test_it_works_where_eventlet_has_patched_the_process(self) -> None:
        # In another process, for eventlet cannot undo its patches.
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', _PATCHED],
            cwd=pathlib.Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual('read 1\n', done.stdout, done.stderr)


class TestSleep(base.TestCase):
    def test_it_sleeps_at_least_as_long_as_told(self) -> None:
        connection = Connection(None)
        polling.sleep_longer(connection, 0.2)
        for asked, slept in ((0.001, 0.2), (1, 1), (None, None)):
            connection.consume(timeout=asked)
            self.assertEqual(slept, connection.timeout)
