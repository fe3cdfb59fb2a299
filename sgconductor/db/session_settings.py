"""What a server is told once for each connection.

These settings make what is right not depend on the server's defaults: the
isolation of transactions, and for how long the server goes on with what nobody
waits for any more. A name that the database's URL sets itself, in
``init_command`` or ``options``, keeps that value.
"""

import math
import re
from collections.abc import Set
from typing import Any

import sqlalchemy as sa

# MariaDB's default, which sgconductor.db.packed_rows relies on.
_GROUP_LENGTH = 1048576

# A name in libpq's "options", which are switches of the server's command line:
# -c lock_timeout=1s, -clock_timeout=1s or --lock-timeout=1s.
_PG_OPTION = r'(?:-c\s*|--)([\w-]+)'


def apply(engine: sa.Engine, timeout: float | None) -> None:
    """Have an engine set them on each connection, in one statement.

    :param timeout: how long operations may take, in seconds; None for any
        time
    """
    name = engine.dialect.name
    if name in ('mysql', 'mariadb'):
        settings, key, pattern = _mysql, 'init_command', r'\w+'
    elif name == 'postgresql':
        settings, key, pattern = _postgresql, 'options', _PG_OPTION
    else:
        return
    text = str(engine.url.query.get(key, '')).lower()
    own = {found.replace('-', '_') for found in re.findall(pattern, text)}

    @sa.event.listens_for(engine, 'connect')
    def _set(connection: Any, _record: Any) -> None:
        settings(engine.dialect, connection, own, timeout)


def _mysql(
    dialect: Any, connection: Any, own: Set[str], timeout: float | None
) -> None:
    version = dialect.server_version_info
    if dialect.is_mariadb:
        isolation = 'transaction_isolation' if version >= (11, 1) else None
    else:
        isolation = 'transaction_isolation' if version >= (5, 7, 20) else None
    values = {
        'group_concat_max_len': str(_GROUP_LENGTH),
        # With statements in its binary log, a server refuses to write in
        # this isolation.
        isolation or 'tx_isolation': (
            "IF(@@log_bin AND @@binlog_format = 'STATEMENT', "
            "'REPEATABLE-READ', 'READ-COMMITTED')"
        ),
    }
    if timeout is not None:
        seconds = max(1, math.ceil(timeout))
        # Half of it, so that there is time to try again.
        wait = str(max(1, int(timeout / 2)))
        values |= {'innodb_lock_wait_timeout': wait, 'lock_wait_timeout': wait}
        if dialect.is_mariadb:
            values['max_statement_time'] = f'{timeout:g}'
            # So a conductor that is stopped keeps no locks.
            values['idle_transaction_timeout'] = str(seconds)
        else:
            values['max_execution_time'] = str(int(timeout * 1000))
    pairs = ', '.join(
        f'{name} = {value}'
        for name, value in values.items()
        if name not in own
    )
    if not pairs:
        return
    with connection.cursor() as cursor:
        cursor.execute(f'SET SESSION {pairs}')


def _postgresql(
    dialect: Any, connection: Any, own: Set[str], timeout: float | None
) -> None:
    # psycopg2 sends it with each BEGIN, so it costs nothing.
    dialect.set_isolation_level(connection, 'READ COMMITTED')
    if timeout is None:
        return
    millis = int(timeout * 1000)
    values = {
        'statement_timeout': millis,
        # Half of it, so that there is time to try again.
        'lock_timeout': millis // 2,
        # So a conductor that is stopped keeps no locks.
        'idle_in_transaction_session_timeout': millis,
    }
    calls = ', '.join(
        f"set_config('{name}', '{value}', false)"
        for name, value in values.items()
        if name not in own
    )
    if not calls:
        return
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT {calls}')
    connection.autocommit = False
