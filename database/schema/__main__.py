"""`python -m database.schema`: bring the platform's database to the newest schema."""

import click

from database.command_line import errors_as_messages
from database.connection import database_url
from database.errors import DatabaseError
from database.schema import migrate
from database.settings import get_settings


@click.command(help="Apply the migrations that the platform's database lacks.")
@errors_as_messages(DatabaseError)
def main() -> None:
    """Migrate the database of the settings."""
    migrate(database_url(get_settings()))
    click.echo("The database schema is up to date.")


if __name__ == "__main__":
    main()
