"""Whether a caller gives a method the arguments that it takes."""

import functools
import inspect
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from sgconductor import exception


def check(
    name: str, method: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """
    :param name: of the method, for the message
    :param method: bound to its object or class
    :raises InvalidInput: if it does not take them
    """
    try:
        _signature(method.__func__).bind(method.__self__, *args, **kwargs)
    except TypeError as error:
        raise exception.InvalidInput(f'{name}: {error}') from None


@functools.cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)
