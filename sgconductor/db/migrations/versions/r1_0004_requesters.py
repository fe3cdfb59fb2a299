"""Events tell whose request caused them."""

import sqlalchemy as sa
from alembic import op

revision = '1_0004'
down_revision = '1_0003'


def upgrade() -> None:
    # Nullable: conductors of the release before go on writing without them.
    op.add_column('events', sa.Column('request_id', sa.String(64)))
    op.add_column('events', sa.Column('user_id', sa.String(255)))
