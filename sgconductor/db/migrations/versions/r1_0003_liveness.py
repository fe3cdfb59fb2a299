"""Reception, announced states, the leader lease, events, deregistrations."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from sgconductor.db import clock

revision = '1_0003'
down_revision = '1_0002'

_MYSQL: dict[str, Any] = {
    'mysql_engine': 'InnoDB',
    'mysql_charset': 'utf8mb4',
    'mysql_collate': 'utf8mb4_bin',
}


def upgrade() -> None:
    for column in (
        sa.Column('joined_at', clock.UtcDateTime),
        sa.Column('state', sa.String(4)),
        sa.Column('state_since', clock.UtcDateTime),
    ):
        op.add_column('services', column)
    hearing = op.create_table(
        'hearing',
        sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),
        sa.Column('heard_at', clock.UtcDateTime, nullable=False),
        **_MYSQL,
    )
    # Conductors of the release before have received beats until now.
    op.execute(hearing.insert().values(id=1, heard_at=clock.utcnow()))
    op.create_table(
        'gaps',
        sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
        sa.Column('began', clock.UtcDateTime, nullable=False),
        sa.Column('ended', clock.UtcDateTime, nullable=False),
        **_MYSQL,
    )
    lease = op.create_table(
        'lease',
        sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),
        sa.Column('holder', sa.String(36), nullable=False),
        sa.Column('until', clock.UtcDateTime, nullable=False),
        **_MYSQL,
    )
    op.execute(lease.insert().values(id=1, holder='', until=clock.utcnow()))
    op.create_table(
        'events',
        sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
        sa.Column('uuid', sa.String(36), nullable=False),
        sa.Column('type', sa.String(64), nullable=False),
        sa.Column('at', clock.UtcDateTime, nullable=False),
        sa.Column('payload', sa.Text, nullable=False),
        sa.Column('sent_at', clock.UtcDateTime),
        **_MYSQL,
    )
    op.create_index('ix_events_sent_at_id', 'events', ['sent_at', 'id'])
    op.create_table(
        'farewells',
        sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
        sa.Column('driver', sa.String(64), nullable=False),
        sa.Column('uuid', sa.String(36), nullable=False),
        sa.Column('host', sa.String(190), nullable=False),
        sa.Column('binary', sa.String(64), nullable=False),
        sa.Column('topic', sa.String(64), nullable=False),
        sa.Column('incarnation', sa.Integer, nullable=False),
        **_MYSQL,
    )
    op.create_table(
        'disagreements',
        sa.Column(
            'service_id', sa.Integer, primary_key=True, autoincrement=False
        ),
        sa.Column('times', sa.Integer, nullable=False),
        sa.Column('since', clock.UtcDateTime),
        **_MYSQL,
    )
