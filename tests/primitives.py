"""The frozen primitives: what each released version of an object looks like.

A file is written once, when its version is released, and never again.
"""

import json
import pathlib
from typing import Any

_DIRECTORY = pathlib.Path(__file__).parent / 'data' / 'primitives'


def frozen(name: str, version: str) -> Any:
    """The primitive of an object in a version."""
    return json.loads((_DIRECTORY / f'{name}-{version}.json').read_text())


def versions(name: str) -> list[str]:
    """All versions of an object, oldest first."""
    found = [
        path.stem.removeprefix(f'{name}-')
        for path in _DIRECTORY.glob(f'{name}-*.json')
    ]
    return sorted(found, key=lambda v: [int(part) for part in v.split('.')])
