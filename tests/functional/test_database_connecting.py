"""How connections to a database are made, and what each one is told."""

import socket
import time
from typing import Any

import fixtures
import sqlalchemy as sa

from sgconductor import exception
from sgconductor.db import database
from tests import resources
from tests.functional import base

MARIADB: base.Scenario = (
    'mariadb',
    {'resources': [('server', resources.MARIADB)]},
)
POSTGRESQL: base.Scenario = (
    'postgresql',
    {'resources': [('server', resources.POSTGRESQL)]},
)

# A name that only these tests can look up.
NAME = 'database.test'


class ConnectingTest(base.DeploymentTest):
    def open(
        self, timeout: float, query: dict[str, str] | None = None, **parts: Any
    ) -> database.Database:
        """The database, with a URL that differs.

        :param query: parameters to add
        :param parts: of a URL of SQLAlchemy
        """
        url = sa.make_url(self.deployment.url).set(**parts)
        url = url.update_query_dict(query or {})
        db = database.Database(
            url.render_as_string(hide_password=False), timeout
        )
        self.addCleanup(db.close)
        return db

    def resolve(self, name: str, *addresses: str) -> None:
        """Have a name stand for these addresses, in this order."""
        real = socket.getaddrinfo

        def resolved(host: Any, *args: Any, **kwargs: Any) -> list[Any]:
            found = addresses if host == name else [host]
            return [
                entry
                for each in found
                for entry in real(each, *args, **kwargs)
            ]

        self.useFixture(fixtures.MonkeyPatch('socket.getaddrinfo', resolved))

    def black_hole(self, address: str, port: int = 0) -> int:
        """Have a port drop the packets of those who connect to it.

        :returns: the port
        """
        listening = socket.socket()
        self.addCleanup(listening.close)
        listening.bind((address, port))
        listening.listen(0)
        # Fill its queue.
        for _ in range(4):
            waiting = socket.socket()
            self.addCleanup(waiting.close)
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        taken: int = listening.getsockname()[1]
        return taken


class TestAddressesOnMariaDB(ConnectingTest):
    scenarios = [MARIADB]

    def test_an_address_that_drops_packets_leaves_time_for_others(
        self,
    ) -> None:
        self.black_hole('127.0.0.2', self.server.port)
        self.resolve(NAME, '127.0.0.2', '127.0.0.1')
        db = self.open(3.0, host=NAME)
        self.assertEqual(1, db.query(one))

    def test_an_error_names_each_address(self) -> None:
        port = self.black_hole('127.0.0.2')
        self.resolve(NAME, '127.0.0.2', '127.0.0.3')
        db = self.open(0.5, host=NAME, port=port)
        error = self.assertRaises(exception.DatabaseUnreachable, db.ping)
        self.assertIn('127.0.0.2: timed out; 127.0.0.3: ', str(error))


class TestAddressesOnPostgreSQL(ConnectingTest):
    scenarios = [POSTGRESQL]

    def test_all_addresses_of_a_host_share_the_time(self) -> None:
        port = self.black_hole('127.0.0.1')
        self.resolve('localhost', '127.0.0.1', '127.0.0.2', '127.0.0.3')
        db = self.open(6.0, host='localhost', port=port)
        began = time.monotonic()
        self.assertRaises(exception.DatabaseUnreachable, db.ping)
        self.assertLess(time.monotonic() - began, 5)


class TestSettingsOfMariaDB(ConnectingTest):
    scenarios = [MARIADB]

    def settings(self, own: str) -> dict[str, Any]:
        """Limits of a connection whose URL has an ``init_command``."""
        db = self.open(10.0, {'init_command': own})
        names = (
            *('innodb_lock_wait_timeout', 'lock_wait_timeout'),
            'idle_transaction_timeout',
        )
        row = db.query(
            lambda conn: conn.exec_driver_sql(
                'SELECT ' + ', '.join(f'@@{name}' for name in names)
            ).one()
        )
        return dict(zip(names, row, strict=True))

    def test_only_what_the_url_sets_is_left_as_it_is(self) -> None:
        self.assertEqual(
            {
                'innodb_lock_wait_timeout': 9,
                'lock_wait_timeout': 5,
                'idle_transaction_timeout': 10,
            },
            self.settings('SET INNODB_LOCK_WAIT_TIMEOUT = 9'),
        )

    def test_a_url_can_set_everything(self) -> None:
        own = {
            'group_concat_max_len': 2**20,
            'tx_isolation': "'READ-COMMITTED'",
            'transaction_isolation': "'READ-COMMITTED'",
            'innodb_lock_wait_timeout': 7,
            'lock_wait_timeout': 8,
            'max_statement_time': 9,
            'idle_transaction_timeout': 11,
        }
        if not self.knows('transaction_isolation'):
            del own['transaction_isolation']
        text = ', '.join(f'{name} = {value}' for name, value in own.items())
        self.assertEqual(
            {
                'innodb_lock_wait_timeout': 7,
                'lock_wait_timeout': 8,
                'idle_transaction_timeout': 11,
            },
            self.settings(f'SET {text}'),
        )

    def knows(self, name: str) -> bool:
        """Whether the server has a variable."""
        found = self.deployment.db.query(
            lambda conn: conn.exec_driver_sql(
                f"SHOW VARIABLES LIKE '{name}'"
            ).all()
        )
        return bool(found)


class TestSettingsOfPostgreSQL(ConnectingTest):
    scenarios = [POSTGRESQL]

    def check(self, own: str, **expected: str) -> None:
        """Check limits of a connection whose URL has ``options``."""
        db = self.open(10.0, {'options': own})

        def show(conn: sa.Connection) -> dict[str, str]:
            return {
                name: conn.exec_driver_sql(f'SHOW {name}').scalar_one()
                for name in expected
            }

        self.assertEqual(expected, db.query(show))

    def test_only_what_the_url_sets_is_left_as_it_is(self) -> None:
        self.check(
            '-c deadlock_timeout=3s',
            deadlock_timeout='3s',
            lock_timeout='5s',
            statement_timeout='10s',
        )

    def test_each_way_to_set_something_is_known(self) -> None:
        self.check(
            '-c lock_timeout=2s -cstatement_timeout=7s '
            '--idle-in-transaction-session-timeout=9s',
            lock_timeout='2s',
            statement_timeout='7s',
            idle_in_transaction_session_timeout='9s',
        )


def one(conn: sa.Connection) -> int:
    return int(conn.execute(sa.select(1)).scalar_one())
