"""What alembic runs for every command: the migrations, in the transaction of the connection that it was given.

In: the connection of `store.migrating`, which holds the store's lock. It begins and ends the transaction, not alembic.
"""

from alembic import context

from domlora.store.schema import alembic_version

context.configure(connection=context.config.attributes["connection"], version_table=alembic_version.name)
context.run_migrations()
