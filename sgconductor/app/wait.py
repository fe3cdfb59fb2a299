"""Waiting for the servers that a conductor needs."""

import time
from collections.abc import Callable

from sgconductor import exception


def wait_until_ready(
    check: Callable[[], None],
    timeout: float,
    report: Callable[[exception.Unreachable], None],
    interval: float = 2,
) -> None:
    """Run ``check`` until it finds all servers reachable.

    :param timeout: seconds to keep trying; negative for no limit
    :param report: called with each failure that differs from the last one
    :param interval: seconds between two attempts
    :raises Unreachable: when the time is over
    """
    deadline = time.monotonic() + timeout
    reported = ''
    while True:
        try:
            return check()
        except exception.Unreachable as error:
            if timeout >= 0 and time.monotonic() >= deadline:
                raise
            if str(error) != reported:
                report(error)
            reported = str(error)
        time.sleep(interval)
