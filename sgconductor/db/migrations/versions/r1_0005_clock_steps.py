"""Steps of the database's clock."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sgconductor.db import clock

revision = '1_0005'
down_revision = '1_0004'

_MYSQL: dict[str, Any] = {
    'mysql_engine': 'InnoDB',
    'mysql_charset': 'utf8mb4',
    'mysql_collate': 'utf8mb4_bin',
}


def upgrade() -> None:
    op.create_table(
        'clock_steps',
        sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
        sa.Column('expected', clock.UtcDateTime, nullable=False),
        sa.Column('shown', clock.UtcDateTime, nullable=False),
        **_MYSQL,
    )
