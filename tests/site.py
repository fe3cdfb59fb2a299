"""The REST API and the web page, served in this process, as a fixture."""

from typing import Any

import fixtures

from sgconductor.api import http_server
from sgconductor.app import api
from tests import deployment as sg_deployment

# More than the connections that a browser opens, and the event streams.
_THREADS = 16


class Site(fixtures.Fixture):
    """An API server on a port of its own.

    :param deployment: the deployment whose conductors the API asks
    :param overrides: options of its configuration; by default, every caller
        is an admin
    :ivar url: the URL of the API, without a slash at the end
    """

    url: str

    def __init__(
        self, deployment: sg_deployment.Deployment, **overrides: Any
    ) -> None:
        self._deployment = deployment
        self._overrides = {'api__auth_strategy': 'noauth', **overrides}

    def _setUp(self) -> None:
        wsgi = api.Api(self._deployment.conf(**self._overrides))
        self.addCleanup(wsgi.close)
        serving = http_server.Server(wsgi, '127.0.0.1', 0, _THREADS)
        serving.__enter__()
        self.addCleanup(serving.__exit__)
        self.addCleanup(wsgi.stop)
        self.url = serving.url.rstrip('/')
