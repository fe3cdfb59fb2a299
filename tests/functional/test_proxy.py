"""The proxy that takes a server away from a part of its clients."""

import contextlib
import socket
import socketserver
import threading

from tests import base
from tests.servers import process
from tests.servers import proxy

_SHORT = 0.2


class _Echo(socketserver.BaseRequestHandler):
    greeting = b'A'

    def handle(self) -> None:
        with contextlib.suppress(ConnectionResetError):
            self.request.sendall(self.greeting)
            while chunk := self.request.recv(100):
                self.request.sendall(chunk)


class _OtherEcho(_Echo):
    greeting = b'B'


class TestProxy(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        threads = set(threading.enumerate())
        self.addCleanup(
            lambda: self.assertEqual(threads, set(threading.enumerate()))
        )
        self.proxy = self.useFixture(
            proxy.Proxy(process.LOOPBACK, self.serve(_Echo))
        )

    def serve(self, handler: type[_Echo]) -> int:
        server = socketserver.ThreadingTCPServer(
            (process.LOOPBACK, 0), handler
        )
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return server.server_address[1]

    def connect(self) -> socket.socket:
        client = socket.create_connection(
            (process.LOOPBACK, self.proxy.port), timeout=base.PATIENCE
        )
        self.addCleanup(client.close)
        return client

    def greeted(self) -> socket.socket:
        client = self.connect()
        self.assertEqual(b'A', client.recv(1))
        return client

    def assertSilent(self, client: socket.socket) -> None:
        client.settimeout(_SHORT)
        self.assertRaises(TimeoutError, client.recv, 1)
        client.settimeout(base.PATIENCE)

    def test_bytes_and_ends_are_forwarded(
        self,
    ) -> None:
        client = self.greeted()
        self.assertEqual(1, self.proxy.connections)
        client.sendall(b'x')
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(b'x', client.recv(9))
        self.assertEqual(b'', client.recv(9))
        self.wait_for('its end', lambda: not self.proxy.connections)

    def test_cut_resets_and_accepts_again(self) -> None:
        client = self.greeted()
        self.proxy.cut()
        self.assertRaises(ConnectionResetError, client.recv, 1)
        self.greeted()

    def test_refuse_resets_and_accepts_after_heal(self) -> None:
        client = self.greeted()
        self.proxy.refuse()
        self.assertRaises(ConnectionResetError, client.recv, 1)
        self.assertRaises(ConnectionRefusedError, self.connect)
        self.proxy.heal()
        self.greeted()

    def test_frozen_connections_hang_and_lose_nothing(self) -> None:
        old = self.greeted()
        self.proxy.freeze()
        new = self.connect()
        old.sendall(b'x')
        self.assertSilent(old)
        self.assertSilent(new)
        self.proxy.heal()
        self.assertEqual(b'x', old.recv(1))
        self.assertEqual(b'A', new.recv(1))

    def test_only_existing_connections_hang(self) -> None:
        old = self.greeted()
        self.proxy.freeze(new=False)
        self.greeted()
        old.sendall(b'x')
        self.assertSilent(old)
        self.proxy.heal()
        self.assertEqual(b'x', old.recv(1))

    def test_a_frozen_connection_outlives_its_client(
        self,
    ) -> None:
        client = self.greeted()
        self.proxy.freeze()
        client.close()
        self.assertEqual(1, self.proxy.connections)
        self.proxy.heal()
        self.wait_for('its end', lambda: not self.proxy.connections)

    def test_one_direction_can_hang(self) -> None:
        client = self.greeted()
        self.proxy.freeze(to_client=False)
        client.sendall(b'x')
        self.assertSilent(client)
        self.proxy.heal()
        self.proxy.freeze(to_server=False)
        self.assertSilent(self.connect())

    def test_delay_holds_each_chunk_both_ways(self) -> None:
        client = self.greeted()
        self.proxy.delay(_SHORT)
        client.sendall(b'x')
        self.assertSilent(client)
        self.assertEqual(b'x', client.recv(1))

    def test_later_connections_go_to_another_target(self) -> None:
        old = self.greeted()
        self.proxy.target(process.LOOPBACK, self.serve(_OtherEcho))
        self.assertEqual(b'B', self.connect().recv(1))
        old.sendall(b'x')
        self.assertEqual(b'x', old.recv(1))

    def test_a_dead_target_resets(self) -> None:
        (port,) = process.free_ports(1)
        self.proxy.target(process.LOOPBACK, port)
        self.assertRaises(ConnectionResetError, self.greeted)
