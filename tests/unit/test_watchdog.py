"""The watchdog of commands to the database."""

import socket
import threading

import fixtures

from sgconductor.db import watchdog
from tests import base


class TestWatchdog(base.TestCase):
    """
    :ivar sock: nobody answers on it
    """

    def setUp(self) -> None:
        super().setUp()
        self.watchdog = watchdog.Watchdog(0.1)
        self.sock, other = socket.socketpair()
        self.addCleanup(self.sock.close)
        self.addCleanup(other.close)
        # The test fails, but ends, where nobody watches.
        self.sock.settimeout(10)

    def receive(self) -> None:
        if not self.sock.recv(1):
            raise ConnectionError('the socket was shut down')

    def test_a_command_without_an_answer_ends(self) -> None:
        self.assertRaises(
            watchdog.TimeIsUp, self.watchdog.run, self.sock, self.receive
        )

    def test_commands_are_watched_again_once_threads_can_be_started(
        self,
    ) -> None:
        def start(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with fixtures.MonkeyPatch('threading.Thread.start', start):
            self.assertRaises(
                RuntimeError, self.watchdog.run, self.sock, self.receive
            )
        self.assertRaises(
            watchdog.TimeIsUp, self.watchdog.run, self.sock, self.receive
        )
