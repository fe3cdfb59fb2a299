"""The leader: the one conductor that does what one must do for all."""

import threading
import uuid

from sgconductor.db import database
from sgconductor.db import leader_lease


class Leader:
    """This conductor's share in the leader lease.

    Any conductor can lead. One that dies is followed by another when its
    lease ends.
    """

    def __init__(self, db: database.Database) -> None:
        self._db = db
        self._holder = str(uuid.uuid4())
        self._stopping = threading.Event()

    def leads(self) -> bool:
        """Take the lease, or keep it for some more seconds, if that can be.

        :raises DatabaseUnreachable:
        """
        return not self._stopping.is_set() and self._db.write(
            lambda conn: leader_lease.acquire(conn, self._holder)
        )

    def stop(self) -> None:
        """Lead no more, so that work under way ends soon."""
        self._stopping.set()

    def release(self) -> None:
        """Let another conductor lead at once, after all work has ended."""
        self._db.write(lambda conn: leader_lease.release(conn, self._holder))
