"""Whether a conductor worker can write to its database."""

import logging
import threading

from sgconductor import exception

LOG = logging.getLogger(__name__)


class WriteState:
    """Whether a worker can write, as those who write have found.

    The first failure sets it, until :meth:`recovered`.

    :param database: the database's URL, without the password
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._error: exception.DatabaseUnreachable | None = None

    @property
    def is_failed(self) -> bool:
        return self._error is not None

    def failed(self, error: Exception) -> None:
        """Say that a write has failed."""
        is_known = isinstance(error, exception.Unreachable | TimeoutError)
        reason = (
            error
            if isinstance(error, exception.DatabaseUnreachable)
            else exception.DatabaseUnreachable(self._database, str(error))
        )
        with self._lock:
            if self._error is not None:
                return
            self._error = reason
        LOG.error(
            'This conductor takes no calls and no beats until it can write '
            'to its database; the broker gives what it holds to other '
            'conductors: %s',
            reason,
            exc_info=None if is_known else error,
        )
        self._changed.set()

    def recovered(self) -> None:
        """Say that the database takes writes again."""
        with self._lock:
            self._error = None
            self._changed.clear()
        LOG.info(
            'This conductor can write to its database again, and takes calls '
            'and beats.'
        )

    def check(self) -> None:
        """Refuse work that cannot be done.

        :raises DatabaseUnreachable: while this worker cannot write
        """
        error = self._error
        if error is not None:
            raise exception.DatabaseUnreachable(*error.args)

    def wait_for_failure(self, timeout: float) -> None:
        """Wait until a write has failed, or :meth:`wake` was called.

        :param timeout: seconds
        """
        self._changed.wait(timeout)

    def wake(self) -> None:
        """End :meth:`wait_for_failure`."""
        self._changed.set()
