"""The page for a browser: files that are served as they are."""

import importlib.resources

from sgconductor.api import faults
from sgconductor.api import operation

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
    """What belongs to it."""
    return _content(name)


def _content(name: str) -> operation.Content:
    # What is asked for is a name here, and never a path.
    for file in _FILES.iterdir():
        if file.name == name and file.is_file():
            _, dot, kind = name.rpartition('.')
            return operation.Content(
                _TYPES[dot + kind],
                file.read_bytes(),
                # The page of one release has the script of the same.
                {'Cache-Control': 'no-cache'},
            )
    raise faults.NotFound(f'There is no {name:.80} here.')
