"""The settings: immutable, typed and validated. The only reader of the environment.

`load_settings` reads `.env` and the environment, which takes precedence. It reports all errors at
once, one line each: the setting, what is wrong with it, and what to write instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from dotenv.parser import Binding, parse_stream
from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.config_types import (
    Admins,
    DatabaseUrl,
    ExistingFile,
    Guilds,
    Language,
    LogFormat,
    LogLevel,
    Port,
    Secret,
    Shards,
    TelegramToken,
    WebAddress,
    WebhookSecret,
    check_secret,
    check_web_address,
)
from providers import PROVIDERS
from providers.base import ProviderOptions

PROVIDER_PREFIX = "PROVIDERS__"
_MIN_SECRET_CHARS = 6
"""A shorter "key" (`none`, `EMPTY`) is no secret, and redacting it would spoil the logs."""
_EMPTY = SecretStr("")


class SettingsError(Exception):
    """Invalid settings; `lines` has one line per error."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


class Settings(BaseSettings):
    """All settings, by their names in lower case. Values come only from the arguments."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False
    )

    telegram_bot_token: TelegramToken = _EMPTY
    telegram_api_url: WebAddress = "https://api.telegram.org"
    telegram_webhook_secret: WebhookSecret = _EMPTY
    telegram_upload_mb: PositiveInt | None = None
    """None: the limit of Telegram's own server, or that of a local Bot API server."""
    discord_bot_token: Secret = _EMPTY
    discord_api_url: WebAddress = "https://discord.com/api/v10"
    discord_guilds: Guilds = frozenset()
    discord_shards: Shards = ""
    console: bool | None = None
    """None: see `is_console_enabled`."""
    database_url: DatabaseUrl = SecretStr("sqlite:///data/reelay.db")
    data_dir: Path = Path("data")
    catalog_file: ExistingFile = None
    public_url: WebAddress = ""
    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    admins: Admins = frozenset()
    daily_credits: NonNegativeInt = 60
    quota_reset_tz: ZoneInfo = ZoneInfo("UTC")
    max_active_per_user: NonNegativeInt = 3
    default_language: Language = "en"
    poll_min_seconds: PositiveFloat = 2
    lease_seconds: PositiveFloat = 30
    task_deadline_seconds: PositiveFloat = 1800
    shutdown_grace_seconds: NonNegativeFloat = 20
    result_retention_days: PositiveInt = 30
    prompt_retention_days: PositiveInt = 90
    picture_retention_days: PositiveInt = 30
    s3_endpoint: WebAddress = ""
    s3_bucket: str = ""
    s3_access_key: Secret = _EMPTY
    s3_secret_key: Secret = _EMPTY
    s3_region: str = ""
    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"
    providers: Mapping[str, ProviderOptions] = Field(
        default_factory=lambda: {"sandbox": PROVIDERS["sandbox"].options_type(kind="sandbox")}
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the arguments: the sources of pydantic cannot report unknown names."""
        return (init_settings,)

    @property
    def timezone(self) -> ZoneInfo:
        """The time zone of daily limits and of displayed times."""
        return self.quota_reset_tz

    @property
    def is_console_enabled(self) -> bool:
        """Whether the console front-end is enabled; by default, if no other front-end is."""
        if self.console is not None:
            return self.console
        return not (
            self.telegram_bot_token.get_secret_value() or self.discord_bot_token.get_secret_value()
        )

    @property
    def secrets(self) -> frozenset[str]:
        """All values that the logs must redact."""
        models = (self, *self.providers.values())
        values = {
            value.get_secret_value()
            for model in models
            for name, value in model
            if isinstance(value, SecretStr) and name != "database_url"
        }
        password = urlsplit(self.database_url.get_secret_value()).password or ""
        values |= {password, unquote(password)}
        return frozenset(value for value in values if len(value) >= _MIN_SECRET_CHARS)


SETTING_NAMES = tuple(name.upper() for name in Settings.model_fields if name != "providers")
"""The names of all settings except `PROVIDERS__...`, as written in the environment."""


# --- reading -----------------------------------------------------------------------------


def load_settings(
    env_file: Path | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Read the settings; the environment takes precedence over the file.

    Without `env_file`, `.env` is read if it exists. Raises `SettingsError`.
    """
    file_values = _read_env_file(env_file)
    given_values = _normalized(file_values) | _normalized(
        os.environ if environ is None else environ
    )
    errors = [
        _unknown_setting(name, SETTING_NAMES)
        for name in file_values
        if name not in SETTING_NAMES and not _is_provider_setting(name)
    ]
    providers, provider_errors = _parse_providers(
        {name: given_values[name] for name in given_values if _is_provider_setting(name)}
    )
    errors += provider_errors
    values = {name.lower(): given_values[name] for name in SETTING_NAMES if given_values.get(name)}
    try:
        settings = Settings.model_validate(values | ({"providers": providers} if providers else {}))
    except ValidationError as error:
        raise SettingsError([*errors, *_format_errors(error, Settings)]) from None
    errors += _conflicts(settings)
    if errors:
        raise SettingsError(errors)
    return settings


def _read_env_file(env_file: Path | None) -> dict[str, str]:
    path = env_file or Path(".env")
    if env_file is None and not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}; write the path of a file"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: is not UTF-8 text; save it as UTF-8"]) from None
    errors = [
        f"{path}, line {_line_number(binding)}: is not a valid line; write NAME=value"
        for binding in bindings
        if binding.error or (binding.key is not None and binding.value is None)
    ]
    if errors:
        raise SettingsError(errors)
    return {binding.key.upper(): binding.value or "" for binding in bindings if binding.key}


def _line_number(binding: Binding) -> int:
    before = binding.original.string[: -len(binding.original.string.lstrip())]
    return binding.original.line + before.count("\n")


def _normalized(values: Mapping[str, str]) -> dict[str, str]:
    """Convert names to upper case, preferring a name written so; drop empty values."""
    ordered = sorted(values.items(), key=lambda item: item[0].isupper())
    return {name.upper(): value.strip() for name, value in ordered if value.strip()}


def _is_provider_setting(name: str) -> bool:
    # Also with one underscore too few, to report the typo; no other program uses this prefix.
    return name.startswith("PROVIDERS_")


def _unknown_setting(name: str, known: Iterable[str]) -> str:
    matches = get_close_matches(name, known, n=1)
    hint = f"did you mean {matches[0]}?" if matches else ".env.example lists them all"
    return f"{name}: no such setting; {hint}"


# --- providers ---------------------------------------------------------------------------


def _parse_providers(
    given_values: Mapping[str, str],
) -> tuple[dict[str, ProviderOptions], list[str]]:
    grouped: dict[str, dict[str, str]] = {}
    errors: list[str] = []
    for full_name, value in sorted(given_values.items()):
        match = re.fullmatch(
            PROVIDER_PREFIX + r"([A-Z0-9](?:_?[A-Z0-9])*)__([A-Z0-9_]+)", full_name
        )
        if match:
            grouped.setdefault(match[1], {})[match[2]] = value
        else:
            errors.append(_malformed_setting(full_name))
    providers: dict[str, ProviderOptions] = {}
    for name, values in grouped.items():
        options, option_errors = _parse_options(name, values)
        errors += option_errors
        if options is not None:
            providers[name.lower()] = options
    return providers, errors


def _malformed_setting(name: str) -> str:
    options = "|".join(_option_names(PROVIDERS))
    match = re.fullmatch(rf"PROVIDERS_+(\w+?)_+({options})", name)
    suggestion = (
        f"{PROVIDER_PREFIX}{match[1]}__{match[2]}" if match else f"{PROVIDER_PREFIX}<NAME>__KIND"
    )
    return f"{name}: no such setting; did you mean {suggestion}?"


def _option_names(kinds: Iterable[str]) -> list[str]:
    fields = [field for kind in kinds for field in PROVIDERS[kind].options_type.model_fields]
    return [field.upper() for field in dict.fromkeys(fields)]


def _parse_options(name: str, values: dict[str, str]) -> tuple[ProviderOptions | None, list[str]]:
    prefix = f"{PROVIDER_PREFIX}{name}__"
    kind = values.get("KIND", name).lower()
    known_options = _option_names([kind] if kind in PROVIDERS else PROVIDERS)
    errors = [
        _unknown_setting(prefix + option, [prefix + known_option for known_option in known_options])
        for option in values
        if option not in known_options
    ]
    if kind not in PROVIDERS:
        return None, [*errors, f"{prefix}KIND: {_unknown_kind(kind)}"]
    given_values = {option.lower(): values[option] for option in values if option in known_options}
    try:
        options = PROVIDERS[kind].options_type.model_validate(given_values | {"kind": kind})
    except ValidationError as error:
        return None, [*errors, *_format_errors(error, PROVIDERS[kind].options_type, prefix)]
    errors += _option_errors(options, prefix)
    return options, errors


def _unknown_kind(kind: str) -> str:
    matches = get_close_matches(kind, PROVIDERS, n=1)
    hint = f"; did you mean {matches[0]}?" if matches else ""
    return f'"{kind:.60}" is not a provider kind; write one of {", ".join(PROVIDERS)}{hint}'


def _option_errors(options: ProviderOptions, prefix: str) -> Iterator[str]:
    transports = PROVIDERS[options.kind].capabilities.image_transports
    if options.pictures not in {"auto", *transports}:
        allowed = " or ".join([*transports, "auto"])
        yield (
            f'{prefix}PICTURES: "{options.pictures}" is not supported by {options.kind};'
            f" write {allowed}"
        )
    if PROVIDERS[options.kind].key_required and not options.api_key.get_secret_value():
        yield f"{prefix}API_KEY: is missing; write the key from the gateway"
    for name, check in (("api_key", check_secret), ("base_url", check_web_address)):
        try:
            check(getattr(options, name))
        except ValueError as error:
            yield f"{prefix}{name.upper()}: {error}"


# --- error messages ----------------------------------------------------------------------


def _conflicts(settings: Settings) -> Iterator[str]:
    has_webhook = bool(settings.telegram_webhook_secret.get_secret_value())
    if has_webhook and not settings.public_url:
        yield "PUBLIC_URL: is missing; TELEGRAM_WEBHOOK_SECRET requires it for the webhook URL"
    if has_webhook and settings.http_port == 0:
        yield "HTTP_PORT: is 0; TELEGRAM_WEBHOOK_SECRET requires a port for the webhook"
    s3 = ("s3_endpoint", "s3_bucket", "s3_access_key", "s3_secret_key")
    missing = [name.upper() for name in s3 if getattr(settings, name) in {"", _EMPTY}]
    if len(missing) < len(s3):
        yield from (f"{name}: is missing; other S3 settings are set" for name in missing)


_MESSAGES = {
    "int_parsing": "is not a whole number; write one like {default}",
    "float_parsing": "is not a number; write one like {default}",
    "finite_number": "is not a number; write one like {default}",
    "bool_parsing": "is not a switch; write on or off",
    "greater_than_equal": "is too small; write {ge:g} or more",
    "greater_than": "is too small; write more than {gt:g}",
    "less_than_equal": "is too large; write {le:g} or less",
    "literal_error": "is not a valid value; write one of {expected}",
    "zoneinfo_str": "is not a time zone; write one like Europe/Berlin or Asia/Shanghai",
    "value_error": "{error}",
}


def _format_errors(
    error: ValidationError, model: type[Settings | ProviderOptions], prefix: str = ""
) -> Iterator[str]:
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0])
        field = model.model_fields[name]
        params: dict[str, Any] = {"default": field.get_default() or 1} | detail.get("ctx", {})
        template = _MESSAGES.get(detail["type"])
        message = template.format_map(params) if template else detail["msg"]
        is_secret = field.annotation is SecretStr or "@" in str(detail["input"])
        quoted_value = "" if is_secret else f'"{detail["input"]!s:.60}" '
        yield f"{prefix}{name.upper()}: {quoted_value}{message}"
