"""Whether a conductor worker can write to its database."""

import threading

from sgconductor import exception


class WriteState:
    """Whether a worker can write, as those who use the database have found.

    A failed write sets it, until :meth:`recovered`. What is only suspected
    changes nothing, but wakes the one who can find out.

    :param database: the database's URL, without the password
    :ivar error: with which a write has failed; None while writes succeed
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._suspicion: Exception | None = None
        self.error: Exception | None = None

    @property
    def is_failed(self) -> bool:
        return self.error is not None

    def failed(self, error: Exception) -> None:
        """Say that a write has failed."""
        with self._lock:
            self.error = self.error or error
        self._news.set()

    def suspect(self, error: Exception) -> None:
        """Say that something has failed which may have been no write."""
        self._suspicion = error
        self._news.set()

    def recovered(self) -> None:
        """Say that the database takes writes again."""
        with self._lock:
            self.error = self._suspicion = None

    def check(self) -> None:
        """Refuse work that cannot be done.

        :raises DatabaseUnreachable: while this worker cannot write
        """
        error = self.error
        if isinstance(error, exception.DatabaseUnreachable):
            raise exception.DatabaseUnreachable(*error.args)
        if error is not None:
            raise exception.DatabaseUnreachable(self._database, str(error))

    def wait_for_news(self, timeout: float) -> Exception | None:
        """Wait until something has failed, or :meth:`wake` was called.

        :param timeout: seconds
        :returns: what is suspected; it is told once
        """
        self._news.wait(timeout)
        self._news.clear()
        suspicion, self._suspicion = self._suspicion, None
        return suspicion

    def wake(self) -> None:
        """End :meth:`wait_for_news`."""
        self._news.set()
