"""What Alembic runs: on the connection it is handed by `migrate`, never on one of its own."""

from alembic import context

from service.outbox.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
