"""A wall clock for one server, which a test steps while the server runs."""

import contextlib
import glob
import os
import pathlib

__all__ = ['LIBRARY', 'Clock', 'missing']

LIBRARY = '/usr/lib/*/faketime/libfaketimeMT.so.1'
ENV = '/usr/bin/env'

# The library leaves these behind when its process is killed.
SHARED = '/dev/shm/{}faketime_{}_{}'  # noqa: S108


def missing() -> str | None:
    """Return what is not installed, None if nothing is missing."""
    return None if glob.glob(LIBRARY) else LIBRARY


class Clock:
    """The host's wall clock, plus a number of seconds, by libfaketime.

    The monotonic clock is left alone, as it is when a host's clock is set.

    :ivar ahead: how many seconds it is ahead of the host's
    """

    def __init__(self) -> None:
        self.ahead = 0.0

    def write(self, path: pathlib.Path) -> None:
        """Make the file from which processes read how far it is ahead."""
        self._path = path
        self.step(0)

    def step(self, seconds: float) -> None:
        """Set the clock forward by so many seconds, or back."""
        self.ahead += seconds
        new = self._path.with_suffix('.new')
        new.write_text(f'{self.ahead:+.3f}s\n')
        new.chmod(0o644)
        # NOTE: replaced, for a process may read it at any moment.
        new.replace(self._path)

    def command(self) -> list[str]:
        """Return what to put before the command of a process.

        :raises FileNotFoundError: if libfaketime is not installed
        """
        paths = glob.glob(LIBRARY)
        if not paths:
            raise FileNotFoundError(LIBRARY)
        # NOTE: env sets them, for a process that changes its account first
        # would make the library's semaphore as root.
        return [
            ENV,
            f'LD_PRELOAD={paths[0]}',
            f'FAKETIME_TIMESTAMP_FILE={self._path}',
            'FAKETIME_NO_CACHE=1',
            'FAKETIME_DONT_FAKE_MONOTONIC=1',
            'FAKETIME_DONT_RESET=1',
        ]

    def forget(self, pid: int) -> None:
        """Remove what the library has left of a process that has ended."""
        for kind, name in (('sem.', 'sem'), ('', 'shm')):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(SHARED.format(kind, name, pid))
