"""A program that a test runs as a process."""

import contextlib
import pathlib
import signal
import subprocess
import sys
from collections.abc import Sequence

import fixtures
import psutil

from tests import forked
from tests.servers import process

_BIN = pathlib.Path(sys.executable).parent
_DIES_WITH_PARENT = (process.SETPRIV, '--pdeathsig', 'TERM')


class Program(fixtures.Fixture):
    """A started process, with its output in a file.

    The process ends with the process that started it.

    :param args: the name of a program in the environment's bin, such as
        'python', and its arguments
    :param prefix: a command under which to run the program
    :param bin_: the bin of the environment; default: this one
    :param fresh: start a new interpreter, instead of forking a process that
        has imported the program's modules
    """

    process: subprocess.Popen[str] | forked.Forked

    def __init__(
        self,
        *args: str,
        prefix: Sequence[str] = (),
        env: dict[str, str] | None = None,
        bin_: pathlib.Path = _BIN,
        fresh: bool = False,
    ) -> None:
        self._args = args
        self._command = [
            *_DIES_WITH_PARENT,
            *prefix,
            str(bin_ / args[0]),
            *args[1:],
        ]
        self._fresh = fresh or bool(prefix) or bin_ != _BIN
        self._env = env

    def _setUp(self) -> None:
        directory = self.useFixture(fixtures.TempDir()).path
        self._path = pathlib.Path(directory) / 'output'
        self._path.touch()
        if self._fresh:
            self.process = self._popen()
        else:
            self.process = forked.Forked(self._args, self._env, self._path)
        self.addCleanup(self.kill)

    def _popen(self) -> subprocess.Popen[str]:
        with self._path.open('w') as output:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                env=self._env,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed so far, to stdout and stderr."""
        return self._path.read_text(errors='replace')

    def children(self) -> list[int]:
        """The ids of its child processes."""
        try:
            found = psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []
        return sorted(child.pid for child in found)

    def signal(self, signum: signal.Signals) -> None:
        self.process.send_signal(signum)

    def kill(self) -> None:
        """Kill it and all its descendants with SIGKILL."""
        if self.process.poll() is None:
            descendants = self._descendants()
            self.process.kill()
            for child in descendants:
                if child.is_running():
                    child.kill()
            self.process.wait()

    def _descendants(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        # A forked process may have ended although poll returns None.
        with contextlib.suppress(psutil.NoSuchProcess):
            found += psutil.Process(self.process.pid).children(recursive=True)
        return found

    def wait(self, timeout: float = 60) -> int:
        """Wait until it ends, and return its exit status."""
        return self.process.wait(timeout)
