"""The command line. Every user error is reported in one line, never as a traceback."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.config import Settings

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status."""
    parser = _build_parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        return _print_version()
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    from bot.config import SettingsError, load_settings

    try:
        settings = load_settings(arguments.env_file)
    except SettingsError as error:
        return _print_errors(error.lines, EXIT_USAGE)
    return _run(arguments, settings)


def _build_parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--env-file", type=Path, metavar="FILE", help="settings file to read instead of .env"
    )
    parser = argparse.ArgumentParser(prog="reelay", description="AI video inside your chats.")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, help_text in (
        ("run", "start; SIGTERM or SIGINT stops gracefully, a second one at once"),
        ("check", "check settings, database, providers and front-ends; print a table"),
        ("migrate", "migrate the database to the current version"),
        ("backup", "copy the SQLite database, also while Reelay is running"),
    ):
        command = commands.add_parser(name, help=help_text, description=help_text, parents=[common])
        if name == "backup":
            command.add_argument("file", type=Path, metavar="FILE", help="must not exist yet")
    return parser


def _print_version() -> int:
    from importlib.metadata import version

    sys.stdout.write(f"reelay {version('reelay')}\n")
    return EXIT_OK


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from bot import logs
    from bot.catalog.catalog_file import CatalogError

    logs.configure(settings)
    try:
        return _dispatch(arguments, settings)
    except KeyboardInterrupt:
        return EXIT_FAILED
    except CatalogError as error:
        return _print_errors(error.lines, EXIT_USAGE)
    except Exception as error:  # noqa: BLE001 - any error is reported in one line
        return _print_errors([_describe_error(error)], EXIT_FAILED)


def _dispatch(arguments: argparse.Namespace, settings: Settings) -> int:
    import asyncio

    match arguments.command:
        case "run":
            from bot.app import run

            return asyncio.run(run(settings))
        case "check":
            from bot.check import print_results, run_checks

            rows = asyncio.run(run_checks(settings))
            print_results(rows)
            return EXIT_OK if all(row.ok for row in rows) else EXIT_FAILED
        case "migrate":
            return asyncio.run(_migrate(settings))
        case _:
            return _backup(settings, arguments.file)


async def _migrate(settings: Settings) -> int:
    from bot.store.connect import open_database
    from bot.store.migrate import migrate

    database = open_database(settings.database_url.get_secret_value())
    await database.open()
    try:
        await migrate(database)
    finally:
        await database.close()
    sys.stdout.write("The database is up to date.\n")
    return EXIT_OK


def _backup(settings: Settings, file: Path) -> int:
    from bot.backup import backup

    size = backup(settings.database_url.get_secret_value(), file)
    sys.stdout.write(f"{file}: {size:,} bytes\n")
    return EXIT_OK


def _describe_error(error: Exception) -> str:
    """Describe an error in one line; log an unexpected one with its traceback."""
    from bot.backup import BackupError
    from bot.store.database import DatabaseError

    if isinstance(error, BackupError | DatabaseError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        prefix = f"{error.filename}: " if error.filename else ""
        return f"{prefix}{error.strerror}"
    import structlog

    structlog.get_logger("bot").exception("unhandled_exception")
    return f"internal error ({type(error).__name__}); see the log for the traceback"


def _print_errors(lines: Sequence[str], status: int) -> int:
    from bot.logs import Redactor

    redact = Redactor()
    for line in lines:
        sys.stderr.write(f"reelay: {redact(line)}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
