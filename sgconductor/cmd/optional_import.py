"""Importing what needs the packages of the extra ``sgconductor[api]``."""

import pkgutil
from typing import Any

from sgconductor import exception


def load(name: str) -> Any:
    """Import an object.

    :param name: such as ``package.module:name``
    :raises ConfigError: if a package that it needs is not installed
    """
    try:
        return pkgutil.resolve_name(name)
    except ModuleNotFoundError as error:
        raise exception.ConfigError(
            f'the API needs a package that is not installed ({error}): '
            f"pip install 'sgconductor[api]'"
        ) from None
