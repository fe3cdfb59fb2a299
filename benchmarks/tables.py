"""Filling services tables, without joins."""

import datetime
import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from sgconductor.db import models

_CHUNK = 2000

# Nova's table, with the columns that are used here.
_NOVA = sa.table(
    'services',
    *(
        sa.column(name)
        for name in (
            'id',
            'uuid',
            'host',
            'binary',
            'topic',
            'report_count',
            'disabled',
            'forced_down',
            'version',
            'last_seen_up',
            'created_at',
            'deleted',
        )
    ),
)


def fill(url: str, rows: int, down_after: int) -> None:
    """Add services that are up, with ids from 1.

    :param url: the URL of sgconductor's database, with new tables
    :param rows: the number of services
    :param down_after: of the services, in seconds
    """
    now = datetime.datetime.now(datetime.UTC)
    common = {
        'binary': 'acme-worker',
        'topic': 'worker',
        'version': 1,
        'incarnation': 1,
        'report_interval': 10,
        'down_after': down_after,
        'report_count': 0,
        'last_seen_up': now,
        'joined_at': now,
        # As after a conductor's sweep.
        'state': 'up',
        'state_since': now,
        'disabled': False,
        'forced_down': False,
        'quarantined': False,
        'pin_epoch': 1,
        'created_at': now,
        'deleted': 0,
    }
    _insert(
        url,
        models.services,
        (
            {
                'id': number,
                'host': f'node{number}',
                'uuid': str(uuid.uuid4()),
                'join_token': str(uuid.uuid4()),
                **common,
            }
            for number in range(1, rows + 1)
        ),
    )


def fill_nova(url: str, rows: int, version: int) -> None:
    """Replace the services of Nova's database.

    :param version: of all services
    """
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    common = {
        'binary': 'nova-compute',
        'topic': 'compute',
        'report_count': 0,
        'disabled': False,
        'forced_down': False,
        'version': version,
        'last_seen_up': now,
        'created_at': now,
        'deleted': 0,
    }
    _execute(url, _NOVA.delete())
    _insert(
        url,
        _NOVA,
        (
            {
                'id': number,
                'host': f'node{number}',
                'uuid': str(uuid.uuid4()),
                **common,
            }
            for number in range(1, rows + 1)
        ),
    )


def beats(url: str) -> int:
    """The number of beats that sgconductor's table has counted."""
    with sa.create_engine(url).connect() as conn:
        table = models.services
        count = sa.func.sum(table.c.report_count)
        return int(
            conn.execute(
                sa.select(count).where(table.c.binary == 'acme-worker')
            ).scalar_one()
        )


def nova_beats(url: str, since: int) -> int:
    """The number of services in Nova's table with at least this count."""
    with sa.create_engine(url).connect() as conn:
        beaten = sa.select(sa.func.count()).where(
            _NOVA.c.report_count >= since, _NOVA.c.binary == 'nova-compute'
        )
        return int(conn.execute(beaten).scalar_one())


def version(url: str) -> str:
    """The version of a database server."""
    with sa.create_engine(url).connect() as conn:
        return str(conn.execute(sa.text('SELECT version()')).scalar_one())


def _insert(
    url: str, table: sa.TableClause, rows: Iterator[dict[str, Any]]
) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as conn:
        while chunk := list(itertools.islice(rows, _CHUNK)):
            conn.execute(table.insert(), chunk)
    if engine.dialect.name == 'postgresql':
        # The rows have their ids, which did not advance the sequence.
        with engine.begin() as conn:
            conn.execute(
                sa.text(
                    f"SELECT setval('{table.name}_id_seq', "  # noqa: S608
                    f'(SELECT max(id) FROM {table.name}))'
                )
            )
    _analyze(engine, table)
    engine.dispose()


def _analyze(engine: sa.Engine, table: sa.TableClause) -> None:
    verb = (
        'ANALYZE' if engine.dialect.name == 'postgresql' else 'ANALYZE TABLE'
    )
    with engine.connect() as conn:
        conn.execution_options(isolation_level='AUTOCOMMIT').execute(
            sa.text(f'{verb} {table.name}')
        )


def _execute(url: str, statement: sa.Executable) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as conn:
        conn.execute(statement)
    engine.dispose()
