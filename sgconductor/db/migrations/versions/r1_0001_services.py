"""The services table."""

import sqlalchemy as sa
from alembic import op

from sgconductor.db import clock

revision = '1_0001'
down_revision = None


def upgrade() -> None:
    op.create_table(
        'services',
        sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
        sa.Column('uuid', sa.String(36), nullable=False),
        sa.Column('host', sa.String(190), nullable=False),
        sa.Column('binary', sa.String(64), nullable=False),
        sa.Column('topic', sa.String(64), nullable=False),
        sa.Column('availability_zone', sa.String(255)),
        sa.Column('version', sa.Integer, nullable=False),
        sa.Column('incarnation', sa.Integer, nullable=False),
        sa.Column('join_token', sa.String(36), nullable=False),
        sa.Column('report_interval', sa.Integer, nullable=False),
        sa.Column('down_after', sa.Integer, nullable=False),
        sa.Column('report_count', sa.BigInteger, nullable=False),
        sa.Column('last_seen_up', clock.UtcDateTime, nullable=False),
        sa.Column('left_at', clock.UtcDateTime),
        sa.Column('disabled', sa.Boolean, nullable=False),
        sa.Column('disabled_reason', sa.String(255)),
        sa.Column('forced_down', sa.Boolean, nullable=False),
        sa.Column('created_at', clock.UtcDateTime, nullable=False),
        sa.Column('updated_at', clock.UtcDateTime),
        sa.Column('deleted_at', clock.UtcDateTime),
        sa.Column('deleted', sa.Integer, nullable=False),
        sa.UniqueConstraint('uuid', name='uniq_services_uuid'),
        sa.UniqueConstraint(
            'host',
            'binary',
            'deleted',
            name='uniq_services_host_binary_deleted',
        ),
        mysql_engine='InnoDB',
        mysql_charset='utf8mb4',
        mysql_collate='utf8mb4_bin',
    )
    op.create_index('ix_services_deleted_id', 'services', ['deleted', 'id'])
