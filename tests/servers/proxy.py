"""A TCP proxy, which takes a server away from those who use its port."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Coroutine
from typing import Any

import fixtures

from tests.servers import process

__all__ = ['Proxy']

_CHUNK = 65536
_BACKLOG = 128
# Seconds in which a command must have been done.
_PATIENCE = 10.0
# A socket with it is reset when it is closed: the peer gets an RST.
_RESET = struct.pack('ii', 1, 0)


class Proxy(fixtures.Fixture):
    """Forwards connections to a server, until it is told otherwise.

    Its port stays the same. Bytes are held and never dropped. Where the
    server itself refuses a connection, the client's is reset.

    :param host: of the server
    :param port: of the server
    :ivar port: where the proxy listens, on the loopback address
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)

    def _setUp(self) -> None:
        (self.port,) = process.free_ports(1)
        self._delay = 0.0
        # Both for all connections; those in ``_silent`` are frozen anyway.
        self._frozen_to_server = False
        self._frozen_to_client = False
        self._silent: set[asyncio.Task[None]] = set()
        self._links: set[asyncio.Task[None]] = set()
        self._acceptor: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name='proxy')
        thread.start()
        self.addCleanup(self._loop.close)
        self.addCleanup(thread.join)
        self.addCleanup(self._loop.call_soon_threadsafe, self._loop.stop)
        self.addCleanup(self.refuse)
        self._do(self._listen())

    @property
    def address(self) -> str:
        """The proxy's host and port."""
        return f'{process.LOOPBACK}:{self.port}'

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._links)

    def refuse(self) -> None:
        """Refuse new connections, and reset the existing ones."""
        self._do(self._refuse())

    def cut(self) -> None:
        """Reset the existing connections; new ones are accepted."""
        self._do(self._cut())

    def freeze(
        self,
        *,
        new: bool = True,
        to_server: bool = True,
        to_client: bool = True,
    ) -> None:
        """Forward nothing, as where a network drops all packets.

        A connection that a client closes stays open at the server.

        :param new: whether new connections hang too; if not, only those that
            exist now hang, both ways
        :param to_server: whether to hold what clients send
        :param to_client: whether to hold what the server sends
        """

        def change() -> None:
            if new:
                self._frozen_to_server = to_server
                self._frozen_to_client = to_client
            else:
                self._silent |= self._links

        self._do(self._change(change))

    def delay(self, seconds: float) -> None:
        """Hold each chunk for so many seconds, in both directions."""

        def change() -> None:
            self._delay = seconds

        self._do(self._change(change))

    def heal(self) -> None:
        """Accept connections and forward everything, held bytes first."""

        def change() -> None:
            self._frozen_to_server = self._frozen_to_client = False
            self._silent.clear()
            self._delay = 0.0

        self._do(self._change(change))
        self._do(self._listen())

    def target(self, host: str, port: int) -> None:
        """Forward later connections to another server."""

        def change() -> None:
            self._target = (host, port)

        self._do(self._change(change))

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        done = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        done.result(_PATIENCE)

    async def _change(self, change: Callable[[], None]) -> None:
        async with self._changed:
            change()
            self._changed.notify_all()

    async def _listen(self) -> None:
        if self._acceptor is None:
            listener = socket.create_server(
                (process.LOOPBACK, self.port), backlog=_BACKLOG
            )
            listener.setblocking(False)
            self._acceptor = asyncio.create_task(self._accept(listener))

    async def _refuse(self) -> None:
        if self._acceptor is not None:
            await _end({self._acceptor})
            self._acceptor = None
        await self._cut()

    async def _cut(self) -> None:
        await _end(self._links)

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                client, _ = await self._loop.sock_accept(listener)
                link = asyncio.create_task(self._link(client))
                self._links.add(link)
                link.add_done_callback(self._links.discard)
                link.add_done_callback(self._silent.discard)

    async def _link(self, client: socket.socket) -> None:
        link = asyncio.current_task()

        def to_server() -> bool:
            return self._frozen_to_server or link in self._silent

        def to_client() -> bool:
            return self._frozen_to_client or link in self._silent

        with client, socket.socket() as server:
            try:
                for one in (client, server):
                    one.setblocking(False)
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await self._hold(to_server)
                await self._loop.sock_connect(server, self._target)
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(self._pump(client, server, to_server))
                    pumps.create_task(self._pump(server, client, to_client))
            except* (OSError, asyncio.CancelledError):
                for one in (client, server):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    async def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        held: Callable[[], bool],
    ) -> None:
        chunk = b'-'
        while chunk:
            try:
                chunk = await self._loop.sock_recv(source, _CHUNK)
            except OSError:
                # A reset waits as bytes do.
                await self._hold(held)
                raise
            await self._hold(held)
            if chunk:
                await self._loop.sock_sendall(sink, chunk)
        sink.shutdown(socket.SHUT_WR)

    async def _hold(self, held: Callable[[], bool]) -> None:
        """Wait until something that has arrived now may go on."""
        arrived = self._loop.time()
        async with self._changed:
            while True:
                left = arrived + self._delay - self._loop.time()
                if held():
                    await self._changed.wait()
                elif left > 0:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(left):
                            await self._changed.wait()
                else:
                    return


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
