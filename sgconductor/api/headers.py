"""Headers that every answer has, whoever gives it."""

from collections.abc import Callable
from typing import Any

Wsgi = Callable[..., Any]

# What a page may load: what comes from here, and nothing inline.
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
    """Have the answers of a WSGI application say what a browser must not do.

    Those that say otherwise themselves are left as they are.
    """

    def answer(environ: dict[str, Any], start_response: Wsgi) -> Any:
        def start(
            status: str, headers: list[tuple[str, str]], *more: Any
        ) -> Any:
            said = {name.lower() for name, _ in headers}
            added = [
                (name, value)
                for name, value in _HEADERS.items()
                if name.lower() not in said
            ]
            return start_response(status, [*headers, *added], *more)

        return wsgi(environ, start)

    return answer
