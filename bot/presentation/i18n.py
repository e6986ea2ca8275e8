"""Translate text keys with Fluent; format errors, durations and times."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from fluent.runtime import FluentBundle, FluentResource

from bot.domain.errors import Refusal

LOCALES_DIR = Path(__file__).parent / "locales"
DEFAULT_LANGUAGE = "en"
LANGUAGES: dict[str, str] = {"en": "English", "zh": "简体中文"}
"""Code -> name of the language in that language."""

Param = str | int | float
_OPTIONAL_PARAMS = {"durations", "nearest", "percent", "reason", "shape", "styles", "without"}
_UNTRUNCATED_PARAMS = {"all", "allowed", "reason"}
_MAX_ECHO_CHARS = 200
"""User input that is repeated in a message is cut to this length."""
_UTC = ZoneInfo("UTC")
_BUNDLES: dict[str, FluentBundle] = {}


def _load_bundle(code: str) -> FluentBundle:
    # Isolation marks would be copied along with paths and ids, and break them.
    bundle = FluentBundle([code], use_isolating=False)
    text = (LOCALES_DIR / f"{code}.ftl").read_text(encoding="utf-8")
    bundle.add_resource(FluentResource(text))
    return bundle


def _bundle_for(language: str) -> FluentBundle:
    code = language[:2].lower()
    code = code if code in LANGUAGES else DEFAULT_LANGUAGE
    if code not in _BUNDLES:
        _BUNDLES[code] = _load_bundle(code)
    return _BUNDLES[code]


def translate(language: str, text_key: str, /, **params: Param) -> str:
    """Format a text; in English if the language is unknown.

    A whole number called "price" is written in credits; parameters that may be empty become "none".
    Raises `KeyError` if the text or one of its parameters is missing.
    """
    text, errors = _format(language, text_key, _prepare_params(language, params))
    if errors:
        raise KeyError(f"{text_key}: {errors[0]}")
    return "\n".join(line.rstrip() for line in text.splitlines())


def _format(language: str, text_key: str, params: dict[str, Param]) -> tuple[str, list[Exception]]:
    bundle = _bundle_for(language)
    if not bundle.has_message(text_key):
        raise KeyError(text_key)
    pattern = bundle.get_message(text_key).value
    if pattern is None:
        raise KeyError(text_key)
    text, errors = bundle.format_pattern(pattern, params)
    return str(text), list(errors)


def _prepare_params(language: str, params: dict[str, Param]) -> dict[str, Param]:
    prepared: dict[str, Param] = {}
    for name, value in params.items():
        if value == "" and name in _OPTIONAL_PARAMS:
            prepared[name] = "none"
        elif name == "price" and isinstance(value, int):
            prepared[name] = _format(language, "credits", {"count": value})[0]
        else:
            prepared[name] = value
    return prepared


def format_error(language: str, error: Refusal, timezone: ZoneInfo = _UTC) -> str:
    """Format the text of a refusal. Parameters named "*_at" are formatted as dates."""
    params = {
        name: _format_param(language, name, value, timezone) for name, value in error.params.items()
    }
    return translate(language, error.text_key, **params)


def _format_param(language: str, name: str, value: Param, timezone: ZoneInfo) -> Param:
    if isinstance(value, str):
        keep_whole = name in _UNTRUNCATED_PARAMS or len(value) <= _MAX_ECHO_CHARS
        return value if keep_whole else f"{value[:_MAX_ECHO_CHARS]}\u2026"
    return format_datetime(language, value, timezone) if name.endswith("_at") else value


def format_duration(language: str, seconds: float) -> str:
    """Format an approximate duration: "about 2 min"."""
    if seconds < 90:
        # Rounded to 5 seconds: an estimate is not more precise.
        return translate(language, "about-seconds", count=max(5, 5 * round(seconds / 5)))
    if seconds < 90 * 60:
        return translate(language, "about-minutes", count=round(seconds / 60))
    return translate(language, "about-hours", count=round(seconds / 3600))


def format_datetime(language: str, timestamp: float, timezone: ZoneInfo) -> str:
    """Format a UNIX time as local date and time, with the name of the time zone."""
    local_time = datetime.fromtimestamp(timestamp, timezone)
    return translate(language, "moment", time=f"{local_time:%Y-%m-%d %H:%M}", zone=str(timezone))
