"""The tables as this release needs them; the migrations create them."""

from typing import Any

import sqlalchemy as sa

from sgconductor.db import clock

metadata = sa.MetaData()

# The binary of conductors, which are members themselves.
CONDUCTOR = 'sgconductor-conductor'

_MYSQL: dict[str, Any] = {
    'mysql_engine': 'InnoDB',
    'mysql_charset': 'utf8mb4',
    # Case-sensitive, as names are on the other databases.
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
    # Of the join that began the incarnation, to recognize a retry of it.
    sa.Column('join_token', sa.String(36), nullable=False),
    sa.Column('report_interval', sa.Integer, nullable=False),
    sa.Column('down_after', sa.Integer, nullable=False),
    sa.Column('report_count', sa.BigInteger, nullable=False),
    # Written by joins and beats only; never by an admin's edit.
    sa.Column('last_seen_up', clock.UtcDateTime, nullable=False),
    sa.Column('left_at', clock.UtcDateTime),
    # Null only for a row that is older than the column and has not joined
    # since.
    sa.Column('joined_at', clock.UtcDateTime),
    # The state that was announced last, 'up' or 'down', and since when; null
    # if none was.
    sa.Column('state', sa.String(4)),
    sa.Column('state_since', clock.UtcDateTime),
    sa.Column('disabled', sa.Boolean, nullable=False),
    sa.Column('disabled_reason', sa.String(255)),
    sa.Column('forced_down', sa.Boolean, nullable=False),
    # Set by an admin for a dead service, which then does not count for the
    # pin.
    sa.Column(
        'quarantined', sa.Boolean, nullable=False, server_default=sa.false()
    ),
    # The newest epoch in the member's beats since it joined; 0 for none.
    sa.Column('pin_epoch', sa.BigInteger, nullable=False, server_default='0'),
    sa.Column('created_at', clock.UtcDateTime, nullable=False),
    # Written by joins and admins' edits; never by a beat.
    sa.Column('updated_at', clock.UtcDateTime),
    sa.Column('deleted_at', clock.UtcDateTime),
    # 0, or the row's own id once it is deleted, so that the constraint on host
    # and binary below applies to living rows only.
    sa.Column('deleted', sa.Integer, nullable=False),
    sa.UniqueConstraint('uuid', name='uniq_services_uuid'),
    sa.UniqueConstraint(
        'host', 'binary', 'deleted', name='uniq_services_host_binary_deleted'
    ),
    # For pages of living rows by id. There is no index on last_seen_up, for
    # each beat would have to update it.
    sa.Index('ix_services_deleted_id', 'deleted', 'id'),
    # The lowest version of a binary is its first entry in this index.
    sa.Index('ix_services_min', 'binary', 'deleted', 'quarantined', 'version'),
    **_MYSQL,
)

pins = sa.Table(
    'pins',
    metadata,
    sa.Column('binary', sa.String(64), primary_key=True),
    # The lowest version of the services that count. It stays when there are
    # none left.
    sa.Column('min_version', sa.Integer, nullable=False),
    sa.Column('held_version', sa.Integer),
    # The last change of the pin in force, the lower of the two: its epoch,
    # time and cause.
    sa.Column('epoch', sa.BigInteger, nullable=False),
    sa.Column('since', clock.UtcDateTime, nullable=False),
    sa.Column('cause', sa.String(255), nullable=False),
    **_MYSQL,
)

# One row. A transaction that changes which services count writes it first, so
# that such transactions are serialized, on a cluster of databases too.
roster = sa.Table(
    'roster',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),
    sa.Column('changes', sa.BigInteger, nullable=False),
    sa.Column('epoch', sa.BigInteger, nullable=False),
    **_MYSQL,
)

# One row: the stamp of the newest beat that was fresh when it was written. See
# sgconductor.db.reception.
hearing = sa.Table(
    'hearing',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),
    sa.Column('heard_at', clock.UtcDateTime, nullable=False),
    **_MYSQL,
)

# Conductors, as receivers of beats. See sgconductor.db.receivers.
receivers = sa.Table(
    'receivers',
    metadata,
    sa.Column('service_id', sa.Integer, primary_key=True, autoincrement=False),
    sa.Column('incarnation', sa.Integer, nullable=False),
    # Seconds after which the broker has noticed that it is silent.
    sa.Column('noticed', sa.Integer, nullable=False),
    # Whether the broker deals nothing to it.
    sa.Column('idle', sa.Boolean, nullable=False),
    **_MYSQL,
)

# Outages: times in which conductors received no beats.
gaps = sa.Table(
    'gaps',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
    sa.Column('began', clock.UtcDateTime, nullable=False),
    sa.Column('ended', clock.UtcDateTime, nullable=False),
    **_MYSQL,
)

# Forward steps of the database's clock: what it would have shown without the
# step, and what it showed. See sgconductor.db.clock_steps.
clock_steps = sa.Table(
    'clock_steps',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
    sa.Column('expected', clock.UtcDateTime, nullable=False),
    sa.Column('shown', clock.UtcDateTime, nullable=False),
    **_MYSQL,
)

# One row: the conductor that does the sweeps, and until when if it does not
# renew the lease.
lease = sa.Table(
    'lease',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),
    sa.Column('holder', sa.String(36), nullable=False),
    sa.Column('until', clock.UtcDateTime, nullable=False),
    **_MYSQL,
)

# What happened to services. An event is written in the transaction of the
# change that it reports, and sent afterwards.
events = sa.Table(
    'events',
    metadata,
    sa.Column('id', sa.Integer, primary_key=True, autoincrement=True),
    sa.Column('uuid', sa.String(36), nullable=False),
    sa.Column('type', sa.String(64), nullable=False),
    sa.Column('at', clock.UtcDateTime, nullable=False),
    # The payload of the notification, in JSON.
    sa.Column('payload', sa.Text, nullable=False),
    sa.Column('sent_at', clock.UtcDateTime),
    # Whose request caused it. Null for no request, or no known user.
    sa.Column('request_id', sa.String(64)),
    sa.Column('user_id', sa.String(255)),
    sa.Index('ix_events_sent_at_id', 'sent_at', 'id'),
    **_MYSQL,
)

# Deregistrations: members that a driver has yet to forget.
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

# How often the driver and the shadow driver have disagreed about a service.
disagreements = sa.Table(
    'disagreements',
    metadata,
    sa.Column('service_id', sa.Integer, primary_key=True, autoincrement=False),
    sa.Column('times', sa.Integer, nullable=False),
    # When the current disagreement began; null while they agree.
    sa.Column('since', clock.UtcDateTime),
    **_MYSQL,
)
