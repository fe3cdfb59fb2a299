"""Pins, the roster, and the columns of services that they need."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sgconductor.db import clock

revision = '1_0002'
down_revision = '1_0001'

_MYSQL: dict[str, Any] = {
    'mysql_engine': 'InnoDB',
    'mysql_charset': 'utf8mb4',
    'mysql_collate': 'utf8mb4_bin',
}


def upgrade() -> None:
    # With server defaults, because conductors of the release before still
    # insert rows without these columns.
    op.add_column(
        'services',
        sa.Column(
            'quarantined',
            sa.Boolean,
            nullable=False,
            server_default=sa.false(),
        ),
    )
    op.add_column(
        'services',
        sa.Column(
            'pin_epoch', sa.BigInteger, nullable=False, server_default='0'
        ),
    )
    op.create_index(
        'ix_services_min',
        'services',
        ['binary', 'deleted', 'quarantined', 'version'],
    )
    op.create_table(
        'pins',
        sa.Column('binary', sa.String(64), primary_key=True),
        sa.Column('min_version', sa.Integer, nullable=False),
        sa.Column('held_version', sa.Integer),
        sa.Column('epoch', sa.BigInteger, nullable=False),
        sa.Column('since', clock.UtcDateTime, nullable=False),
        sa.Column('cause', sa.String(255), nullable=False),
        **_MYSQL,
    )
    roster = op.create_table(
        'roster',
        sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),
        sa.Column('changes', sa.BigInteger, nullable=False),
        sa.Column('epoch', sa.BigInteger, nullable=False),
        **_MYSQL,
    )
    # There are no pins yet: conductors of this release set them to the
    # services that they find.
    op.bulk_insert(roster, [{'id': 1, 'changes': 0, 'epoch': 0}])
