"""sgconductor-api: the REST API, with the server that comes with it."""

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

# In seconds.
_CLOSES_WITHIN = 5
_END = (signal.SIGINT, signal.SIGTERM)


def main(argv: Sequence[str] | None = None) -> int:
    # Threads to come have them held back too; this one waits for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _END)
    try:
        conf = read(argv)
        sg_conf.validate_server(conf)
        api = optional_import.load('sgconductor.app.api:Api')(conf)
        try:
            group = conf.api
            listening = optional_import.load(
                'sgconductor.api.http_server:Server'
            )(api, str(group.host), group.port, group.threads)
            with listening:
                LOG.info('The API is at %s', listening.url)
                signal.sigwait(_END)
                api.stop()
        finally:
            # A broker that stands still would have it wait for a minute.
            closing = threading.Thread(target=api.close, daemon=True)
            closing.start()
            closing.join(_CLOSES_WITHIN)
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
