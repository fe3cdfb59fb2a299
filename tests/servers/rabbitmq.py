"""RabbitMQ: a private broker with a port mapper of its own."""

import base64
import pathlib
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Iterable
from typing import ClassVar

from tests.servers import process

__all__ = ['PortMapper', 'RabbitMQ']

# NOTE: not the wrapper in /usr/sbin, which requires a certain account.
SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
EPMD = '/usr/bin/epmd'
ERL_CALL = '/usr/bin/erl_call'

CALL_TIMEOUT = 30
NOTICE_SIZE = 4096

CONFIGURATION = """\
listeners.tcp.1 = {address}:{port}
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 1MB
log.console = true
log.console.level = info
log.file = false
"""

# Small: one scheduler, and no listener beyond loopback.
ERLANG_ARGUMENTS = (
    '+S 1:1 +SDcpu 1:1 +SDio 1 +P 65536 '
    '-kernel inet_dist_use_interface {127,0,0,1}'
)

ADD_VHOST = """\
ok = rabbit_vhost:add(<<"{name}">>, <<"tests">>),
ok = rabbit_auth_backend_internal:set_permissions(
    <<"guest">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>).
"""

DELETE_VHOST = 'rabbit_vhost:delete(<<"{name}">>, <<"tests">>).'

# NOTE: names in base64, since erl_call escapes what it prints.
QUEUES = """\
true = rabbit_vhost:exists(<<"{name}">>),
lists:flatten([
    begin
        {{resource, _, queue, Name}} = amqqueue:get_name(Queue),
        [{{messages, Count}}] = rabbit_amqqueue:info(Queue, [messages]),
        io_lib:format("~s:~B ", [base64:encode(Name), Count])
    end || Queue <- rabbit_amqqueue:list(<<"{name}">>)]).
"""


class PortMapper(process.Server):
    """The port mapper of Erlang, for the nodes of a cluster.

    Otherwise a node would start one itself, which outlives it.
    """

    NAME: ClassVar[str] = 'epmd'
    BINARIES: ClassVar[tuple[str, ...]] = (EPMD,)

    def _initialise(self) -> None:
        pass

    def _command(self) -> list[str]:
        return epmd_command(self.port)

    def _ready(self) -> bool:
        return self._existing().listens(self.port)


def epmd_command(port: int) -> list[str]:
    """The command line of a port mapper."""
    return [EPMD, '-port', str(port), '-address', process.LOOPBACK]


class RabbitMQ(process.Server):
    """A RabbitMQ with the default account, guest.

    Durable queues and persistent messages survive ``kill``.
    """

    NAME: ClassVar[str] = 'RabbitMQ'
    BINARIES: ClassVar[tuple[str, ...]] = (SERVER, EPMD, ERL_CALL)
    # The broker, the distribution of Erlang, the port mapper.
    PORT_COUNT: ClassVar[int] = 3
    DEADLINE: ClassVar[float] = 60.0

    _cookie: str
    _notices: socket.socket
    _epmd: process.Process | None = None

    @property
    def node_name(self) -> str:
        """The name of the node in Erlang."""
        return 'rabbit@localhost'

    @property
    def epmd_port(self) -> int:
        """The port of the port mapper."""
        return self.ports[2]

    @property
    def url(self) -> str:
        """The transport URL of the default vhost."""
        return self._url('/')

    def vhost(self, name: str) -> str:
        """Add a vhost and return its transport URL."""
        name = process.check_name(name)
        self.evaluate(ADD_VHOST.format(name=name))
        return self._url(name)

    def delete_vhost(self, name: str) -> None:
        """Delete a vhost with its queues and connections."""
        self.evaluate(DELETE_VHOST.format(name=process.check_name(name)))

    def queues(self, vhost: str) -> dict[str, int]:
        """Return the messages, ready and unacknowledged, of each queue.

        RuntimeError means that there is no such vhost.
        """
        name = vhost if vhost == '/' else process.check_name(vhost)
        answer = self.evaluate(QUEUES.format(name=name))
        return {
            base64.b64decode(queue).decode(): int(count)
            for queue, count in re.findall(r'([\w+/=]+):(\d+) ', answer)
        }

    def queue_depth(self, vhost: str, queue: str) -> int:
        """Return the messages in a queue, or raise KeyError."""
        return self.queues(vhost)[queue]

    def evaluate(self, code: str) -> str:
        """Run Erlang code in the broker and return its printed result."""
        answer = subprocess.run(
            [
                ERL_CALL,
                '-address',
                f'{process.LOOPBACK}:{self.ports[1]}',
                '-c',
                self._cookie,
                '-e',
            ],
            input=f'{code}\n',
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=CALL_TIMEOUT,
            check=False,
        )
        if answer.returncode != 0 or not answer.stdout.startswith('{ok, '):
            raise RuntimeError(f'{code}: {answer.stdout}{answer.stderr}')
        return answer.stdout.removeprefix('{ok, ').rstrip().removesuffix('}')

    def _url(self, vhost: str) -> str:
        return f'rabbit://guest:guest@{process.LOOPBACK}:{self.port}/{vhost}'

    def _initialise(self) -> None:
        self._epmd = None
        self._cookie = self._make_cookie()
        home = self.directory / 'home'
        home.mkdir()
        cookie = home / '.erlang.cookie'
        cookie.write_text(self._cookie)
        cookie.chmod(0o400)
        (self.directory / 'enabled_plugins').write_text('[].\n')
        self._notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self._notices.close)
        self._notices.bind(str(self._notice_path))
        self._notices.setblocking(False)

    def _make_cookie(self) -> str:
        """The secret of all who may run code in the node."""
        return secrets.token_hex()

    def _settings(self) -> str:
        """The text of the node's configuration."""
        return CONFIGURATION.format(address=process.LOOPBACK, port=self.port)

    @property
    def _notice_path(self) -> pathlib.Path:
        return self.directory / 'notify'

    def _environment(self) -> dict[str, str]:
        here = self.directory
        return {
            'PATH': '/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/bin',
            'LANG': 'C.UTF-8',
            'HOME': f'{here}/home',
            'ERL_CRASH_DUMP_SECONDS': '0',
            'ERL_EPMD_ADDRESS': process.LOOPBACK,
            'ERL_EPMD_PORT': str(self.epmd_port),
            # NOTE: with it, the start script execs the broker, which then
            # has the script's process id, and reports when it is up.
            'NOTIFY_SOCKET': str(self._notice_path),
            'RABBITMQ_NODENAME': self.node_name,
            'RABBITMQ_DIST_PORT': str(self.ports[1]),
            'RABBITMQ_CONF_ENV_FILE': '/dev/null',
            'RABBITMQ_CONFIG_FILE': f'{here}/rabbitmq.conf',
            'RABBITMQ_ADVANCED_CONFIG_FILE': f'{here}/none.config',
            'RABBITMQ_ENABLED_PLUGINS_FILE': f'{here}/enabled_plugins',
            'RABBITMQ_MNESIA_BASE': f'{here}/mnesia',
            'RABBITMQ_LOG_BASE': f'{here}/log.d',
            'RABBITMQ_LOGS': '-',
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': ERLANG_ARGUMENTS,
        }

    def _command(self) -> list[str]:
        return [SERVER]

    def _spawn(self) -> process.Process:
        (self.directory / 'rabbitmq.conf').write_text(self._settings())
        self._start_epmd()
        self._ready()  # discard the notices of an earlier run
        return super()._spawn()

    def _server_ports(self) -> Iterable[int]:
        return self.ports[:2]

    def _start_epmd(self) -> None:
        """Start the port mapper, which serves all runs of the broker.

        Otherwise the broker would start one itself, which outlives it.
        """
        port = self.epmd_port
        log = self.directory / 'epmd.log'
        if self._epmd is not None and self._epmd.alive:
            if self._epmd.listens(port):
                return
            self._epmd.kill()
        self._epmd = self._child(epmd_command(port), log=log.name)
        deadline = time.monotonic() + CALL_TIMEOUT
        while not self._epmd.listens(port):
            if not self._epmd.alive or time.monotonic() > deadline:
                self._epmd.kill()
                raise self._diagnose(f'no {EPMD}', [port], log)
            time.sleep(process.PAUSE)

    def _ready(self) -> bool:
        notices = b''
        while True:
            try:
                notices += self._notices.recv(NOTICE_SIZE) + b'\n'
            except BlockingIOError:
                return b'READY=1' in notices

    def _end(self) -> None:
        # NOTE: the broker first: it restarts a port mapper that ends.
        super()._end()
        if self._epmd is not None:
            self._epmd.kill()
