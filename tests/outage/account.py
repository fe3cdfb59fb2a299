"""Database accounts that a server treats in another way than its owner."""

import abc
import contextlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import ClassVar

import fixtures
import sqlalchemy as sa

HOWS = ('read-only', 'switched-over', 'connections', 'isolation')


class Account(fixtures.Fixture, abc.ABC):
    """An account that may read and write one database, and no more.

    :param url: of the database, for an account that may do everything
    :param suffix: what its name has after the name of the database
    :cvar MAKE: the statements that make it
    :cvar DROP: those that drop it
    :cvar KILL: those that end its sessions
    :cvar BEGIN: those that begin what :meth:`begin` is told
    :cvar END: those that end it
    """

    MAKE: ClassVar[Sequence[str]]
    DROP: ClassVar[Sequence[str]]
    KILL: ClassVar[Sequence[str]]
    BEGIN: ClassVar[Mapping[str, Sequence[str]]]
    END: ClassVar[Mapping[str, Sequence[str]]]

    def __init__(self, url: str, suffix: str = '') -> None:
        self._url = sa.make_url(url)
        self._name = f'{self._url.database}{suffix}'
        self._idle: list[sa.Connection] = []

    def _setUp(self) -> None:
        self._owner = _engine(self._url)
        self._engine = _engine(self._url.set(username=self._name))
        self._execute(self.MAKE)
        self.addCleanup(self._execute, [*self.KILL, *self.DROP])
        self.addCleanup(self.release)

    def url(self, port: int) -> str:
        """The database's URL for this account.

        :param port: on which the server, or a proxy, listens
        """
        url = self._url.set(username=self._name, port=port)
        return url.render_as_string(hide_password=False)

    def begin(self, how: str) -> None:
        """Change what the account's sessions may do, and end the old ones.

        :param how: one of HOWS; with 'connections', it gets no session
        """
        self._execute(self.BEGIN[how])
        self.kill()
        if how == 'connections':
            self._use_up_own()

    def end(self, how: str) -> None:
        """Undo it for new sessions; after 'switched-over', for no others."""
        self.release()
        self._execute(self.END[how])

    def kill(self) -> None:
        """End all sessions of the account."""
        self._execute(self.KILL)

    def fill(self) -> None:
        """Use up the connections of the server."""
        with contextlib.suppress(sa.exc.OperationalError):
            while True:
                self._idle.append(self._engine.connect())

    def release(self) -> None:
        """Close the connections that are used up."""
        while self._idle:
            self._idle.pop().close()

    @abc.abstractmethod
    def _use_up_own(self) -> None:
        """Use up the connections that the account may have."""

    def _execute(self, statements: Sequence[str]) -> None:
        with self._owner.connect() as conn:
            for statement in statements:
                conn.exec_driver_sql(
                    statement.format(
                        name=self._name, database=self._url.database
                    )
                )


class MariaDBAccount(Account):
    MAKE = (
        'CREATE USER {name}@`127.0.0.1`',
        'GRANT ALL ON {database}.* TO {name}@`127.0.0.1`',
    )
    DROP = ('DROP USER {name}@`127.0.0.1`',)
    KILL = ('KILL USER {name}@`127.0.0.1`',)
    # read_only and init_connect do not apply to the owner, nor to conductors
    # that use the owner's account.
    BEGIN: ClassVar[Mapping[str, Sequence[str]]] = {
        'read-only': ('SET GLOBAL read_only = 1',),
        'switched-over': (
            "SET GLOBAL init_connect = 'SET SESSION TRANSACTION READ ONLY'",
        ),
        'connections': (
            'ALTER USER {name}@`127.0.0.1` WITH MAX_USER_CONNECTIONS 1',
        ),
        'isolation': (
            "SET GLOBAL init_connect = 'SET SESSION TRANSACTION ISOLATION "
            "LEVEL SERIALIZABLE'",
        ),
    }
    END: ClassVar[Mapping[str, Sequence[str]]] = {
        'read-only': ('SET GLOBAL read_only = 0',),
        'switched-over': ("SET GLOBAL init_connect = ''",),
        'connections': (
            'ALTER USER {name}@`127.0.0.1` WITH MAX_USER_CONNECTIONS 0',
        ),
        'isolation': ("SET GLOBAL init_connect = ''",),
    }

    def _use_up_own(self) -> None:
        # 0 would mean no limit, so that a session has to take the only place
        # before a conductor does.
        while not self._idle:
            self.kill()
            with contextlib.suppress(sa.exc.OperationalError):
                self._idle.append(self._engine.connect())


class PostgreSQLAccount(Account):
    MAKE = (
        'CREATE ROLE {name} LOGIN',
        'GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}',
        'GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}',
    )
    DROP = ('DROP OWNED BY {name}', 'DROP ROLE {name}')
    KILL = (
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
        "WHERE usename = '{name}'",
    )
    BEGIN: ClassVar[Mapping[str, Sequence[str]]] = {
        'read-only': (
            'ALTER ROLE {name} SET default_transaction_read_only = 1',
        ),
        'switched-over': (
            'ALTER ROLE {name} SET default_transaction_read_only = 1',
        ),
        'connections': ('ALTER ROLE {name} CONNECTION LIMIT 0',),
        'isolation': (
            'ALTER ROLE {name} SET default_transaction_isolation '
            "= 'serializable'",
        ),
    }
    END: ClassVar[Mapping[str, Sequence[str]]] = {
        'read-only': ('ALTER ROLE {name} RESET ALL', *KILL),
        'switched-over': ('ALTER ROLE {name} RESET ALL',),
        'connections': ('ALTER ROLE {name} CONNECTION LIMIT -1',),
        'isolation': ('ALTER ROLE {name} RESET ALL',),
    }

    def _use_up_own(self) -> None:
        """Do nothing: a limit of 0 means no connection."""


def account(url: str, suffix: str = '') -> Account:
    """An account for the kind of server that the URL names."""
    if url.startswith('postgresql'):
        return PostgreSQLAccount(url, suffix)
    return MariaDBAccount(url, suffix)


def _engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(
        url, poolclass=sa.pool.NullPool, isolation_level='AUTOCOMMIT'
    )
