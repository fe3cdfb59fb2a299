"""Conductors as receivers of beats."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = '1_0006'
down_revision = '1_0005'

_MYSQL: dict[str, Any] = {
    'mysql_engine': 'InnoDB',
    'mysql_charset': 'utf8mb4',
    'mysql_collate': 'utf8mb4_bin',
}


def upgrade() -> None:
    op.create_table(
        'receivers',
        sa.Column(
            'service_id', sa.Integer, primary_key=True, autoincrement=False
        ),
        sa.Column('incarnation', sa.Integer, nullable=False),
        sa.Column('noticed', sa.Integer, nullable=False),
        sa.Column('idle', sa.Boolean, nullable=False),
        **_MYSQL,
    )
