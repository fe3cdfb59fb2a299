"""What is installed with the extra ``sgconductor[api]``."""

import pkgutil
from typing import Any

from sgconductor import exception


def load(name: str) -> Any:
    """Import something.

    :param name: such as ``package.module:name``
    :raises ConfigError: if what it needs is not installed
    """
    try:
        return pkgutil.resolve_name(name)
    except ModuleNotFoundError as error:
        raise exception.ConfigError(
            f'the API needs a package that is not installed ({error}): '
            f"pip install 'sgconductor[api]'"
        ) from None
