"""A process of a benchmark: its output, CPU time and memory."""

import contextlib
import pathlib
import queue
import subprocess
import threading
from collections.abc import Mapping
from collections.abc import Sequence

import psutil

from tests.servers import process

ROOT = pathlib.Path(__file__).parent.parent

_LOG_TAIL = 2000


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why."""


class Program:
    """A started process; it is killed when this process ends.

    :param command: the program and its arguments
    :param log: what it writes to stderr, and to stdout too if ``talks`` is
        false
    :param talks: whether :meth:`line` reads its stdout
    """

    def __init__(
        self,
        command: Sequence[str],
        log: pathlib.Path,
        talks: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._name = pathlib.Path(command[0]).name
        if '-m' in command:
            self._name = command[command.index('-m') + 1]
        self._log = log
        with log.open('ab') as output:
            self._popen = subprocess.Popen(
                [process.SETPRIV, '--pdeathsig', 'KILL', *command],
                cwd=ROOT,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if talks else output,
                stderr=output,
                text=True,
                start_new_session=True,
            )
        self._root = psutil.Process(self._popen.pid)
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        if talks:
            threading.Thread(target=self._read, daemon=True).start()

    def line(self, timeout: float) -> str:
        """Wait for the next line that it prints.

        :param timeout: seconds
        :raises BenchmarkError: if none comes, with the end of its log
        """
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise self._error(f'printed nothing for {timeout:g} s') from None
        if line is None:
            raise self._error('ended')
        return line

    def say(self, text: str) -> None:
        """Write a line to its stdin."""
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.write(f'{text}\n')
            self._popen.stdin.flush()

    def check(self) -> None:
        """Check that it still runs.

        :raises BenchmarkError: if it has ended, with the end of its log
        """
        if self._popen.poll() is not None:
            raise self._error('ended')

    def wait(self, timeout: float) -> None:
        """Wait until it ends.

        :raises BenchmarkError: if it takes too long or fails
        """
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self._error(f'took more than {timeout:g} s') from None
        if status:
            raise self._error(f'ended with {status}')

    def cpu(self) -> float:
        """Seconds of CPU time that it and its workers have used so far."""
        times = [one.cpu_times() for one in self._tree()]
        return float(sum(one.user + one.system for one in times))

    def rss(self) -> float:
        """Megabytes of memory of the largest of its processes."""
        return float(max(one.memory_info().rss for one in self._tree()) / 1e6)

    def peak(self) -> float:
        """The maximum of :meth:`rss` since :meth:`forget_peak`."""
        return max(_high_water(one.pid) for one in self._tree())

    def forget_peak(self) -> None:
        for one in self._tree():
            # 5 resets the high-water mark, see proc(5).
            pathlib.Path(f'/proc/{one.pid}/clear_refs').write_text('5')

    def freeze(self) -> None:
        """Have it take nothing from the broker, until :meth:`thaw`."""
        for one in self._tree():
            one.suspend()

    def thaw(self) -> None:
        for one in reversed(self._tree()):
            one.resume()

    def stop(self) -> None:
        """Kill it and all its descendants with SIGKILL."""
        # The root first, so that it starts no others meanwhile.
        for one in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.suspend()
        for one in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self._popen.wait()

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self._lines.put(line.rstrip('\n'))
        self._lines.put(None)

    def _error(self, what: str) -> BenchmarkError:
        tail = self._log.read_text(errors='replace')[-_LOG_TAIL:]
        return BenchmarkError(f'{self._name} {what}\n{tail}')


def _high_water(pid: int) -> float:
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    lines = dict(line.split(':', 1) for line in status.splitlines())
    return int(lines['VmHWM'].split()[0]) * 1024 / 1e6
