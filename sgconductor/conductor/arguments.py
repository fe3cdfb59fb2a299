"""A check that a caller gives a method the arguments that it takes."""

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
    """Check the arguments of a call.

    :param name: of the method, for the message
    :param method: bound to its object or class
    :raises InvalidInput: if the method does not take these arguments
    """
    mismatch = _mismatch(method.__func__, len(args), tuple(kwargs))
    if mismatch:
        raise exception.InvalidInput(f'{name}: {mismatch}')


@functools.lru_cache
def _mismatch(
    function: Callable[..., Any], count: int, names: tuple[str, ...]
) -> str:
    """Why a function does not take such arguments; '' if it does.

    :param count: the number of positional arguments, without ``self``
    :param names: the names of the keyword arguments
    """
    values = (None,) * (1 + count)
    try:
        inspect.signature(function).bind(*values, **dict.fromkeys(names))
    except TypeError as error:
        return str(error)
    return ''
