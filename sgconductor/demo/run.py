"""The stage of the all-in-one: what its parts run on, and how they end."""

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
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_db import options as db_options

from sgconductor import app
from sgconductor import conf as sg_conf
from sgconductor import exception
from sgconductor.api import http_server
from sgconductor.app import api as api_app
from sgconductor.app import conductor as conductor_app
from sgconductor.conductor import watch
from sgconductor.demo import display
from sgconductor.demo import fleet
from sgconductor.messaging import transports

_BUS = 'fake://'

# In seconds, and quick, so that something is seen.
_QUICK = {'report_interval': 1, 'down_after': 3, 'sync_interval': 5}
_LOOK_EVERY = 0.2

_FAREWELL = 'Stopping: the members leave, the conductor finishes.'


def play(
    path: str | None,
    port: int | None,
    seconds: float | None,
    plain: bool,
    signals: Collection[signal.Signals],
) -> int:
    """Run it until the time is over, a signal comes, or nobody looks on.

    :param path: of the SQLite file; None for a temporary one
    :param port: of the API; None for the usual one, or any that is free
    :param seconds: None for no limit
    :param signals: blocked already; any of them ends it
    :returns: the exit status
    """
    if signal.sigtimedwait(signals, 0):
        return 0
    # What it logs, with a traceback, it also raises; that is told below.
    logging.getLogger('oslo_db').setLevel(logging.CRITICAL)
    try:
        with contextlib.ExitStack() as stack:
            conf = _configuration(stack, path)
            watcher, cast = _set_up(stack, conf, path)
            url = _serve(stack, conf, port)
            with _reader_may_go():
                with display.best(plain, url) as shown:
                    _run(watcher, cast, seconds, shown, signals)
                print(_FAREWELL, flush=True)
    except (exception.SGConductorError, db_exc.DBError) as error:
        first = str(error).splitlines()[0]
        print(f'sgconductor-allinone: {first}', file=sys.stderr)
        return 1
    return 0


def _set_up(
    stack: contextlib.ExitStack, conf: cfg.ConfigOpts, path: str | None
) -> tuple[watch.Watch, fleet.Fleet]:
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
    cast = fleet.Fleet(remote)
    stack.callback(cast.leave)
    cast.join()
    return watch.Watch(conductor.backend), cast


def _serve(
    stack: contextlib.ExitStack, conf: cfg.ConfigOpts, port: int | None
) -> str:
    """Serve the API; where, is returned."""
    api = api_app.Api(conf)
    stack.callback(api.close)
    serving = _server(conf, api, port)
    stack.enter_context(serving)
    stack.callback(api.stop)
    return serving.url


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


def _configuration(
    stack: contextlib.ExitStack, path: str | None
) -> cfg.ConfigOpts:
    if path is None:
        directory = stack.enter_context(
            tempfile.TemporaryDirectory(prefix='sgconductor-')
        )
        path = os.path.join(directory, 'services.db')
    # Whatever this host is configured to be, in files or in the environment,
    # is not for a show.
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[], use_env=False)
    sg_conf.register_conductor_opts(conf)
    sg_conf.register_api_opts(conf)
    conf.register_opts(db_options.database_opts, 'database')
    transports.use_url(conf, _BUS)
    url = sa.URL.create('sqlite', database=path).render_as_string()
    conf.set_override('connection', url.replace('$', '$$'), 'database')
    conf.set_override('auth_strategy', 'noauth', 'api')
    for name, value in _QUICK.items():
        conf.set_override(name, value, 'servicegroup')
    return conf


def _run(
    watcher: watch.Watch,
    cast: fleet.Fleet,
    seconds: float | None,
    shown: display.Display,
    signals: Collection[signal.Signals],
) -> None:
    if signal.sigtimedwait(signals, 0):
        return
    begin = time.monotonic()
    changes = _Changes()
    _log_to(shown.log)
    while True:
        elapsed = time.monotonic() - begin
        events = cast.act(elapsed)
        seen = watcher.look()
        state = watcher.pins()
        events += changes.of(seen) + changes.of_pins(*state)
        shown.show(elapsed, seen, _words(*state), events)
        left = math.inf if seconds is None else seconds - elapsed
        if left <= 0 or signal.sigtimedwait(signals, min(left, _LOOK_EVERY)):
            break


@contextlib.contextmanager
def _reader_may_go() -> Iterator[None]:
    """End quietly what shows something if nobody can see it any more."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        # Python would still complain of what it could not write.
        with open(os.devnull, 'w') as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _log_to(handler: logging.Handler) -> None:
    logging.captureWarnings(True)
    logging.basicConfig(
        handlers=[handler],
        level=logging.WARNING,
        format='%(levelname)s %(name)s: %(message)s',
    )


class _Changes:
    """What of the group is not as it was."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], str] = {}
        self._pins: dict[str, int] = {}

    def of(self, seen: Iterable[watch.Sighting]) -> list[str]:
        """A line for each service that went up or down since the last call."""
        lines = []
        for one in seen:
            key = (one.host, one.binary)
            before = self._before.get(key, 'new')
            now = 'up' if one.up else 'down'
            if now != before:
                what = f'{before} -> {now}  {one.reason}'.rstrip()
                lines.append(fleet.line(*key, what))
            self._before[key] = now
        return lines

    def of_pins(self, epoch: int, versions: Mapping[str, int]) -> list[str]:
        """A line for each pin that has moved since the last call."""
        lines = [
            f'pin of {binary}: {self._pins[binary]} -> {version}, '
            f'epoch {epoch}'
            for binary, version in versions.items()
            if version != self._pins.get(binary, version)
        ]
        self._pins = dict(versions)
        return lines


def _words(epoch: int, versions: Mapping[str, int]) -> str:
    pins = ', '.join(f'{name} {v}' for name, v in sorted(versions.items()))
    return f'pins of epoch {epoch}: {pins}'
