"""The web page: files that are served as they are."""

import importlib.resources

from sgconductor.api import faults
from sgconductor.api import operation
from sgconductor.api import policies

_TYPES = {
    '.css': 'text/css; charset=utf-8',
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.svg': 'image/svg+xml',
}
_INDEX = 'index.html'
_FILES = importlib.resources.files('sgconductor.api') / 'static'


def index() -> operation.Content:
    """The page itself."""
    return _content(_INDEX)


def static(call: operation.Call, name: str) -> operation.Content:
    """A script, a style sheet or an image of the page."""
    return _content(name)


def _content(name: str) -> operation.Content:
    # Compared with the names that exist, so it can never be used as a path.
    for file in _FILES.iterdir():
        if file.name == name and file.is_file():
            _, dot, kind = name.rpartition('.')
            return operation.Content(
                _TYPES[dot + kind],
                file.read_bytes(),
                # After an upgrade, page and scripts must change together.
                {'Cache-Control': 'no-cache'},
            )
    raise faults.NotFound(f'There is no file {name:.80}.')


OPERATIONS = (
    operation.Operation(
        'GET',
        '/static/{name}',
        static,
        policies.ANYBODY,
        'Get a file of the web page',
    ),
)
