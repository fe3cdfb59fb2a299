"""The database by itself."""

import datetime
from typing import Self

import sqlalchemy as sa
from oslo_config import cfg

from sgconductor import context as sg_context
from sgconductor.conductor import backend
from sgconductor.db import clock
from sgconductor.db import database
from sgconductor.db import schema
from sgconductor.servicegroup import driver as sg_driver


class Local:
    """The database by itself, for a look at it on a conductor's host.

    No conductor is asked, and no member is told of anything.

    :param conf: with ``[database]`` and the options of
        :mod:`sgconductor.conf`
    :raises ConfigError: for a configuration that cannot work
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._db = database.Database.from_conf(conf)
        self._drivers = sg_driver.load(conf)
        self._backend = backend.Backend(
            self._db, self._drivers, lambda epoch, versions: None
        )

    def check(self) -> None:
        """Reach the database, and see that its tables fit.

        :raises DatabaseUnreachable: naming it
        :raises SchemaMismatch: naming the command to run
        """
        self._db.ping()
        schema.check(self._db)

    def context(self) -> sg_context.RequestContext:
        """A context in which objects are read here."""
        return sg_context.RequestContext(backend=self._backend)

    def now(self) -> datetime.datetime:
        """The moment by the database's clock, as all of its moments are."""
        return self._db.query(
            lambda conn: conn.execute(sa.select(clock.utcnow())).scalar_one()
        )

    def close(self) -> None:
        """Give the connections back."""
        for driver in self._drivers:
            driver.close()
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
