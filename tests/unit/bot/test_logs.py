"""Logs: where they go, their format, and that no secret is ever in them."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bot.config import Settings, load_settings
from bot.logs import REDACTED, Redactor, configure

KEY = 'gateway"key\\with/odd+signs'
TOKEN = "123456789:" + "AAE-" * 9
PASSWORD = "p@ss-word"


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Restore the logging of this process."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], root.level = before
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture(params=["json", "console"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with secrets of each kind, in both formats of logs."""
    empty = tmp_path_factory.mktemp("settings") / "empty.env"
    empty.touch()
    environ = {
        "LOG_FORMAT": str(request.param),
        "DATABASE_URL": f"postgresql://reelay:{quote(PASSWORD)}@db/reelay",
        "PROVIDERS__LOCAL__KIND": "openai",
        "PROVIDERS__LOCAL__API_KEY": KEY,
    }
    return load_settings(empty, environ)


def _assert_hidden(text: str) -> None:
    assert REDACTED in text
    for secret in (KEY, TOKEN, PASSWORD):
        shown = repr(secret)[1:-1]
        assert secret not in text
        assert quote(secret, safe="") not in text
        assert shown not in text
        assert json.dumps(secret)[1:-1] not in text
        assert json.dumps(shown)[1:-1] not in text


def test_secrets_are_hidden_in_every_place_of_a_line(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the event, arguments, values, names of values and nested values."""
    configure(settings)
    log = structlog.get_logger("bot.test")
    log.warning("with %s", KEY, password=PASSWORD, nested={"keys": [KEY, TOKEN]})
    log.warning("calling", url=f"https://example.org/bot{TOKEN}/getMe?key={quote(KEY, safe='')}")
    for line in capsys.readouterr().err.splitlines():
        _assert_hidden(line)


def test_secrets_are_hidden_in_exceptions(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a traceback, its causes and the values it quotes."""

    def connect() -> None:
        raise OSError(f"cannot connect to postgresql://reelay:{PASSWORD}@db/reelay")

    def ask() -> None:
        try:
            connect()
        except OSError as error:
            raise ValueError({"Authorization": f"Bearer {KEY}"}) from error

    configure(settings)
    try:
        ask()
    except ValueError:
        structlog.get_logger("bot.test").exception("failed")
        logging.getLogger("some.library").exception("failed too")
    text = capsys.readouterr().err
    assert text.count("ValueError") >= 2
    _assert_hidden(text)


def test_secrets_are_hidden_in_library_logs(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every logger of every library uses the same handler; so do warnings."""
    configure(settings)
    logging.getLogger("some.library").error("GET %s", f"https://api.telegram.org/bot{TOKEN}/x")
    _assert_hidden(capsys.readouterr().err)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"odd key {KEY}", stacklevel=1)
    _assert_hidden(capsys.readouterr().err)


def test_failing_log_call_shows_no_arguments(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """The standard library's own error message would print them."""
    configure(settings)
    logging.getLogger("some.library").error("%d", KEY)
    assert capsys.readouterr().err == "a log line of some.library was lost: TypeError\n"


def test_logs_go_to_standard_error_only(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output is for answers to people."""
    configure(settings)
    structlog.get_logger("bot.test").info("said")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "said" in captured.err


def test_json_line_has_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, with what a collector needs; other scripts stay readable."""
    configure(Settings(log_format="json"))
    structlog.get_logger("bot.test").info("task_accepted", prompt="一只猫")
    line = capsys.readouterr().err
    assert "一只猫" in line
    fields = json.loads(line)
    assert fields.pop("timestamp").endswith("Z")
    assert fields == {
        "message": "task_accepted",
        "level": "info",
        "logger": "bot.test",
        "prompt": "一只猫",
    }


def test_format_is_json_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """That is what `auto` means there."""
    configure(Settings(log_format="auto"))
    structlog.get_logger("bot.test").info("said")
    assert json.loads(capsys.readouterr().err)["message"] == "said"


def test_level_is_obeyed_and_chatty_libraries_are_silenced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A line for each request of a polling bot would drown all others, and carries addresses."""
    configure(Settings(log_format="json", log_level="info"))
    structlog.get_logger("bot.test").debug("too fine")
    logging.getLogger("httpx").info("HTTP Request")
    logging.getLogger("httpcore.http11").info("send_request_headers.started")
    assert capsys.readouterr().err == ""
    logging.getLogger("httpx").warning("odd")
    assert "odd" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"https://api.telegram.org/bot{TOKEN}/getMe", "https://api.telegram.org/bot***/getMe"),
        ("authorization: bearer abcdefgh1234, next", "authorization: bearer ***, next"),
        ("key sk-proj-abcdef123456.", "key ***."),
        ("postgresql://me:p@ss@db/reelay", "postgresql://***@db/reelay"),
        ("see https://example.org/@someone at 12:30", "see https://example.org/@someone at 12:30"),
        ("task-12345678 took 10:15:30", "task-12345678 took 10:15:30"),
    ],
)
def test_secret_looking_values_are_hidden(text: str, shown: str) -> None:
    """Tokens, keys and passwords in addresses are recognised by their form; plain text stays."""
    assert Redactor()(text) == shown


@given(
    st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6), max_size=4),
    st.text(),
    st.text(),
)
def test_known_secret_never_comes_through(secrets: list[str], before: str, after: str) -> None:
    """Whatever is around it, and also where one secret is a part of another."""
    redact = Redactor(secrets)
    for secret in secrets:
        text = redact(f"{before}{secret}{after}")
        assert secret not in text or secret in f"{before}{REDACTED}{after}"
