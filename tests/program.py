"""A real process of a test."""

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
_WITH_US = (process.SETPRIV, '--pdeathsig', 'TERM')


class Program(fixtures.Fixture):
    """A started process, with its output in a file.

    It ends with whoever started it, whatever ends that.

    :param args: the program, of the environment's bin, and its arguments;
        'python' is its interpreter
    :param prefix: what to run it under
    :param bin_: of another environment than this one
    :param fresh: start it anew, instead of forking it from a process that
        has imported its modules
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
        self._command = [*_WITH_US, *prefix, str(bin_ / args[0]), *args[1:]]
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
        """What it has printed so far, on either stream."""
        return self._path.read_text(errors='replace')

    def children(self) -> list[int]:
        """The ids of the processes it has started itself."""
        try:
            found = psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []
        return sorted(child.pid for child in found)

    def signal(self, signum: signal.Signals) -> None:
        self.process.send_signal(signum)

    def kill(self) -> None:
        """End it and all that it has started, by SIGKILL."""
        if self.process.poll() is None:
            family = self._family()
            self.process.kill()
            for child in family:
                if child.is_running():
                    child.kill()
            self.process.wait()

    def _family(self) -> list[psutil.Process]:
        family: list[psutil.Process] = []
        # One that was forked may be gone before that is told here.
        with contextlib.suppress(psutil.NoSuchProcess):
            family += psutil.Process(self.process.pid).children(recursive=True)
        return family

    def wait(self, timeout: float = 60) -> int:
        """Its exit status."""
        return self.process.wait(timeout)
