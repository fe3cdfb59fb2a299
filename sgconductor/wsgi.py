"""``sgconductor.wsgi:application``: the REST API, for any WSGI server.

Importing it reads the configuration from oslo.config's default places, or
from the files in the environment variable ``SGCONDUCTOR_CONFIG_FILES``,
separated by commas.
"""

import os

from sgconductor.app import api as api_app
from sgconductor.cmd import api

_FILES = os.environ.get('SGCONDUCTOR_CONFIG_FILES', '')

application = api_app.Api(
    api.read([f'--config-file={path}' for path in _FILES.split(',') if path])
)
