"""sgconductor-api: the REST API, in the HTTP server that comes with it."""

import logging
import signal
import sys
import threading
from collections.abc import Sequence

from oslo_config import cfg

from sgconductor import conf as sg_conf
from sgconductor import exception
from sgconductor.cmd import configuration
from sgconductor.cmd import optional_import

LOG = logging.getLogger(__name__)

# Seconds to wait for the connections to close.
_CLOSE_TIMEOUT = 5
_END = (signal.SIGINT, signal.SIGTERM)


def main(argv: Sequence[str] | None = None) -> int:
    # Blocked in all threads to come too; this thread waits for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _END)
    try:
        conf = read(argv)
        sg_conf.validate_server(conf)
        api = optional_import.load('sgconductor.app.api:Api')(conf)
        try:
            group = conf.api
            server = optional_import.load(
                'sgconductor.api.http_server:Server'
            )(api, str(group.host), group.port, group.threads)
            with server:
                LOG.info('The API is at %s', server.url)
                signal.sigwait(_END)
                api.stop()
        finally:
            # While the broker does not answer, this would take a minute.
            closing = threading.Thread(target=api.close, daemon=True)
            closing.start()
            closing.join(_CLOSE_TIMEOUT)
    except exception.SGConductorError as error:
        print(f'sgconductor-api: {error}', file=sys.stderr)
        return 1
    return 0


def read(argv: Sequence[str] | None = None) -> cfg.ConfigOpts:
    """The configuration of the API, with its logging set up.

    :raises ConfigError: for a value that is not allowed
    """
    conf = configuration.read(
        'sgconductor-api', argv, sg_conf.register_api_opts
    )
    configuration.set_up_logging(conf)
    return conf
