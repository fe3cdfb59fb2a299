"""A servicegroup driver in a package of its own: one file for each member.

The files are in a directory that all hosts share. Each heartbeat touches the
member's file. setup.cfg of the package registers the driver::

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

DIRECTORY = cfg.StrOpt('directory', default='/srv/acme', help='The files.')


def from_conf(conf: cfg.ConfigOpts) -> driver.Driver:
    conf.register_opt(DIRECTORY, group='servicegroup_files')
    return FileDriver(pathlib.Path(conf.servicegroup_files.directory))


class FileDriver(driver.Driver):
    name = 'files'
    interval = 1.0
    patience = 5.0

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory

    def join(self, member: driver.Member) -> None:
        with self._reached():
            self._touch(_file(member))

    def leave(self, member: driver.Member) -> None:
        with self._reached():
            (self._directory / _file(member)).unlink(missing_ok=True)
            self._directory.stat()  # Raises if the directory is away.

    def alive(self, members: Collection[driver.Member]) -> driver.Presence:
        with self._reached(), os.scandir(self._directory) as files:
            # By the clock that stamps the files, not that of this host. If a
            # file is deleted meanwhile, this call fails; the next works.
            since = self._touch('now') - self.patience
            seen = {f.name for f in files if f.stat().st_mtime > since}
        return driver.Presence({m for m in members if _file(m) in seen})

    def close(self) -> None:
        """There is no connection to close."""

    def _touch(self, name: str) -> float:
        path = self._directory / name
        path.touch()
        return path.stat().st_mtime

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = str(self._directory)
            why = str(error)
            raise exception.DriverUnreachable(self.name, where, why) from error


def _file(member: driver.Member) -> str:
    return f'{member.uuid}.{member.incarnation}'
