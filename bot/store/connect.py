"""Choose the database of a `DATABASE_URL`."""

from __future__ import annotations

from bot.store.database import Database, DatabaseUrlError


def open_database(url: str) -> Database:
    """Return the database of a `DATABASE_URL`, not yet opened."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and rest not in {"/", "/:memory:"}:
        from bot.store.sqlite import SqliteDatabase  # noqa: PLC0415 - a driver costs only its users

        return SqliteDatabase(rest[1:])
    if scheme == "postgresql" and rest:
        from bot.store.postgres import PostgresDatabase  # noqa: PLC0415 - as above

        return PostgresDatabase(url)
    raise DatabaseUrlError(
        "DATABASE_URL: write sqlite:///path/to/file.db or postgresql://user:password@host/name"
    )
