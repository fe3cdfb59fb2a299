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
    wrong = _wrong(method.__func__, len(args), tuple(kwargs))
    if wrong:
        raise exception.InvalidInput(f'{name}: {wrong}')


@functools.lru_cache
def _wrong(
    function: Callable[..., Any], given: int, names: tuple[str, ...]
) -> str:
    """What is wrong with so many arguments, and more by name."""
    values = (None,) * (1 + given)
    try:
        inspect.signature(function).bind(*values, **dict.fromkeys(names))
    except TypeError as error:
        return str(error)
    return ''
