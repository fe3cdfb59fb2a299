"""Programs that are forked from a process which has imported their modules.

A run of the tests starts hundreds of commands, and most of their time would
go into imports. A forked program is a process of its own all the same.
"""

import contextlib
import ctypes
import importlib.metadata
import multiprocessing
import os
import pathlib
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from collections.abc import Sequence

# The fork server imports these modules once; it ends with this process.
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload(
    [
        'sgconductor.app.conductor',
        'sgconductor.app.local',
        'sgconductor.cmd.allinone',
        'sgconductor.cmd.conductor',
        'sgconductor.cmd.manage',
        'sgconductor.cmd.status',
        'tests.forked',
    ]
)
# See linux/prctl.h.
_PR_SET_PDEATHSIG = 1


class Forked:
    """The part of subprocess.Popen that tests use, for a forked program.

    :param args: a console script of this environment, or 'python' with a
        file or with -m and a module, and the arguments
    :param env: the environment; None for that of this process
    :param output: the file for stdout and stderr
    """

    def __init__(
        self,
        args: Sequence[str],
        env: Mapping[str, str] | None,
        output: pathlib.Path,
    ) -> None:
        self._process = _CONTEXT.Process(
            target=_run, args=(args, dict(env or os.environ), output)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def send_signal(self, signum: signal.Signals) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(
    args: Sequence[str], env: Mapping[str, str], output: pathlib.Path
) -> None:
    os.setsid()
    # As setpriv --pdeathsig does.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    for flags, path, streams in (
        (os.O_RDONLY, os.devnull, [0]),
        (os.O_WRONLY | os.O_APPEND, output, [1, 2]),
    ):
        opened = os.open(path, flags)
        for stream in streams:
            os.dup2(opened, stream)
        os.close(opened)
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = env.get('PYTHONPATH', '').split(os.pathsep)
    name, *rest = args
    if name != 'python':
        (script,) = importlib.metadata.entry_points(
            group='console_scripts', name=name
        )
        sys.argv = [name, *rest]
        sys.exit(script.load()())
    if rest[0] == '-m':
        sys.argv = rest[1:]
        runpy.run_module(rest[1], run_name='__main__', alter_sys=True)
    else:
        sys.argv = rest
        runpy.run_path(rest[0], run_name='__main__')
