"""Alembic environment: runs on the connection and transaction that `apdb.schema.migrate` gives it."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table="alembic_version",
    version_table_schema="apdb_base",
    transactional_ddl=True,
)
context.run_migrations()
