"""Translate text keys with Fluent; format errors, durations and times."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from fluent.runtime import FluentBundle, FluentResource

from bot.domain.errors import Refusal

FOLDER = Path(__file__).parent / "locales"
DEFAULT = "en"
LANGUAGES: dict[str, str] = {"en": "English", "zh": "简体中文"}
"""Code -> name of the language in that language."""

Fact = str | int | float
_MAY_BE_EMPTY = {"durations", "nearest", "percent", "reason", "shape", "styles", "without"}
_LISTS = {"all", "allowed", "reason"}
_ECHOED = 200
"""User input that is repeated in a message is cut to this length."""
_UTC = ZoneInfo("UTC")
_BUNDLES: dict[str, FluentBundle] = {}


def _bundle(code: str) -> FluentBundle:
    # Isolation marks would be copied along with paths and ids, and break them.
    bundle = FluentBundle([code], use_isolating=False)
    text = (FOLDER / f"{code}.ftl").read_text(encoding="utf-8")
    bundle.add_resource(FluentResource(text))
    return bundle


def _bundle_of(language: str) -> FluentBundle:
    code = language[:2].lower()
    code = code if code in LANGUAGES else DEFAULT
    if code not in _BUNDLES:
        _BUNDLES[code] = _bundle(code)
    return _BUNDLES[code]


def say(language: str, sentence: str, /, **facts: Fact) -> str:
    """Format a text; in English if the language is unknown.

    A whole number called "price" is written in credits; parameters that may be empty become "none".
    Raises `KeyError` if the text or one of its parameters is missing.
    """
    text, errors = _format(language, sentence, _filled(language, facts))
    if errors:
        raise KeyError(f"{sentence}: {errors[0]}")
    return "\n".join(line.rstrip() for line in text.splitlines())


def _format(language: str, sentence: str, facts: dict[str, Fact]) -> tuple[str, list[Exception]]:
    bundle = _bundle_of(language)
    if not bundle.has_message(sentence):
        raise KeyError(sentence)
    pattern = bundle.get_message(sentence).value
    if pattern is None:
        raise KeyError(sentence)
    text, errors = bundle.format_pattern(pattern, facts)
    return str(text), list(errors)


def _filled(language: str, facts: dict[str, Fact]) -> dict[str, Fact]:
    filled: dict[str, Fact] = {}
    for name, fact in facts.items():
        if fact == "" and name in _MAY_BE_EMPTY:
            filled[name] = "none"
        elif name == "price" and isinstance(fact, int):
            filled[name] = _format(language, "credits", {"count": fact})[0]
        else:
            filled[name] = fact
    return filled


def refusal(language: str, refused: Refusal, timezone: ZoneInfo = _UTC) -> str:
    """Format the text of a refusal. Parameters named "*_at" are formatted as dates."""
    facts = {name: _told(language, name, fact, timezone) for name, fact in refused.facts.items()}
    return say(language, refused.sentence, **facts)


def _told(language: str, name: str, fact: Fact, timezone: ZoneInfo) -> Fact:
    if isinstance(fact, str):
        whole = name in _LISTS or len(fact) <= _ECHOED
        return fact if whole else f"{fact[:_ECHOED]}\u2026"
    return moment(language, fact, timezone) if name.endswith("_at") else fact


def about(language: str, seconds: float) -> str:
    """Format an approximate duration: "about 2 min"."""
    if seconds < 90:
        # Rounded to 5 seconds: an estimate is not more precise.
        return say(language, "about-seconds", count=max(5, 5 * round(seconds / 5)))
    if seconds < 90 * 60:
        return say(language, "about-minutes", count=round(seconds / 60))
    return say(language, "about-hours", count=round(seconds / 3600))


def moment(language: str, time: float, timezone: ZoneInfo) -> str:
    """Format a UNIX time as local date and time, with the name of the time zone."""
    there = datetime.fromtimestamp(time, timezone)
    return say(language, "moment", time=f"{there:%Y-%m-%d %H:%M}", zone=str(timezone))
