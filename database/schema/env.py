"""Alembic's entry point: applies migrations on the connection that `database.schema.migrate` opened."""

from alembic import context

from database.schema.errors import NewerSchemaError

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=None, transaction_per_migration=True)
known = {each.revision for each in context.script.walk_revisions()}
if unknown := set(context.get_context().get_current_heads()) - known:
    raise NewerSchemaError(", ".join(sorted(unknown)), max(known))
with context.begin_transaction():
    context.run_migrations()
