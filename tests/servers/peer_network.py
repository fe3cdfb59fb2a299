"""A network between the nodes of a cluster, from which a node can be cut off.

Java connects through a SOCKS proxy if its system properties say so.
"""

import asyncio
import functools
import struct
import threading
from collections.abc import Callable
from collections.abc import Coroutine
from collections.abc import Mapping
from typing import Any

import fixtures

from tests.servers import process

__all__ = ['PeerNetwork']

_CHUNK = 65536
_PATIENCE = 10.0

# SOCKS 5, see RFC 1928: no authentication; the answers to a request.
_WELCOME = b'\x05\x00'
_CONNECTED = b'\x05\x00\x00\x01' + bytes(6)
_REFUSED = b'\x05\x05\x00\x01' + bytes(6)


class PeerNetwork(fixtures.Fixture):
    """A SOCKS proxy for each node, through which it reaches its peers.

    Nothing is forwarded to and from a node that is isolated, as where a
    network drops all packets. Bytes are held until it is healed.

    :param nodes: the node that listens for peers on each port
    """

    def __init__(self, nodes: Mapping[int, int]) -> None:
        self._nodes = nodes

    def _setUp(self) -> None:
        self._isolated: set[int] = set()
        self._links: set[asyncio.Task[None]] = set()
        self._listeners: dict[int, asyncio.Server] = {}
        self._changed = asyncio.Condition()
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name='peers')
        thread.start()
        self.addCleanup(self._loop.close)
        self.addCleanup(thread.join)
        self.addCleanup(self._loop.call_soon_threadsafe, self._loop.stop)
        self._do(self._listen())
        self.addCleanup(lambda: self._do(self._end()))

    def properties(self, node: int) -> Mapping[str, str]:
        """Java's system properties for a node."""
        port = self._listeners[node].sockets[0].getsockname()[1]
        return {
            'socksProxyHost': process.LOOPBACK,
            'socksProxyPort': str(port),
            # With any other value, connections to loopback use no proxy.
            'socksNonProxyHosts': '',
        }

    def isolate(self, node: int) -> None:
        """Cut a node off from all its peers."""
        self._do(self._change(functools.partial(self._isolated.add, node)))

    def heal(self, node: int) -> None:
        self._do(self._change(functools.partial(self._isolated.discard, node)))

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        done = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        done.result(_PATIENCE)

    async def _change(self, change: Callable[[], None]) -> None:
        async with self._changed:
            change()
            self._changed.notify_all()

    async def _listen(self) -> None:
        for node in {*self._nodes.values()}:
            self._listeners[node] = await asyncio.start_server(
                functools.partial(self._serve, node), process.LOOPBACK, 0
            )

    async def _end(self) -> None:
        for listener in self._listeners.values():
            listener.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _serve(
        self,
        node: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        link.add_done_callback(self._links.discard)
        try:
            await self._connect(node, reader, writer)
        except* (OSError, EOFError, asyncio.CancelledError):
            pass  # The peer sees the end of its connection.
        finally:
            writer.transport.abort()

    async def _connect(
        self,
        node: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(_WELCOME)
        # Version, command, nothing, type of address, address, port.
        request = await reader.readexactly(10)
        (port,) = struct.unpack('!H', request[-2:])
        peer = self._nodes[port]
        await self._reaches(node, peer)
        try:
            peer_reader, peer_writer = await asyncio.open_connection(
                process.LOOPBACK, port
            )
        except OSError:
            writer.write(_REFUSED)
            await writer.drain()
            return
        writer.write(_CONNECTED)
        try:
            async with asyncio.TaskGroup() as pumps:
                for source, sink in (
                    (reader, peer_writer),
                    (peer_reader, writer),
                ):
                    pumps.create_task(self._pump(node, peer, source, sink))
        finally:
            peer_writer.transport.abort()

    async def _pump(
        self,
        node: int,
        peer: int,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
    ) -> None:
        while chunk := await source.read(_CHUNK):
            await self._reaches(node, peer)
            sink.write(chunk)
            await sink.drain()
        await self._reaches(node, peer)
        sink.write_eof()

    async def _reaches(self, node: int, peer: int) -> None:
        """Wait until neither of two nodes is isolated."""
        async with self._changed:
            while {node, peer} & self._isolated:
                await self._changed.wait()
