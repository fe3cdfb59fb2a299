"""Running the demo: setting its parts up, the loop, and the end."""

import contextlib
import errno
import logging
import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_db import options as db_options

from sgconductor import app
from sgconductor import conf as sg_conf
from sgconductor import context as sg_context
from sgconductor import exception
from sgconductor import objects
from sgconductor.api import http_server
from sgconductor.app import api as api_app
from sgconductor.app import conductor as conductor_app
from sgconductor.demo import changes
from sgconductor.demo import display
from sgconductor.demo import fleet
from sgconductor.messaging import transports

_BUS = 'fake://'

# In seconds; short, so that a viewer soon sees changes.
_INTERVALS = {'report_interval': 1, 'down_after': 3, 'sync_interval': 5}
_REFRESH_INTERVAL = 0.2

_STOPPING = 'Stopping: the members leave, the conductor finishes.'


def run(
    path: str | None,
    port: int | None,
    seconds: float | None,
    plain: bool,
    signals: Collection[signal.Signals],
) -> int:
    """Run until the time is over, a signal comes, or the reader is gone.

    :param path: of the SQLite file; None for a temporary one
    :param port: of the API; None for the default, or any that is free
    :param seconds: None for no limit
    :param plain: whether to print lines even on a terminal
    :param signals: blocked already; each of them ends the demo
    :returns: the exit status
    """
    if signal.sigtimedwait(signals, 0):
        return 0
    # It raises what it logs with a traceback; one line below reports that.
    logging.getLogger('oslo_db').setLevel(logging.CRITICAL)
    try:
        with contextlib.ExitStack() as stack:
            conf = _configuration(stack, path)
            context, members = _set_up(stack, conf, path)
            url = _serve(stack, conf, port)
            with _reader_may_go():
                with display.choose(plain, url) as shown:
                    _loop(context, members, seconds, shown, signals)
                print(_STOPPING, flush=True)
    except (exception.SGConductorError, db_exc.DBError) as error:
        first = str(error).splitlines()[0]
        print(f'sgconductor-allinone: {first}', file=sys.stderr)
        return 1
    return 0


def _configuration(
    stack: contextlib.ExitStack, path: str | None
) -> cfg.ConfigOpts:
    if path is None:
        directory = stack.enter_context(
            tempfile.TemporaryDirectory(prefix='sgconductor-')
        )
        path = os.path.join(directory, 'services.db')
    # The configuration of this host, in files or in the environment, is
    # not for the demo.
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[], use_env=False)
    sg_conf.register_conductor_opts(conf)
    sg_conf.register_api_opts(conf)
    conf.register_opts(db_options.database_opts, 'database')
    transports.use_url(conf, _BUS)
    url = sa.URL.create('sqlite', database=path).render_as_string()
    conf.set_override('connection', url.replace('$', '$$'), 'database')
    conf.set_override('auth_strategy', 'noauth', 'api')
    for name, value in _INTERVALS.items():
        conf.set_override(name, value, 'servicegroup')
    return conf


def _set_up(
    stack: contextlib.ExitStack, conf: cfg.ConfigOpts, path: str | None
) -> tuple[sg_context.RequestContext, fleet.Fleet]:
    """Start the conductor and the fleet.

    :returns: a context in which the group can be looked at, and the fleet
    """
    conductor = conductor_app.Conductor(conf)
    try:
        conductor.sync_schema()
    except exception.DatabaseUnreachable as error:
        conductor.close()
        _, why = error.args
        raise exception.ConfigError(
            f'--database {path} cannot be used: {why}'
        ) from None
    conductor.start()
    stack.callback(conductor.stop)
    remote = stack.enter_context(app.Remote(conf, timeout=10))
    members = fleet.Fleet(remote)
    stack.callback(members.leave)
    members.join()
    return remote.context(), members


def _serve(
    stack: contextlib.ExitStack, conf: cfg.ConfigOpts, port: int | None
) -> str:
    """Start the API.

    :returns: its URL
    """
    api = api_app.Api(conf)
    stack.callback(api.close)
    server = _server(conf, api, port)
    stack.enter_context(server)
    stack.callback(api.stop)
    return server.url


def _server(
    conf: cfg.ConfigOpts, api: api_app.Api, port: int | None
) -> http_server.Server:
    host, threads = str(conf.api.host), conf.api.threads
    try:
        return http_server.Server(api, host, port or conf.api.port, threads)
    except exception.ConfigError:
        if port is not None:
            raise
        return http_server.Server(api, host, 0, threads)


def _loop(
    context: sg_context.RequestContext,
    members: fleet.Fleet,
    seconds: float | None,
    shown: display.Display,
    signals: Collection[signal.Signals],
) -> None:
    if signal.sigtimedwait(signals, 0):
        return
    begin = time.monotonic()
    changed = changes.Changes()
    _log_to(shown.log)
    while True:
        elapsed = time.monotonic() - begin
        events = members.run_until(elapsed)
        services = list(objects.ServiceList.walk(context))
        in_force = objects.PinList.in_force(context)
        epoch, pins = in_force['epoch'], in_force['pins']
        events += changed.of_services(services)
        events += changed.of_pins(epoch, pins)
        shown.show(elapsed, services, _pins_line(epoch, pins), events)
        left = math.inf if seconds is None else seconds - elapsed
        wait = min(left, _REFRESH_INTERVAL)
        if left <= 0 or signal.sigtimedwait(signals, wait):
            break


@contextlib.contextmanager
def _reader_may_go() -> Iterator[None]:
    """End quietly when nobody can read standard output any more."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        # At its end, Python would report what it could not write.
        with open(os.devnull, 'w') as null:
            os.dup2(null.fileno(), sys.stdout.fileno())


def _log_to(handler: logging.Handler) -> None:
    logging.captureWarnings(True)
    logging.basicConfig(
        handlers=[handler],
        level=logging.WARNING,
        format='%(levelname)s %(name)s: %(message)s',
    )


def _pins_line(epoch: int, versions: Mapping[str, int]) -> str:
    pins = ', '.join(f'{name} {v}' for name, v in sorted(versions.items()))
    return f'pins of epoch {epoch}: {pins}'
