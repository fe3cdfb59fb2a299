"""An example of a servicegroup driver: each member is a file.

The file is in a directory that all hosts share, and is touched at each beat.
The driver belongs to a package of its own, whose setup.cfg registers it::

    [entry_points]
    sgconductor.servicegroup =
        files = acme_files.driver:from_conf
"""

import contextlib
import os
import pathlib
from collections.abc import Collection
from collections.abc import Iterator

from oslo_config import cfg

from sgconductor import exception
from sgconductor.servicegroup import driver

OPTION = cfg.StrOpt('directory', default='/srv/acme', help='Shared by all.')


def from_conf(conf: cfg.ConfigOpts) -> driver.Driver:
    conf.register_opt(OPTION, group='servicegroup_files')
    return FileDriver(pathlib.Path(conf.servicegroup_files.directory))


class FileDriver(driver.Driver):
    name = 'files'
    interval = 1.0
    patience = 5.0

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory

    def join(self, member: driver.Member) -> None:
        with self._convert_errors():
            self._touch(_file(member))

    def leave(self, member: driver.Member) -> None:
        with self._convert_errors():
            (self._directory / _file(member)).unlink(missing_ok=True)
            # If the directory is away, the file may still be there.
            self._directory.stat()

    def alive(self, members: Collection[driver.Member]) -> driver.Presence:
        with self._convert_errors(), os.scandir(self._directory) as files:
            # By the clock of the file system, not of this host. If a file is
            # deleted meanwhile, this raises, and the next call succeeds.
            since = self._touch('now') - self.patience
            seen = {f.name for f in files if f.stat().st_mtime > since}
        return driver.Presence({m for m in members if _file(m) in seen})

    def close(self) -> None:
        """There is nothing to close."""

    def _touch(self, name: str) -> float:
        path = self._directory / name
        path.touch()
        return path.stat().st_mtime

    @contextlib.contextmanager
    def _convert_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = str(self._directory)
            why = str(error)
            raise exception.DriverUnreachable(self.name, where, why) from error


def _file(member: driver.Member) -> str:
    return f'{member.uuid}.{member.incarnation}'
