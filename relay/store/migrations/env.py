"""Alembic's entry: runs the migrations inside the transaction that `relay.store.migration` has begun."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
