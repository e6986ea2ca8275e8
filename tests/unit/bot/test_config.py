"""Settings: where each is read from, and what is reported for each wrong one."""

from __future__ import annotations

import os
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.config import SETTING_NAMES, Settings, SettingsError, load_settings
from bot.presentation.i18n import LANGUAGES

OPENAI = {"PROVIDERS__LOCAL__KIND": "openai", "PROVIDERS__LOCAL__API_KEY": "sk-0123456789"}
NOTHING = Path(os.devnull)
"""An `.env` that says nothing, so that no real one is read."""


def load(**environ: str) -> Settings:
    """Settings from an environment given by name."""
    return load_settings(NOTHING, environ)


def complaints(**environ: str) -> tuple[str, ...]:
    """The lines that an environment given by name is refused with."""
    with pytest.raises(SettingsError) as caught:
        load(**environ)
    return caught.value.lines


# --- what is taken from where ------------------------------------------------------------


def test_empty_environment_gives_the_embedded_default() -> None:
    """With nothing set there are the console, the sandbox and SQLite under `data`."""
    settings = load()
    assert settings.is_console_enabled
    assert {name: one.kind for name, one in settings.providers.items()} == {"sandbox": "sandbox"}
    assert settings.database_url.get_secret_value() == "sqlite:///data/reelay.db"
    assert settings == Settings()


def test_environment_goes_before_the_file(tmp_path: Path) -> None:
    """What is in the environment wins over the same name in the file."""
    file = tmp_path / "some.env"
    file.write_text("HTTP_PORT=1\nDAILY_CREDITS=2\n")
    settings = load_settings(file, {"HTTP_PORT": "3"})
    assert (settings.http_port, settings.daily_credits) == (3, 2)


def test_empty_value_means_not_set(tmp_path: Path) -> None:
    """An empty or blank value leaves the file's value, or the default."""
    file = tmp_path / "some.env"
    file.write_text("HTTP_PORT=1\nDAILY_CREDITS=\n")
    settings = load_settings(file, {"HTTP_PORT": " "})
    assert (settings.http_port, settings.daily_credits) == (1, 60)


def test_names_may_be_written_in_lower_case() -> None:
    """`http_port` is `HTTP_PORT`; where both are set, upper case wins."""
    assert load(http_port="7").http_port == 7
    assert load(HTTP_PORT="8", http_port="7").http_port == 8
    assert load(http_port="7", HTTP_PORT="8").http_port == 8


def test_dotenv_file_in_the_working_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a named file `.env` is read, if it is there."""
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}).daily_credits == 60
    (tmp_path / ".env").write_text("DAILY_CREDITS=5\n")
    assert load_settings(environ={}).daily_credits == 5


def test_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an environment handed in, it is the process's own."""
    monkeypatch.setenv("DAILY_CREDITS", "9")
    assert load_settings(NOTHING).daily_credits == 9


def test_settings_made_by_hand_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Settings()` has the defaults whatever the environment says."""
    monkeypatch.setenv("DAILY_CREDITS", "9")
    assert Settings().daily_credits == 60


def test_dotenv_value_is_taken_as_it_is_written(tmp_path: Path) -> None:
    """Quotes, comments, `export`, a byte-order mark and a `$` in a password are handled."""
    file = tmp_path / "some.env"
    file.write_text(
        "\ufeff# comment\nexport HTTP_HOST='0.0.0.0'  # all\n\n"
        'DATABASE_URL="postgresql://reelay:a$b${HOME}@db/reelay"\n'
    )
    settings = load_settings(file, {})
    assert settings.http_host == "0.0.0.0"  # noqa: S104 - a value, not a binding
    assert settings.database_url.get_secret_value().endswith("a$b${HOME}@db/reelay")


def test_lists_and_zones_are_parsed() -> None:
    """Commas, spaces and capitals in values are what people write."""
    settings = load(
        ADMINS="telegram:123, discord:456,",
        DISCORD_GUILDS="1,2",
        QUOTA_RESET_TZ="Asia/Shanghai",
        LOG_LEVEL="INFO",
        POLL_MIN_SECONDS="0.5",
        PUBLIC_URL="https://example.org/bot/",
    )
    assert settings.admins == {"telegram:123", "discord:456"}
    assert settings.discord_guilds == {1, 2}
    assert settings.timezone == ZoneInfo("Asia/Shanghai")
    assert settings.log_level == "info"
    assert settings.poll_min_seconds == 0.5
    assert settings.public_url == "https://example.org/bot"


def test_every_language_can_be_the_default() -> None:
    """A new language is allowed here too, and no unknown one."""
    assert all(load(DEFAULT_LANGUAGE=code).default_language == code for code in LANGUAGES)
    (line,) = complaints(DEFAULT_LANGUAGE="xx")
    assert set(re.findall(r"'(\w+)'", line)) == set(LANGUAGES)


def test_settings_cannot_be_changed() -> None:
    """They are immutable."""
    settings = load()
    with pytest.raises(ValidationError):
        settings.http_port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Settings.model_validate({"htp_port": 1})


@pytest.mark.parametrize(
    ("environ", "on"),
    [({}, True), ({"CONSOLE": "off"}, False), ({"CONSOLE": "yes"}, True)],
)
def test_console_is_on_where_no_other_front_end_is(environ: dict[str, str], on: bool) -> None:
    """Unless it is set explicitly."""
    assert load(**environ).is_console_enabled is on


def test_another_front_end_turns_the_console_off() -> None:
    """A bot with a token does not wait for a terminal."""
    assert not Settings.model_validate({"discord_bot_token": "abc"}).is_console_enabled


def test_short_scheme_of_postgresql_is_understood() -> None:
    """Hosts hand out `postgres://`, which libraries refuse."""
    url = load(DATABASE_URL="postgres://u:p@h/n").database_url
    assert url.get_secret_value() == "postgresql://u:p@h/n"


# --- what is wrong -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"HTTP_PORT": "http"}, 'HTTP_PORT: "http" is not a whole number; write one like 8080'),
        ({"HTTP_PORT": "65536"}, 'HTTP_PORT: "65536" is too large; write 65535 or less'),
        ({"DAILY_CREDITS": "-1"}, 'DAILY_CREDITS: "-1" is too small; write 0 or more'),
        ({"POLL_MIN_SECONDS": "0"}, 'POLL_MIN_SECONDS: "0" is too small; write more than 0'),
        ({"LEASE_SECONDS": "nan"}, 'LEASE_SECONDS: "nan" is not a number; write one like 30'),
        ({"LEASE_SECONDS": "soon"}, 'LEASE_SECONDS: "soon" is not a number; write one like 30'),
        ({"CONSOLE": "maybe"}, 'CONSOLE: "maybe" is not a switch; write on or off'),
        (
            {"LOG_FORMAT": "xml"},
            "LOG_FORMAT: \"xml\" is not a valid value; write one of 'auto', 'console' or 'json'",
        ),
        (
            {"DEFAULT_LANGUAGE": "de"},
            "DEFAULT_LANGUAGE: \"de\" is not a valid value; write one of 'en' or 'zh'",
        ),
        (
            {"QUOTA_RESET_TZ": "Mars/Base"},
            'QUOTA_RESET_TZ: "Mars/Base" is not a time zone; '
            "write one like Europe/Berlin or Asia/Shanghai",
        ),
        (
            {"ADMINS": "telegram:1,bob"},
            'ADMINS: "bob" is not a user id; '
            "write telegram:123 or discord:456, separated by commas",
        ),
        (
            {"DISCORD_SHARDS": "3-1/4"},
            'DISCORD_SHARDS: "3-1/4" is not a range of shards; write one like 0-3/16',
        ),
        (
            {"CATALOG_FILE": "/nowhere/catalog.toml"},
            'CATALOG_FILE: "/nowhere/catalog.toml" is not a file; '
            "write the path of a file, or leave it empty",
        ),
        (
            {"PUBLIC_URL": "example.org"},
            'PUBLIC_URL: "example.org" is not a web address; write one like https://example.org',
        ),
        (
            {"PUBLIC_URL": "https://example.org/?a=b"},
            'PUBLIC_URL: "https://example.org/?a=b" has a `?` or `#` part; remove it',
        ),
        (
            {"TELEGRAM_WEBHOOK_SECRET": "abc"},
            "PUBLIC_URL: is missing; TELEGRAM_WEBHOOK_SECRET requires it for the webhook URL",
        ),
        (
            {"TELEGRAM_WEBHOOK_SECRET": "a b"},
            "TELEGRAM_WEBHOOK_SECRET: may contain only letters, digits, `_` and `-`, at most 256",
        ),
        (
            {"TELEGRAM_BOT_TOKEN": "abc"},
            "TELEGRAM_BOT_TOKEN: is not a bot token; "
            "write the one from @BotFather, like 123456:AAE...",
        ),
        (
            {"TELEGRAM_WEBHOOK_SECRET": "abc", "HTTP_PORT": "0"},
            "HTTP_PORT: is 0; TELEGRAM_WEBHOOK_SECRET requires a port for the webhook",
        ),
        ({"S3_BUCKET": "videos"}, "S3_ENDPOINT: is missing; other S3 settings are set"),
    ],
)
def test_wrong_value_is_reported_with_what_to_write(environ: dict[str, str], line: str) -> None:
    """One line: the name, what is wrong, what to write."""
    assert line in complaints(**environ)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hunter22@h/n",
        "sqlite://reelay.db",
        "sqlite:///:memory:",
        "sqlite:///",
        "postgresql://u:hunter22@h",
        "postgresql://u:hunter22@h:port/n",
        "reelay.db",
    ],
)
def test_invalid_database_url_is_refused_without_being_shown(url: str) -> None:
    """An address that cannot be used is not repeated: it may hold a password."""
    (line,) = complaints(DATABASE_URL=url)
    assert line == (
        "DATABASE_URL: is not a database; "
        "write sqlite:///data/reelay.db or postgresql://user:password@host/name"
    )


def test_all_errors_are_reported_at_once() -> None:
    """Not one after the other."""
    lines = complaints(
        HTTP_PORT="x", LOG_LEVEL="loud", PROVIDERS__A__KIND="no", PROVIDERS__OPENAI__KIND="openai"
    )
    assert [line.split(":")[0] for line in lines] == [
        "PROVIDERS__A__KIND",
        "PROVIDERS__OPENAI__API_KEY",
        "HTTP_PORT",
        "LOG_LEVEL",
    ]


def test_unknown_name_is_an_error_in_the_file_only(
    tmp_path: Path,
) -> None:
    """The environment is full of other programs' names; the file is Reelay's alone."""
    file = tmp_path / "some.env"
    file.write_text("DAILY_CREDIT=1\nXYZZY_PLUGH=\n")
    load_settings(environ={"DAILY_CREDIT": "1"}, env_file=NOTHING)
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})
    assert caught.value.lines == (
        "DAILY_CREDIT: no such setting; did you mean DAILY_CREDITS?",
        "XYZZY_PLUGH: no such setting; .env.example lists them all",
    )


def test_unreadable_file_is_reported(tmp_path: Path) -> None:
    """A file that was named must be there, be text and hold names with values."""
    broken = tmp_path / "broken.env"
    missing = tmp_path / "missing.env"
    for content, expected in [
        (None, f"{missing}: No such file or directory; write the path of a file"),
        (b"HTTP_PORT=\xff\n", f"{broken}: is not UTF-8 text; save it as UTF-8"),
        (b"HTTP_PORT=1\nnonsense here\n", f"{broken}, line 2: is not a valid line; "),
        (b"\nHTTP_PORT\n", f"{broken}, line 2: is not a valid line; write NAME=value"),
    ]:
        if content is not None:
            broken.write_bytes(content)
        with pytest.raises(SettingsError) as caught:
            load_settings(missing if content is None else broken, {})
        assert caught.value.lines[0].startswith(expected)


# --- secrets -----------------------------------------------------------------------------


def test_no_secret_shows_in_settings_or_errors() -> None:
    """Neither `repr`, nor `str`, nor an error repeats a key, a token or a password."""
    good = load(**OPENAI, DATABASE_URL="postgresql://reelay:hunter22@db/reelay")
    lines = complaints(
        TELEGRAM_BOT_TOKEN="classified 1",
        DISCORD_BOT_TOKEN="classified 2",
        S3_SECRET_KEY="classified 3",
        DATABASE_URL="mysql://4:classified@5/6",
        PUBLIC_URL="https://me:classified@example.org",
        PROVIDERS__OPENAI__API_KEY="classified 6",
        PROVIDERS__OPENAI__BASE_URL="https://me:classified@example.org",
    )
    assert len(lines) == 7
    for text in (repr(good), str(good), repr(good.providers), *lines):
        assert "sk-0123456789" not in text
        assert "hunter22" not in text
        assert "classified" not in text


def test_all_secrets_are_registered_for_redaction() -> None:
    """Keys and passwords, raw and decoded; nothing so short that it would hide plain text."""
    settings = load(
        **OPENAI,
        PROVIDERS__SELF__KIND="openai",
        PROVIDERS__SELF__API_KEY="none",
        DATABASE_URL="postgresql://reelay:p%40ssword@db/reelay",
        S3_ENDPOINT="https://s3.example.org",
        S3_BUCKET="videos",
        S3_ACCESS_KEY="AKIA0000",
        S3_SECRET_KEY="shhhhhhh",
    )
    assert settings.secrets == {
        "sk-0123456789",
        "p%40ssword",
        "p@ssword",
        "AKIA0000",
        "shhhhhhh",
    }


# --- whatever comes ----------------------------------------------------------------------


@given(
    st.dictionaries(
        st.sampled_from(
            [*SETTING_NAMES, "PROVIDERS__A__KIND", "PROVIDERS__A__API_KEY", "PROVIDERS__A__X"]
        ),
        st.text(),
        max_size=6,
    )
)
def test_any_value_gives_settings_or_named_errors(
    environ: dict[str, str],
) -> None:
    """Whatever is written, there are settings or lines that name what is wrong."""
    lines: tuple[str, ...] = ("SETTINGS: sound",)
    try:
        load_settings(NOTHING, environ)
    except SettingsError as error:
        lines = error.lines
    assert lines
    assert all(line.split(":")[0].isupper() for line in lines)
