"""memcached: a private cache server."""

import os
import pathlib
import socket
from typing import ClassVar

from tests.servers import process

__all__ = ['Memcached', 'SecureMemcached']

SERVER = '/usr/bin/memcached'
OPENSSL = '/usr/bin/openssl'

TIMEOUT = 1.0


class Memcached(process.Server):
    """A memcached with one thread; its keys are lost when it ends."""

    NAME: ClassVar[str] = 'memcached'
    BINARIES: ClassVar[tuple[str, ...]] = (SERVER,)

    @property
    def address(self) -> str:
        """The host and the port, as clients are configured."""
        return f'{process.LOOPBACK}:{self.port}'

    def _initialise(self) -> None:
        """It needs no files."""

    def _command(self) -> list[str]:
        return [
            SERVER,
            f'--listen={process.LOOPBACK}',
            f'--port={self.port}',
            '--udp-port=0',
            '--memory-limit=16',
            '--threads=1',
            '--conn-limit=256',
            # NOTE: as root it refuses to start without a user.
            *(['--user=root'] if os.geteuid() == 0 else []),
        ]

    def answers(self) -> bool:
        """Whether it answers now."""
        try:
            with socket.create_connection(
                (process.LOOPBACK, self.port), timeout=TIMEOUT
            ) as client:
                return self._greet(client)
        except OSError:
            return False

    def _ready(self) -> bool:
        return self.answers() and self._existing().listens(self.port)

    def _greet(self, client: socket.socket) -> bool:
        client.sendall(b'version\r\n')
        return client.recv(64).startswith(b'VERSION ')


class SecureMemcached(Memcached):
    """A memcached that speaks TLS only, and checks clients' certificates.

    Server and clients share one self-signed certificate.
    """

    NAME: ClassVar[str] = 'memcached-tls'
    BINARIES: ClassVar[tuple[str, ...]] = (SERVER, OPENSSL)

    @property
    def certificate(self) -> pathlib.Path:
        return self.directory / 'certificate.pem'

    @property
    def key(self) -> pathlib.Path:
        """The file with the key of the certificate."""
        return self.directory / 'key.pem'

    def _initialise(self) -> None:
        self._run(
            [
                *(OPENSSL, 'req', '-x509', '-nodes', '-days', '2'),
                *('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'),
                *('-subj', '/CN=sgconductor'),
                *('-addext', f'subjectAltName=IP:{process.LOOPBACK}'),
                *('-addext', 'keyUsage=critical,digitalSignature,keyCertSign'),
                *('-keyout', str(self.key)),
                *('-out', str(self.certificate)),
            ]
        )

    def _command(self) -> list[str]:
        return [
            *super()._command(),
            '--enable-ssl',
            '--extended='
            f'ssl_chain_cert={self.certificate},ssl_key={self.key},'
            f'ssl_ca_cert={self.certificate},ssl_verify_mode=2',
        ]

    def _greet(self, client: socket.socket) -> bool:
        """Do nothing: a client without the certificate gets no answer."""
        return True
