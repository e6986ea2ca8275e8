"""Types of single settings. Each validator says what is wrong and what to write instead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, SecretStr


def _parse_url(address: str) -> SplitResult | None:
    """Split a URL into its parts. None: not a valid URL."""
    try:
        parts = urlsplit(address)
        is_valid = parts.port != 0 and (parts.hostname or not parts.netloc)
    except ValueError:
        return None
    return parts if is_valid else None


def check_web_address(value: str) -> str:
    if not value:
        return value
    parts = _parse_url(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not a web address; write one like https://example.org")
    if "@" in parts.netloc:
        raise ValueError("contains a user name or password; remove them from the address")
    if parts.query or parts.fragment:
        raise ValueError("has a `?` or `#` part; remove it")
    return value.rstrip("/")


def check_secret(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]*", value.get_secret_value()):
        raise ValueError(
            "contains a space or a character that is not valid in a key; copy it again"
        )
    return value


def _check_database_url(value: SecretStr) -> SecretStr:
    # Many hosting services use the short scheme.
    url = re.sub(r"^postgres://", "postgresql://", value.get_secret_value())
    parts = _parse_url(url)
    if parts is None or parts.path in {"", "/", "/:memory:"}:
        is_supported = False
    elif parts.scheme == "sqlite":
        is_supported = not (parts.netloc or parts.query or parts.fragment)
    else:
        is_supported = parts.scheme == "postgresql"
    if is_supported:
        return SecretStr(url)
    raise ValueError(
        "is not a database; write sqlite:///data/reelay.db or postgresql://user:password@host/name"
    )


def _check_telegram_token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"(\d+:[\w-]+)?", value.get_secret_value()):
        raise ValueError("is not a bot token; write the one from @BotFather, like 123456:AAE...")
    return value


def _check_webhook_secret(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,256}", value.get_secret_value()):
        raise ValueError("may contain only letters, digits, `_` and `-`, at most 256")
    return value


def _check_admin(value: str) -> str:
    if not re.fullmatch(r"(telegram|discord):[0-9]+", value):
        raise ValueError("is not a user id; write telegram:123 or discord:456, separated by commas")
    return value


def _check_shards(value: str) -> str:
    match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?/([0-9]+)", value)
    if value and not (match and int(match[1]) <= int(match[2] or match[1]) < int(match[3])):
        raise ValueError("is not a range of shards; write one like 0-3/16")
    return value


def _check_file_exists(value: Path | None) -> Path | None:
    if value is not None and not value.is_file():
        raise ValueError("is not a file; write the path of a file, or leave it empty")
    return value


def _lowercase(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _split_list(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


WebAddress = Annotated[str, AfterValidator(check_web_address)]
Secret = Annotated[SecretStr, AfterValidator(check_secret)]
TelegramToken = Annotated[SecretStr, AfterValidator(_check_telegram_token)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_check_webhook_secret)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_check_database_url)]
ExistingFile = Annotated[Path | None, AfterValidator(_check_file_exists)]
Port = Annotated[int, Field(ge=0, le=65535)]
Shards = Annotated[str, AfterValidator(_check_shards)]
Guilds = Annotated[frozenset[PositiveInt], BeforeValidator(_split_list)]
Admins = Annotated[
    frozenset[Annotated[str, AfterValidator(_check_admin)]], BeforeValidator(_split_list)
]
Language = Annotated[Literal["en", "zh"], BeforeValidator(_lowercase)]
LogFormat = Annotated[Literal["auto", "console", "json"], BeforeValidator(_lowercase)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lowercase)]
