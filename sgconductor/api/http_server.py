"""The HTTP server of sgconductor-api."""

import threading
from collections.abc import Callable
from typing import Any
from typing import Self

from cheroot import wsgi

from sgconductor import exception

_SHUTDOWN_TIMEOUT = 5  # seconds

# Bytes. The application refuses bodies that are smaller than this, with a
# clearer error.
_MAX_HEADERS = 256 * 1024
_MAX_BODY = 1024 * 1024


class _Gateway(wsgi.Gateway_10):
    def start_response(self, status: str, *more: Any) -> Any:
        # Else cheroot waits for the rest of a body that does not arrive.
        if status.startswith('408'):
            self.req.close_connection = True
        return super().start_response(status, *more)


class Server:
    """Serves a WSGI application in threads.

    :param port: 0 for any free port
    :param threads: how many requests are answered at the same time
    :param timeout: seconds to wait for each part of a request
    :raises ConfigError: if it cannot listen on the address
    """

    def __init__(
        self,
        wsgi_app: Callable[..., Any],
        host: str,
        port: int,
        threads: int,
        timeout: int = 10,
    ) -> None:
        self._server = wsgi.Server(
            (host, port),
            wsgi_app,
            numthreads=threads,
            server_name='sgconductor',
            shutdown_timeout=_SHUTDOWN_TIMEOUT,
            timeout=timeout,
        )
        self._server.gateway = _Gateway
        self._server.max_request_header_size = _MAX_HEADERS
        self._server.max_request_body_size = _MAX_BODY
        try:
            self._server.prepare()
        except OSError as error:
            raise exception.ConfigError(
                f'[api] host and port: cannot listen on {host}:{port}: {error}'
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve, name='http', daemon=True
        )

    @property
    def url(self) -> str:
        host, port = self._server.bind_addr[:2]
        name = f'[{host}]' if ':' in host else host
        return f'http://{name}:{port}/'

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.stop()
        self._thread.join()
