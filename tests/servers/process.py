"""The processes of private servers: start, stop, crash and freeze."""

import abc
import contextlib
import glob
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import ClassVar

import fixtures
import psutil

from tests.servers import clock

__all__ = [
    'LOOPBACK',
    'PAUSE',
    'PortTakenError',
    'Process',
    'Server',
    'StartError',
    'check_name',
    'free_ports',
    'locate',
]

LOOPBACK = '127.0.0.1'
SETPRIV = '/usr/bin/setpriv'

# NOTE: below the kernel's range of ephemeral ports, where a client that
# retries against a dead server can end up connected to itself.
PORTS = range(20000, 32000)
ATTEMPTS = 5

# NOTE: not the TMPDIR of the caller. PostgreSQL's account may have no access
# to it, or it may be too deep for the path of a socket (107 bytes).
PLACE = '/tmp'  # noqa: S108

LOG_TAIL = 40
PAUSE = 0.01
PATIENCE = 20.0


class StartError(Exception):
    """A server did not start; the message ends with its last log lines."""

    def __init__(self, server: str, reason: str, log: pathlib.Path) -> None:
        text = log.read_text(errors='replace') if log.exists() else ''
        tail = '\n'.join(text.splitlines()[-LOG_TAIL:])
        super().__init__(f'{server} did not start: {reason}\n{tail}')


class PortTakenError(StartError):
    """Another process took the port before the server could."""


def check_name(name: str) -> str:
    """Return a name that needs no quotes; ValueError if it needs some."""
    if not re.fullmatch(r'[a-z0-9_]{1,60}', name):
        raise ValueError(f'not a plain name: {name!r}')
    return name


def locate(pattern: str) -> str:
    """Return the path that matches, of the newest version if several do."""
    paths = glob.glob(pattern)
    if not paths:
        raise FileNotFoundError(pattern)
    return max(
        paths, key=lambda path: list(map(int, re.findall(r'\d+', path)))
    )


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(PAUSE)


def _in_state(process: psutil.Process, *states: str) -> bool:
    try:
        return process.status() in states
    except psutil.NoSuchProcess:
        return True


def _signal(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


class Process:
    """A child process with all its descendants: its tree.

    It is killed when the tests end, even if they crash.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: pathlib.Path,
        environment: Mapping[str, str],
        account: pwd.struct_passwd | None = None,
    ) -> None:
        # NOTE: the kernel sends the death signal when the thread that
        # started the child ends, not the process.
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError('start servers from the main thread only')
        prefix = [SETPRIV, '--pdeathsig', 'KILL']
        if account is not None:
            prefix += [f'--reuid={account.pw_uid}']
            prefix += [f'--regid={account.pw_gid}', '--clear-groups']
        with log.open('ab') as output:
            self._popen = subprocess.Popen(
                [*prefix, *command],
                cwd=log.parent,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._root = psutil.Process(self._popen.pid)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def wait(self, timeout: float) -> int:
        """Return the exit status, or raise subprocess.TimeoutExpired."""
        return self._popen.wait(timeout)

    def listens(self, port: int) -> bool:
        """Return whether this process itself listens on the port."""
        try:
            return any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == port
                for one in self._root.net_connections('tcp')
            )
        except psutil.NoSuchProcess:
            return False

    def freeze(self) -> None:
        """Suspend the tree; its ports and connections stay open."""
        # NOTE: the root first, so that it makes no children meanwhile.
        _signal([self._root], signal.SIGSTOP)
        tree = self._tree()
        _signal(tree, signal.SIGSTOP)
        _wait_until(
            lambda: all(
                _in_state(p, psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
                for p in tree
            )
        )

    def thaw(self) -> None:
        """Resume a frozen tree."""
        _signal(reversed(self._tree()), signal.SIGCONT)

    def stop(self, number: int) -> None:
        """End the tree by a signal to its root; if that is slow, kill it."""
        tree = self._tree()
        self.thaw()
        _signal([self._root], number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(PATIENCE)
        self.kill()
        self._reap(tree)

    def kill(self) -> None:
        """Kill the tree with SIGKILL."""
        # NOTE: the root first, so that it makes no children meanwhile.
        _signal([self._root], signal.SIGSTOP)
        self._reap(self._tree())

    def _reap(self, tree: Sequence[psutil.Process]) -> None:
        _signal(tree, signal.SIGKILL)
        self._popen.wait()
        # NOTE: a zombie has ended; another process may have to reap it.
        _wait_until(
            lambda: all(_in_state(p, psutil.STATUS_ZOMBIE) for p in tree)
        )

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


class Server(fixtures.Fixture, abc.ABC):
    """A private server on loopback, with its data in a temporary folder.

    ``stop``, ``kill`` and ``start`` keep the port and the data.  Start it in
    the main thread only: it is killed when the thread that started it ends.

    :param own_clock: a clock that the test steps, for the server alone
    :cvar NAME: for messages and for the name of the folder
    :cvar BINARIES: patterns of the paths of the programs that it needs
    :cvar PORT_COUNT: how many ports it needs
    :cvar DEADLINE: within how many seconds it must be ready
    :cvar STOP_SIGNAL: the signal for an orderly end
    :ivar directory: its folder, for data and logs
    :ivar ports: its ports; the first is the one for clients
    """

    NAME: ClassVar[str]
    BINARIES: ClassVar[tuple[str, ...]]
    PORT_COUNT: ClassVar[int] = 1
    DEADLINE: ClassVar[float] = 30.0
    STOP_SIGNAL: ClassVar[int] = signal.SIGTERM

    directory: pathlib.Path
    ports: tuple[int, ...]
    _process: Process | None = None

    def __init__(self, own_clock: clock.Clock | None = None) -> None:
        super().__init__()
        self.clock = own_clock

    @classmethod
    def missing(cls) -> str | None:
        """Return the first binary that is not installed, None if all are."""
        for pattern in (SETPRIV, *cls.BINARIES):
            if not glob.glob(pattern):
                return pattern
        return None

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def pid(self) -> int:
        """The process id of the server, which is the root of its tree."""
        return self._existing().pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.alive

    def start(self) -> None:
        """Start the server and return when it is ready."""
        if self.running:
            return
        self._process = self._spawn()
        try:
            self._await_ready()
        except BaseException:
            self._process.kill()
            raise

    def stop(self) -> None:
        """End the server in an orderly way."""
        self._existing().stop(self.STOP_SIGNAL)

    def kill(self) -> None:
        """Crash the server: SIGKILL to all its processes."""
        self._existing().kill()

    def freeze(self) -> None:
        """Make the server hang, until ``thaw``."""
        self._existing().freeze()

    def thaw(self) -> None:
        self._existing().thaw()

    def _setUp(self) -> None:
        self._process = None
        self.directory = pathlib.Path(
            tempfile.mkdtemp(prefix=f'{self.NAME.lower()}-', dir=PLACE)
        )
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        if self.clock is not None:
            # NOTE: other accounts may not read the server's folder.
            place = self.useFixture(fixtures.TempDir(PLACE)).path
            os.chmod(place, 0o755)  # noqa: S103
            self.clock.write(pathlib.Path(place, 'clock'))
        self.addCleanup(self._end)
        self._initialise()
        self._start_somewhere()

    def _start_somewhere(self) -> None:
        for attempt in range(ATTEMPTS):
            self.ports = free_ports(self.PORT_COUNT)
            try:
                self.start()
            except PortTakenError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return

    def _await_ready(self) -> None:
        deadline = time.monotonic() + self.DEADLINE
        while not self._ready():
            if not self.running:
                raise self._start_error('it ended')
            if time.monotonic() > deadline:
                raise self._start_error(f'not ready in {self.DEADLINE:g} s')
            time.sleep(PAUSE)

    def _start_error(self, reason: str) -> StartError:
        self._existing().kill()
        return self._diagnose(reason, self._server_ports(), self._log)

    def _diagnose(
        self, reason: str, ports: Iterable[int], log: pathlib.Path
    ) -> StartError:
        for port in filter(_somebody_listens, ports):
            return PortTakenError(self.NAME, f'port {port} is taken', log)
        return StartError(self.NAME, reason, log)

    def _server_ports(self) -> Iterable[int]:
        """Return the ports that must be free before the server starts."""
        return self.ports

    def _existing(self) -> Process:
        if self._process is None:
            raise RuntimeError(f'{self.NAME} was never started')
        return self._process

    @property
    def _log(self) -> pathlib.Path:
        return self.directory / 'log'

    def _environment(self) -> dict[str, str]:
        """Return the whole environment; nothing is inherited."""
        return {
            'PATH': '/usr/sbin:/usr/bin:/sbin:/bin',
            'LANG': 'C.UTF-8',
            'HOME': str(self.directory),
            # NOTE: not shared: a MariaDB that starts removes temporary
            # tables there, also those of another MariaDB.
            'TMPDIR': str(self.directory),
        }

    def _account(self) -> pwd.struct_passwd | None:
        """Return the account to run under; None for the caller's own."""
        return None

    def _child(self, command: Sequence[str], log: str = 'log') -> Process:
        return Process(
            command,
            log=self.directory / log,
            environment=self._environment(),
            account=self._account(),
        )

    def _run(self, command: Sequence[str]) -> None:
        """Run a command that prepares the server, to its end."""
        child = self._child(command)
        try:
            outcome = f'exited with {child.wait(self.DEADLINE)}'
        except subprocess.TimeoutExpired:
            child.kill()
            outcome = 'hangs'
        if outcome != 'exited with 0':
            raise StartError(self.NAME, f'{command[0]} {outcome}', self._log)

    def _spawn(self) -> Process:
        if self.clock is None:
            return self._child(self._command())
        child = self._child([*self.clock.command(), *self._command()])
        self.addCleanup(self.clock.forget, child.pid)
        return child

    def _end(self) -> None:
        """End the server for good; its data is no longer needed."""
        if self._process is not None:
            self._process.kill()

    @abc.abstractmethod
    def _initialise(self) -> None:
        """Fill the server's folder."""

    @abc.abstractmethod
    def _command(self) -> list[str]:
        """Return the command line of the server."""

    @abc.abstractmethod
    def _ready(self) -> bool:
        """Return whether the server itself is ready.

        Another process on its port does not count.
        """


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports on which nothing listens now."""
    # NOTE: not the shared generator: a test that seeds it would lead every
    # worker to the same ports.
    candidates = random.SystemRandom().sample(PORTS, len(PORTS))
    free = filter(_can_bind, candidates)
    return tuple(next(free) for _ in range(count))


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _somebody_listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0
