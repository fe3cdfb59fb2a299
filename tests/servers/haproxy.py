"""HAProxy: one address in front of a cluster's nodes, of which one writes."""

import contextlib
import http.server
import threading
from collections.abc import Callable
from collections.abc import Sequence
from typing import ClassVar

from tests.servers import process

__all__ = ['HAProxy']

SERVER = '/usr/sbin/haproxy'

CONFIGURATION = """\
global
    maxconn 1000
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
listen database
    bind {address}:{port}
    option httpchk
    default-server inter 500ms fastinter 200ms fall 2 rise 1 \
on-marked-down shutdown-sessions
"""


class HAProxy(process.Server):
    """Passes all connections to the first server that is well.

    That is how operators put one writer in front of Galera. When a server
    is no longer well, its connections are cut.

    :param servers: the port of each, and what says whether it is well
    """

    NAME: ClassVar[str] = 'HAProxy'
    BINARIES: ClassVar[tuple[str, ...]] = (SERVER,)

    def __init__(
        self, servers: Sequence[tuple[int, Callable[[], bool]]]
    ) -> None:
        super().__init__()
        self._servers = servers

    def _initialise(self) -> None:
        self._checks = [self._check(is_well) for _, is_well in self._servers]

    def _check(self, is_well: Callable[[], bool]) -> int:
        """The port of a server that answers 200 if another one is well."""

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle(self) -> None:
                # HAProxy may give a check up.
                with contextlib.suppress(ConnectionError):
                    super().handle()

            def do_OPTIONS(self) -> None:
                self.send_response(200 if is_well() else 503)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Log nothing."""

        server = http.server.ThreadingHTTPServer(
            (process.LOOPBACK, 0), Handler
        )
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_port

    def _command(self) -> list[str]:
        text = CONFIGURATION.format(address=process.LOOPBACK, port=self.port)
        for i, (port, _) in enumerate(self._servers):
            backup = ' backup' if i else ''
            text += (
                f'    server s{i} {process.LOOPBACK}:{port} check '
                f'addr {process.LOOPBACK} port {self._checks[i]}{backup}\n'
            )
        path = self.directory / 'haproxy.cfg'
        path.write_text(text)
        return [SERVER, '-db', '-f', str(path)]

    def _ready(self) -> bool:
        return self._existing().listens(self.port)
