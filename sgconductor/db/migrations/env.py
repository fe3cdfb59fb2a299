"""Alembic's entry point, run on the connection that schema.sync() passes."""

from alembic import context

from sgconductor.db import models

context.configure(
    connection=context.config.attributes['connection'],
    target_metadata=models.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
