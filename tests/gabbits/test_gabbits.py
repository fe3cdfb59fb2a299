"""Runs each file of requests as a suite, on a fleet of its own."""

import pathlib
import types
import unittest
from typing import Any

import fixtures
from gabbi import driver
from gabbi import fixture

from sgconductor.app import api
from tests import deployment
from tests import resources


class Fleet(fixture.GabbiFixture):
    """Two workers, a scheduler and their conductor, and the API as a WSGI
    application.
    """

    def start_fixture(self) -> None:
        self._parts = fixtures.Fixture()
        self._parts.setUp()
        place = self._parts.useFixture(
            deployment.Deployment(
                resources.RABBITMQ.getResource(),
                resources.MARIADB.getResource(),
            )
        )
        place.conductor()
        remote = place.remote()
        for host, binary, topic, version in (
            ('node1', 'acme-worker', 'worker', 3),
            ('node2', 'acme-worker', 'worker', 5),
            ('node1', 'acme-scheduler', 'scheduler', 1),
        ):
            one = remote.membership(host, binary, topic, version)
            one.join()
            self._parts.addCleanup(one.stop)
        conf = place.conf(
            api__auth_strategy='noauth',
            # gabbi uses a host name of its own.
            api__let_everybody_on_the_network_be_admin=True,
        )
        self._wsgi = api.Api(conf)
        self._parts.addCleanup(self._wsgi.close)

    def stop_fixture(self) -> None:
        self._parts.cleanUp()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self._wsgi(environ, start_response)


def load_tests(
    loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: str | None
) -> unittest.TestSuite:
    # All files share it; each starts it first and stops it last.
    fleet = Fleet()
    suite: unittest.TestSuite = driver.build_tests(
        str(pathlib.Path(__file__).parent),
        loader,
        intercept=lambda: fleet,
        fixture_module=types.SimpleNamespace(Fleet=lambda: fleet),
        test_loader_name=__name__,
    )
    return suite
