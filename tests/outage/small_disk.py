"""Database servers whose data directory is a small file system."""

import os
import subprocess
from typing import ClassVar

from tests import drills
from tests.servers import mariadb
from tests.servers import postgresql
from tests.servers import process

_MOUNT = '/usr/bin/mount'
_UMOUNT = '/usr/bin/umount'
_RESET_WAL = '/usr/lib/postgresql/*/bin/pg_resetwal'
_BALLAST = 'ballast'
_BLOCK = 65536


class SmallDisk(process.Server):
    """A server whose folder is a tmpfs. It needs the right to mount.

    :cvar SIZE: of the file system
    """

    SIZE: ClassVar[str] = '160M'

    def fill_disk(self) -> None:
        """Leave no room on the file system."""
        size = _BLOCK
        with (self.directory / _BALLAST).open('ab', buffering=0) as ballast:
            while size:
                try:
                    ballast.write(b'\0' * size)
                except OSError:
                    size //= 2

    def free_disk(self) -> None:
        (self.directory / _BALLAST).unlink()

    def _mount(self) -> None:
        """Mount the file system.

        :raises DrillError: if this is not allowed
        """
        done = subprocess.run(
            [
                *(_MOUNT, '-t', 'tmpfs', '-o', f'size={self.SIZE},mode=0755'),
                *('none', str(self.directory)),
            ],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise drills.DrillError(
                f'a full disk needs the right to mount a tmpfs: {done.stderr}'
            )

    def _end(self) -> None:
        super()._end()
        if os.path.ismount(self.directory):
            subprocess.run([_UMOUNT, str(self.directory)], check=True)


class SmallMariaDB(SmallDisk, mariadb.MariaDB):
    """With a binary log, for which each commit needs room."""

    def _initialise(self) -> None:
        self._mount()
        super()._initialise()

    def _command(self) -> list[str]:
        return [*super()._command(), '--log-bin=binlog', '--server-id=1']


class SmallPostgreSQL(SmallDisk, postgresql.PostgreSQL):
    """With a log in small files, so that it soon needs another one."""

    def _initialise(self) -> None:
        self._mount()
        super()._initialise()
        self._run(
            [
                process.locate(_RESET_WAL),
                f'--pgdata={self.directory}/data',
                '--wal-segsize=1',
            ]
        )

    def _command(self) -> list[str]:
        return [
            *super()._command(),
            *('-c', 'min_wal_size=2MB', '-c', 'max_wal_size=2MB'),
        ]
