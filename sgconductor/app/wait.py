"""Waiting for the servers that a conductor needs."""

import time
from collections.abc import Callable

from sgconductor import exception


def wait_until_ready(
    check: Callable[[], None],
    timeout: float,
    tell: Callable[[exception.Unreachable], None],
    interval: float = 2,
) -> None:
    """Run ``check`` until nothing is unreachable any more.

    :param timeout: seconds to keep trying; negative for ever
    :param tell: called with each failure that is not as the one before
    :raises Unreachable: when the time is over
    """
    deadline = time.monotonic() + timeout
    told = ''
    while True:
        try:
            return check()
        except exception.Unreachable as error:
            if timeout >= 0 and time.monotonic() >= deadline:
                raise
            if str(error) != told:
                tell(error)
            told = str(error)
        time.sleep(interval)
