"""A deployment on real servers, as a fixture: conductors and callers."""

import datetime
import pathlib
import secrets
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

import fixtures
import oslo_messaging as messaging
import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import options as db_options
from oslo_messaging.notify import notifier

from sgconductor import app
from sgconductor import conf as sg_conf
from sgconductor import context as sg_context
from sgconductor import objects
from sgconductor.app import conductor as conductor_app
from sgconductor.db import clock
from sgconductor.db import database
from sgconductor.db import models
from sgconductor.db import schema

FAKE = 'fake://'

# Seconds.
_CALLS_END_WITHIN = 15.0


class Deployment(fixtures.Fixture):
    """One database and one message bus, and conductors and remote callers.

    :param broker: a started RabbitMQ, or None for ``fake://``
    :param server: a started database server, or None for SQLite
    :param tables: whether to make this release's tables
    :param more: more text for the configuration files
    :ivar url: of the database
    :ivar transport_url: of the message bus
    :ivar db: with which a test reads and writes the tables itself
    :ivar more: as above; a change applies to later configurations
    """

    def __init__(
        self, broker: Any, server: Any, tables: bool = True, more: str = ''
    ) -> None:
        self._broker = broker
        self._server = server
        self._tables = tables
        self.more = more

    def _setUp(self) -> None:
        name = self._name = f't{secrets.token_hex(6)}'
        self.directory = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.transport_url = self._broker.vhost(name) if self._broker else FAKE
        if self._server:
            # As an operator would write it, except for the option that
            # keeps PyMySQL from loading certificates for each connection.
            self.url: str = self._server.create_database(name).replace(
                'charset=utf8mb4&', ''
            )
            self.addCleanup(self._server.drop_database, name)
        else:
            self.url = f'sqlite:///{self.directory / "sg.db"}'
        self.db = database.Database.from_conf(self.conf())
        self.addCleanup(self.db.close)
        if self._tables:
            schema.sync(self.db)
        self._open: list[Callable[[], None]] = []
        self.addCleanup(self._close)

    def _close(self) -> None:
        # Calls that were given up go on, and would connect again after all is
        # closed.
        for thread in threading.enumerate():
            if thread.name == 'call':
                thread.join(_CALLS_END_WITHIN)
        # In parallel, because each waits a second for its broker.
        with futures.ThreadPoolExecutor() as closing:
            for done in [closing.submit(close) for close in self._open]:
                done.result()

    def conf(self, **overrides: Any) -> cfg.ConfigOpts:
        """A configuration of this deployment, with short intervals.

        :param overrides: ``group__option=value``, or ``option=value``
        """
        conf = cfg.ConfigOpts()
        more = self.directory / 'more.conf'
        more.write_text(self.more)
        conf([], default_config_files=[str(more)], default_config_dirs=[])
        sg_conf.register_conductor_opts(conf)
        sg_conf.register_api_opts(conf)
        conf.register_opts(db_options.database_opts, 'database')
        messaging.TransportURL.parse(conf, self.transport_url)
        conf.register_opts(
            notifier._notifier_opts, 'oslo_messaging_notifications'
        )
        values = {
            'conductor__host': 'conductor1',
            'transport_url': self.transport_url,
            'database__connection': self.url,
            'conductor__beat_batch_timeout': 0.05,
            'servicegroup__report_interval': 1,
            'servicegroup__down_after': 30,
            'servicegroup__sync_interval': 1,
            **overrides,
        }
        for key, value in values.items():
            group, _, option = key.rpartition('__')
            conf.set_override(option, value, group or None)
        return conf

    def config_file(self, debug: bool = False, **overrides: Any) -> str:
        """The same as :meth:`conf`, as a file for processes."""
        conf = self.conf(**overrides)
        groups: dict[str, list[str]] = {
            'DEFAULT': ['transport_url'],
            'database': ['connection'],
        }
        for group, opts in sg_conf.list_opts():
            groups.setdefault(group, []).extend(o.dest for o in opts)
        lines = ['[DEFAULT]', f'debug = {debug}']
        for group, names in groups.items():
            lines.append(f'[{group}]')
            section = conf if group == 'DEFAULT' else conf[group]
            lines += [
                f'{name} = {_text(section[name])}'.replace('$', '$$')
                for name in dict.fromkeys(names)
                if section[name] is not None
            ]
        path = self.directory / f'{secrets.token_hex(4)}.conf'
        path.write_text('\n'.join([*lines, self.more]) + '\n')
        return str(path)

    def conductor(self, **overrides: Any) -> conductor_app.Conductor:
        """A conductor in this process, started."""
        conductor = conductor_app.Conductor(self.conf(**overrides))
        conductor.start()
        self._open.append(conductor.stop)
        return conductor

    def remote(self, timeout: float = 10, **overrides: Any) -> app.Remote:
        """A remote caller, connected as any other process is."""
        remote = app.Remote(self.conf(**overrides), timeout)
        self._open.append(remote.close)
        return remote

    def local(
        self, conductor: conductor_app.Conductor
    ) -> sg_context.RequestContext:
        """A context inside the conductor."""
        return sg_context.RequestContext(backend=conductor.backend)

    def beat(
        self, remote: app.Remote, service: objects.Service, **other: int
    ) -> None:
        """Send a beat for a service, as its process would.

        :param other: values that replace those of the service
        """
        values = {
            'id_': service.id,
            'incarnation': service.incarnation,
            'stamp': clock.to_micros(service.last_seen_up),
            'epoch': 0,
            **other,
        }
        remote._beats.beat(**values)

    def queue_depth(self, queue: str) -> int:
        """How many messages of a queue are not acknowledged yet."""
        depth: int = self._broker.queue_depth(self._name, queue)
        return depth

    def unacknowledged(self, queue: str) -> int:
        """How many messages of a queue consumers hold unacknowledged."""
        count = self._broker.evaluate(
            f'{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r('
            f'<<"{self._name}">>, queue, <<"{queue}">>)),'
            f'[{{_, Count}}] = rabbit_amqqueue:info('
            f'Queue, [messages_unacknowledged]),'
            f'integer_to_list(Count).'
        )
        return int(count.strip('"'))

    def age(self, id_: int, seconds: float) -> None:
        """Move a service's last beat into the past."""
        table = models.services
        with self.db.writer() as conn:
            last_seen_up = conn.execute(
                sa.select(table.c.last_seen_up).where(table.c.id == id_)
            ).scalar_one()
            past = last_seen_up - datetime.timedelta(seconds=seconds)
            conn.execute(
                table.update()
                .where(table.c.id == id_)
                .values(last_seen_up=past)
            )

    def stop_reception(self, seconds: float) -> None:
        """Make the tables say that no beat was received for so many seconds.

        The next beat makes an outage of that time. A negative number is as
        if the database's clock had been set back.
        """
        table = models.hearing
        with self.db.writer() as conn:
            now = conn.execute(sa.select(clock.utcnow())).scalar_one()
            past = now - datetime.timedelta(seconds=seconds)
            conn.execute(table.update().values(heard_at=past))
            # A busy machine may have made outages in that time.
            outages = models.gaps
            conn.execute(outages.delete().where(outages.c.ended > past))
            last_seen_up = models.services.c.last_seen_up
            conn.execute(
                models.services.update()
                .where(last_seen_up > past)
                .values(last_seen_up=past)
            )


def _text(value: Any) -> str:
    return ','.join(value) if isinstance(value, list) else str(value)
