"""Security headers, added to every answer."""

from collections.abc import Callable
from typing import Any

Wsgi = Callable[..., Any]

# The page may load only what this server sends, and nothing inline.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    'Content-Security-Policy': _POLICY,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
}


def add(wsgi: Wsgi) -> Wsgi:
    """Wrap a WSGI application so that all its answers have these headers.

    A header that the application sets itself keeps its value.
    """

    def wrapped(environ: dict[str, Any], start_response: Wsgi) -> Any:
        def start(
            status: str, headers: list[tuple[str, str]], *more: Any
        ) -> Any:
            present = {name.lower() for name, _ in headers}
            added = [
                (name, value)
                for name, value in _HEADERS.items()
                if name.lower() not in present
            ]
            return start_response(status, [*headers, *added], *more)

        return wsgi(environ, start)

    return wrapped
