"""ZooKeeper: a private coordination server."""

import os
import shutil
import signal
import socket
from collections.abc import Mapping
from typing import ClassVar

from tests.servers import process

__all__ = ['ZooKeeper']

JAVA = '/usr/bin/java'
JARS = '/usr/share/java'
JAR = f'{JARS}/zookeeper.jar'

# NOTE: the jar's manifest names the jars that it needs, except these: for
# logging, and for TLS with Netty.
MORE_JARS = ('slf4j-simple', 'netty-codec', 'netty-resolver')

NETTY = 'org.apache.zookeeper.server.NettyServerCnxnFactory'

# NOTE: a server that has just started may accept a word and not answer.
TIMEOUT = 0.3


class ZooKeeper(process.Server):
    """A ZooKeeper, with all four-letter words enabled.

    A write that was answered survives ``kill``.

    :param tick: milliseconds; sessions expire at multiples of it
    :param properties: system properties of the JVM, such as
        ``zookeeper.ssl.…``; a change takes effect at the next start
    :param tls: whether to serve TLS on a second port; the properties
        configure it
    """

    NAME: ClassVar[str] = 'ZooKeeper'
    BINARIES: ClassVar[tuple[str, ...]] = (JAVA, JAR)
    MAIN: ClassVar[str] = 'org.apache.zookeeper.server.ZooKeeperServerMain'
    PORT_COUNT: ClassVar[int] = 2
    STOP_SIGNAL: ClassVar[int] = signal.SIGTERM

    def __init__(
        self,
        tick: int = 200,
        properties: Mapping[str, str] | None = None,
        tls: bool = False,
    ) -> None:
        super().__init__()
        self._tick = tick
        self.properties = dict(properties or {})
        self._tls = tls

    @property
    def hosts(self) -> str:
        """The host and the port, as clients are configured."""
        return f'{process.LOOPBACK}:{self.port}'

    @property
    def tls_hosts(self) -> str:
        """The host and the port for TLS."""
        return f'{process.LOOPBACK}:{self.ports[1]}'

    def ask(self, word: str) -> str:
        """Return the answer to a four-letter word, empty if none comes."""
        answer = b''
        try:
            with socket.create_connection(
                (process.LOOPBACK, self.port), timeout=TIMEOUT
            ) as client:
                client.sendall(word.encode())
                while part := client.recv(65536):
                    answer += part
        except OSError:
            return ''
        return answer.decode()

    def wipe(self) -> None:
        """Delete all data; the server must not run."""
        shutil.rmtree(self.directory / 'data')

    def _initialise(self) -> None:
        """Do nothing: the server makes its data folder itself."""

    def _settings(self) -> dict[str, str]:
        """The lines of its configuration file."""
        settings = {
            'dataDir': f'{self.directory}/data',
            'clientPort': str(self.port),
            'clientPortAddress': process.LOOPBACK,
            'tickTime': str(self._tick),
            # NOTE: by default, a timeout must be 2 to 20 ticks.
            'minSessionTimeout': '400',
            'maxSessionTimeout': '60000',
            'maxClientCnxns': '0',
            'admin.enableServer': 'false',
            '4lw.commands.whitelist': '*',
        }
        if self._tls:
            settings |= {
                'secureClientPort': str(self.ports[1]),
                'secureClientPortAddress': process.LOOPBACK,
                'serverCnxnFactory': NETTY,
            }
        return settings

    def _configure(self) -> None:
        settings = self._settings()
        (self.directory / 'zoo.cfg').write_text(
            ''.join(f'{name}={value}\n' for name, value in settings.items())
        )

    def _command(self) -> list[str]:
        # NOTE: at each start, because ports and properties may change.
        self._configure()
        properties = {
            # NOTE: faster; only a power cut loses data, and not a kill.
            'zookeeper.forceSync': 'no',
            'org.slf4j.simpleLogger.defaultLogLevel': 'warn',
            **self.properties,
        }
        return [
            JAVA,
            '-XX:TieredStopAtLevel=1',
            '-XX:+UseSerialGC',
            '-XX:-UsePerfData',
            '-Xms16m',
            '-Xmx128m',
            *(f'-D{name}={value}' for name, value in properties.items()),
            '-cp',
            os.pathsep.join([JAR, *(f'{JARS}/{j}.jar' for j in MORE_JARS)]),
            self.MAIN,
            f'{self.directory}/zoo.cfg',
        ]

    def _ready(self) -> bool:
        ports = self.ports if self._tls else self.ports[:1]
        return self.ask('ruok') == 'imok' and all(
            self._existing().listens(port) for port in ports
        )
