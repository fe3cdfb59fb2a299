"""The database: tables, migrations and one module of SQL a table."""
