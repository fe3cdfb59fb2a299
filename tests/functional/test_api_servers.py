"""The API as a process, under each server that doc/api.rst names."""

import os
import pathlib
import signal
import socket
import urllib.parse
from typing import Any

import fixtures
import requests
from testtools import content

from sgconductor.api import http_server
from sgconductor.app import api
from tests import program
from tests.functional import base
from tests.servers import process

GUNICORN = (
    'gunicorn',
    *('--worker-class', 'gthread', '--workers', '2', '--threads', '32'),
    *('--graceful-timeout', '5', '--limit-request-line', '0'),
    *('--bind', '{address}'),
    'sgconductor.wsgi:application',
)
UWSGI = (
    'uwsgi',
    *('--http-socket', '{address}', '--module', 'sgconductor.wsgi'),
    *('--master', '--lazy-apps', '--enable-threads', '--workers', '2'),
    *('--threads', '32', '--need-app', '--die-on-term'),
    *('--worker-reload-mercy', '5', '--buffer-size', '65535'),
)
OURS = ('sgconductor-api', '--config-file', '{config}')


class ServerTest(base.ConductorTest):
    """A conductor in this process, and the API as another."""

    scenarios = [base.ON_MARIADB]

    def serve(self, command: tuple[str, ...]) -> program.Program:
        (port,) = process.free_ports(1)
        address = f'{process.LOOPBACK}:{port}'
        config = self.deployment.config_file(
            api__auth_strategy='noauth', api__port=port
        )
        args = [arg.format(address=address, config=config) for arg in command]
        self.url = f'http://{address}'
        started = self.useFixture(
            program.Program(
                *args,
                env={**os.environ, 'SGCONDUCTOR_CONFIG_FILES': config},
                fresh=True,
            )
        )
        self.addOnException(
            lambda _: self.addDetail(
                'the API', content.text_content(started.output)
            )
        )
        self.wait_for('the API', self.is_there, patience=3 * base.PATIENCE)
        return started

    def is_there(self) -> bool:
        try:
            return bool(self.ask('/healthcheck').ok)
        except requests.ConnectionError:
            return False

    def ask(self, path: str, **more: Any) -> requests.Response:
        return requests.get(f'{self.url}{path}', timeout=base.PATIENCE, **more)


class TestServers(ServerTest):
    def check(self, command: tuple[str, ...]) -> None:
        started = self.serve(command)
        self.member()
        path = f'/v1/services/{self.get_service().uuid}'
        told = requests.patch(
            f'{self.url}{path}',
            json={'disabled': True},
            timeout=base.PATIENCE,
        ).json()
        self.assertEqual((True, 'up'), (told['disabled'], told['liveness']))
        self.assertEqual(400, self.ask('/v1/services?colour=red').status_code)
        # The longest URL of all operations.
        hosts = [f'{"n" * 100}{i}' for i in range(200)]
        answer = self.ask('/v1/what-if', params={'without': hosts})
        self.assertEqual(404, answer.status_code, answer.text)
        with self.ask('/v1/events/stream', stream=True) as stream:
            lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
            self.assertIn('retry', next(lines))
            # The open stream does not block other requests.
            self.assertTrue(self.ask(path).ok)
            self.conductor.stop()
            answer = self.ask(path)
            self.assertEqual(503, answer.status_code, answer.text)
            # The open stream does not keep it from stopping.
            started.signal(signal.SIGTERM)
            self.assertEqual(0, started.wait(), started.output)
        self.assertNotIn('Traceback', started.output)

    def test_ours(self) -> None:
        self.check(OURS)

    def test_ours_while_the_broker_hangs(self) -> None:
        started = self.serve(OURS)
        self.assertTrue(self.ask('/v1/pins').ok)
        self.broker.freeze()
        self.addCleanup(self.broker.thaw)
        self.assertEqual(503, self.ask('/v1/pins').status_code)
        # The call is still waiting: its connection fails after a minute.
        started.signal(signal.SIGTERM)
        self.assertEqual(0, started.wait(base.PATIENCE), started.output)

    def test_ours_without_its_extra(self) -> None:
        missing = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (missing / 'cheroot.py').write_text('raise ModuleNotFoundError("x")\n')
        started = self.useFixture(
            program.Program(
                *OURS[:2],
                self.deployment.config_file(api__auth_strategy='noauth'),
                env={**os.environ, 'PYTHONPATH': str(missing)},
                fresh=True,
            )
        )
        self.assertEqual(1, started.wait())
        # Without the shortcuts, a line of the log says so before.
        *_, line = started.output.splitlines()
        self.assertIn("pip install 'sgconductor[api]'", line)
        self.assertNotIn('Traceback', started.output)

    def test_ours_and_a_body_that_does_not_arrive(self) -> None:
        wsgi = api.Api(self.deployment.conf(api__auth_strategy='noauth'))
        self.addCleanup(wsgi.close)
        self.member()
        head = (
            f'PATCH /v1/services/{self.get_service().uuid} HTTP/1.1\r\n'
            f'Host: localhost\r\nContent-Type: application/json\r\n'
            f'Content-Length: 20\r\n\r\n{{'
        )
        with http_server.Server(
            wsgi, process.LOOPBACK, 0, 2, timeout=1
        ) as ours:
            port = urllib.parse.urlsplit(ours.url).port
            with socket.create_connection((process.LOOPBACK, port)) as link:
                link.settimeout(base.PATIENCE)
                link.sendall(head.encode())
                answer = link.recv(4096)
        self.assertTrue(answer.startswith(b'HTTP/1.1 408'), answer)

    def test_gunicorn(self) -> None:
        self.check(GUNICORN)

    def test_uwsgi(self) -> None:
        self.check(UWSGI)
