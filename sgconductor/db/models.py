"""The tables as this release wants them; the migrations bring them about."""

import sqlalchemy as sa

from sgconductor.db import clock

metadata = sa.MetaData()

services = sa.Table(
    'services',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
    sa.Column('uuid', sa.String(36), nullable=False),
    sa.Column('host', sa.String(190), nullable=False),
    sa.Column('binary', sa.String(64), nullable=False),
    sa.Column('topic', sa.String(64), nullable=False),
    sa.Column('availability_zone', sa.String(255)),
    sa.Column('version', sa.Integer, nullable=False),
    sa.Column('incarnation', sa.Integer, nullable=False),
    # Of the join that began the incarnation: a join sent twice is one.
    sa.Column('join_token', sa.String(36), nullable=False),
    sa.Column('report_interval', sa.Integer, nullable=False),
    sa.Column('down_after', sa.Integer, nullable=False),
    sa.Column('report_count', sa.BigInteger, nullable=False),
    # Written by joins and beats alone; never by an admin's edit.
    sa.Column('last_seen_up', clock.UtcDateTime, nullable=False),
    sa.Column('left_at', clock.UtcDateTime),
    sa.Column('disabled', sa.Boolean, nullable=False),
    sa.Column('disabled_reason', sa.String(255)),
    sa.Column('forced_down', sa.Boolean, nullable=False),
    sa.Column('created_at', clock.UtcDateTime, nullable=False),
    # Written by joins and admins' edits; never by a beat.
    sa.Column('updated_at', clock.UtcDateTime),
    sa.Column('deleted_at', clock.UtcDateTime),
    # 0, or the row's own id once it is deleted: so that the constraint below
    # holds among the living and the dead do not stand in the way.
    sa.Column('deleted', sa.Integer, nullable=False),
    sa.UniqueConstraint('uuid', name='uniq_services_uuid'),
    sa.UniqueConstraint(
        'host', 'binary', 'deleted', name='uniq_services_host_binary_deleted'
    ),
    # Pages go by id over the living; no index on last_seen_up, which every
    # beat would have to maintain.
    sa.Index('ix_services_deleted_id', 'deleted', 'id'),
    mysql_engine='InnoDB',
    mysql_charset='utf8mb4',
    # Names that differ in case are different, as they are elsewhere.
    mysql_collate='utf8mb4_bin',
)
