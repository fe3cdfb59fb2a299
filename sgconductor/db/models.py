"""The tables as this release wants them; the migrations bring them about."""

from typing import Any

import sqlalchemy as sa

from sgconductor.db import clock

metadata = sa.MetaData()

# As what conductors are members themselves.
CONDUCTOR = 'sgconductor-conductor'

_MYSQL: dict[str, Any] = {
    'mysql_engine': 'InnoDB',
    'mysql_charset': 'utf8mb4',
    # Names that differ in case are different, as they are elsewhere.
    'mysql_collate': 'utf8mb4_bin',
}

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
    # Null for who has joined only by way of a conductor of a release before
    # 1.3; those do not know of it.
    sa.Column('joined_at', clock.UtcDateTime),
    # Which of up and down it was last announced to be, and since when; null
    # until then.
    sa.Column('state', sa.String(4)),
    sa.Column('state_since', clock.UtcDateTime),
    sa.Column('disabled', sa.Boolean, nullable=False),
    sa.Column('disabled_reason', sa.String(255)),
    sa.Column('forced_down', sa.Boolean, nullable=False),
    # An operator's word that it is dead and does not count for the pin.
    sa.Column(
        'quarantined', sa.Boolean, nullable=False, server_default=sa.false()
    ),
    # The newest that the member's beats have carried since it joined; 0 for
    # none.
    sa.Column('pin_epoch', sa.BigInteger, nullable=False, server_default='0'),
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
    # The first entry of a binary is its minimum, however many there are.
    sa.Index('ix_services_min', 'binary', 'deleted', 'quarantined', 'version'),
    **_MYSQL,
)

pins = sa.Table(
    'pins',
    metadata,
    sa.Column('binary', sa.String(64), primary_key=True),
    # Of the services that count. It stays when there are none left.
    sa.Column('min_version', sa.Integer, nullable=False),
    sa.Column('held_version', sa.Integer),
    # Of the last change of the lower of the two, its moment and its cause.
    sa.Column('epoch', sa.BigInteger, nullable=False),
    sa.Column('since', clock.UtcDateTime, nullable=False),
    sa.Column('cause', sa.String(255), nullable=False),
    **_MYSQL,
)

# One row. Whoever changes which services count writes it first, so such
# changes come one after the other, on a cluster of databases too.
roster = sa.Table(
    'roster',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),
    sa.Column('changes', sa.BigInteger, nullable=False),
    sa.Column('epoch', sa.BigInteger, nullable=False),
    **_MYSQL,
)

# One row: the stamp of the newest beat that was no old news when written.
hearing = sa.Table(
    'hearing',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),
    sa.Column('heard_at', clock.UtcDateTime, nullable=False),
    **_MYSQL,
)

# Times in which nobody was heard.
gaps = sa.Table(
    'gaps',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
    sa.Column('began', clock.UtcDateTime, nullable=False),
    sa.Column('ended', clock.UtcDateTime, nullable=False),
    **_MYSQL,
)

# One row: which conductor goes round, and until when unless it says so
# again.
lease = sa.Table(
    'lease',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),
    sa.Column('holder', sa.String(36), nullable=False),
    sa.Column('until', clock.UtcDateTime, nullable=False),
    **_MYSQL,
)

# What happened to services; each is written with what it tells of, and sent
# afterwards.
events = sa.Table(
    'events',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
    sa.Column('uuid', sa.String(36), nullable=False),
    sa.Column('type', sa.String(64), nullable=False),
    sa.Column('at', clock.UtcDateTime, nullable=False),
    # The notification's, in JSON.
    sa.Column('payload', sa.Text, nullable=False),
    sa.Column('sent_at', clock.UtcDateTime),
    # Whose request caused it. Null for no request, or no known user.
    sa.Column('request_id', sa.String(64)),
    sa.Column('user_id', sa.String(255)),
    sa.Index('ix_events_sent_at_id', 'sent_at', 'id'),
    **_MYSQL,
)

# Members that a driver could not be told to forget.
farewells = sa.Table(
    'farewells',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
    sa.Column('driver', sa.String(64), nullable=False),
    sa.Column('uuid', sa.String(36), nullable=False),
    sa.Column('host', sa.String(190), nullable=False),
    sa.Column('binary', sa.String(64), nullable=False),
    sa.Column('topic', sa.String(64), nullable=False),
    sa.Column('incarnation', sa.Integer, nullable=False),
    **_MYSQL,
)

# Of services on which driver and shadow driver have disagreed.
disagreements = sa.Table(
    'disagreements',
    metadata,
    sa.Column('service_id', sa.Integer, primary_key=True, autoincrement=False),
    sa.Column('times', sa.Integer, nullable=False),
    # Of one that lasts.
    sa.Column('since', clock.UtcDateTime),
    **_MYSQL,
)
