"""The command line: run, check, migrate, backup. A person's mistake is one line, never a traceback."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.config import Settings

DONE, FAILED, WRONG_USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        return _version()
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return WRONG_USAGE
    from bot.config import SettingsError, load_settings

    try:
        settings = load_settings(arguments.env_file)
    except SettingsError as error:
        return _complain(*error.lines, status=WRONG_USAGE)
    return _do(arguments, settings)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--env-file", type=Path, metavar="FILE", help="settings to read instead of .env"
    )
    parser = argparse.ArgumentParser(
        prog="reelay", description="AI video inside your chats.", allow_abbrev=False
    )
    parser.add_argument("--version", action="store_true", help="tell the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, meaning in (
        ("run", "start; stops gracefully on SIGTERM or SIGINT, a second one stops at once"),
        ("check", "tell in a table whether all that is needed is there and works"),
        ("migrate", "bring the database up to date"),
        ("backup", "copy the SQLite database, also while Reelay runs"),
    ):
        command = commands.add_parser(name, help=meaning, description=meaning, parents=[common])
        if name == "backup":
            command.add_argument("file", type=Path, metavar="FILE", help="must not exist yet")
    return parser


def _version() -> int:
    from importlib.metadata import version

    sys.stdout.write(f"reelay {version('reelay')}\n")
    return DONE


def _do(arguments: argparse.Namespace, settings: Settings) -> int:
    import asyncio

    from bot import logs

    logs.configure(settings)
    try:
        return asyncio.run(_COMMANDS[arguments.command](settings, arguments))
    except KeyboardInterrupt:
        return FAILED
    except Exception as error:
        return _fail(error, settings)
