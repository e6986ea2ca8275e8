"""Settings of providers, `PROVIDERS__<NAME>__*`: their effect, and what is reported for slips."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.config import SettingsError, load_settings
from providers import PROVIDERS
from providers.base import ProviderOptions

NOTHING = Path(os.devnull)
OPENAI = {"PROVIDERS__LOCAL__KIND": "openai", "PROVIDERS__LOCAL__API_KEY": "sk-0123456789"}


def load(**environ: str) -> Mapping[str, ProviderOptions]:
    """The providers of an environment given by name."""
    return load_settings(NOTHING, environ).providers


def complaints(**environ: str) -> tuple[str, ...]:
    """The lines that an environment given by name is refused with."""
    with pytest.raises(SettingsError) as caught:
        load(**environ)
    return caught.value.lines


def test_provider_has_the_options_of_its_kind() -> None:
    """Each name has its own options; without KIND the name is the kind."""
    providers = load(
        **OPENAI,
        PROVIDERS__LOCAL__BASE_URL="http://127.0.0.1:8000/v1",
        PROVIDERS__LOCAL__MAX_CONCURRENT="3",
        PROVIDERS__OPENAI__API_KEY="sk-abcdefghij",
        PROVIDERS__OPENAI__PRIORITY="-1",
    )
    local, openai = providers["local"], providers["openai"]
    assert (local.kind, local.base_url, local.max_concurrent) == (
        "openai",
        "http://127.0.0.1:8000/v1",
        3,
    )
    assert (openai.kind, openai.priority) == ("openai", -1)


def test_sandbox_exists_only_alone_or_when_named() -> None:
    """With a paid gateway nobody must get test videos by accident."""
    assert set(load(**OPENAI)) == {"local"}
    both = load(**OPENAI, PROVIDERS__SANDBOX__KIND="sandbox")
    assert set(both) == {"local", "sandbox"}


def test_key_of_digits_stays_text() -> None:
    """A key is never read as a number."""
    providers = load(PROVIDERS__OPENAI__API_KEY="0012345678")
    assert providers["openai"].api_key.get_secret_value() == "0012345678"


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"PROVIDERS__LOCAL__API_KYE": "x"},
            "PROVIDERS__LOCAL__API_KYE: no such setting; did you mean PROVIDERS__LOCAL__API_KEY?",
        ),
        (
            {"PROVIDERS__LOCAL_PRIORITY": "x"},
            "PROVIDERS__LOCAL_PRIORITY: no such setting; did you mean PROVIDERS__LOCAL__PRIORITY?",
        ),
        (
            {"PROVIDERS_LOCAL_API_KEY": "x"},
            "PROVIDERS_LOCAL_API_KEY: no such setting; did you mean PROVIDERS__LOCAL__API_KEY?",
        ),
        (
            {"PROVIDERS__LOCAL": "openai"},
            "PROVIDERS__LOCAL: no such setting; did you mean PROVIDERS__<NAME>__KIND?",
        ),
        (
            {"PROVIDERS__B__KIND": "sandbax"},
            'PROVIDERS__B__KIND: "sandbax" is not a provider kind; '
            f"write one of {', '.join(PROVIDERS)}; did you mean sandbox?",
        ),
        (
            {"PROVIDERS__OTHER__KID": "openai"},
            "PROVIDERS__OTHER__KID: no such setting; did you mean PROVIDERS__OTHER__KIND?",
        ),
        (
            {"PROVIDERS__B__KIND": "openai"},
            "PROVIDERS__B__API_KEY: is missing; write the key from the gateway",
        ),
        (
            {"PROVIDERS__LOCAL__PICTURES": "pigeon"},
            'PROVIDERS__LOCAL__PICTURES: "pigeon" is not a valid value; '
            "write one of 'auto', 'file', 'upload' or 'link'",
        ),
        (
            {"PROVIDERS__LOCAL__PICTURES": "link"},
            'PROVIDERS__LOCAL__PICTURES: "link" is not supported by openai; write file or auto',
        ),
        (
            {
                "PROVIDERS__JIMMY__API_KEY": "sk-0123456789",
                "PROVIDERS__JIMMY__PICTURES": "file",
            },
            'PROVIDERS__JIMMY__PICTURES: "file" is not supported by jimmy; '
            "write upload or link or auto",
        ),
        (
            {"PROVIDERS__LOCAL__API_KEY": "my key"},
            "PROVIDERS__LOCAL__API_KEY: contains a space or a character that is not valid "
            "in a key; copy it again",
        ),
        (
            {"PROVIDERS__LOCAL__BASE_URL": "localhost:8000"},
            "PROVIDERS__LOCAL__BASE_URL: is not a web address; write one like https://example.org",
        ),
        (
            {"PROVIDERS__LOCAL__MAX_CONCURRENT": "many"},
            'PROVIDERS__LOCAL__MAX_CONCURRENT: "many" is not a whole number; write one like 10',
        ),
        (
            {"PROVIDERS__LOCAL__MAX_CONCURRENT": "-1"},
            'PROVIDERS__LOCAL__MAX_CONCURRENT: "-1" is too small; write 0 or more',
        ),
    ],
)
def test_wrong_provider_setting_is_named(environ: dict[str, str], line: str) -> None:
    """Each slip under `PROVIDERS__` is one line that says what to write."""
    assert line in complaints(**(OPENAI | environ))
