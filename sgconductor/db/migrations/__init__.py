"""Alembic migrations, run by sgconductor.db.schema."""
