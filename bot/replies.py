"""Every sentence that a person reads, by language. The sentences stand in `bot/locales`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from fluent.runtime import FluentBundle, FluentResource

from bot.admin_words import ADMIN_WORDS
from bot.commands import COMMANDS
from bot.lines import Word
from bot.model import Refusal

FOLDER = Path(__file__).parent / "locales"
DEFAULT = "en"
LANGUAGES: dict[str, str] = {"en": "English", "zh": "简体中文"}
"""Code -> the language's own name."""

Fact = str | int | float
_MAY_BE_EMPTY = {"durations", "nearest", "percent", "reason", "shape", "styles", "without"}
_LISTS = {"all", "allowed", "reason"}
_ECHOED = 200
"""Characters of what a person typed that are worth repeating to them."""
_UTC = ZoneInfo("UTC")
_BUNDLES: dict[str, FluentBundle] = {}


def _bundle(code: str) -> FluentBundle:
    # Isolation marks keep right-to-left words apart, and break paths when people copy them.
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
    """One sentence with its facts filled in; in English for a language that is not there.

    `price` reaches it in credits, and what may be empty as `none`. Raises `KeyError` for a sentence
    or a fact that does not exist.
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
    """What was wrong and what is allowed, in words. Facts called `..._at` are told as moments."""
    facts = {name: _told(language, name, fact, timezone) for name, fact in refused.facts.items()}
    return say(language, refused.sentence, **facts)


def _told(language: str, name: str, fact: Fact, timezone: ZoneInfo) -> Fact:
    if isinstance(fact, str):
        whole = name in _LISTS or len(fact) <= _ECHOED
        return fact if whole else f"{fact[:_ECHOED]}\u2026"
    return moment(language, fact, timezone) if name.endswith("_at") else fact


def about(language: str, seconds: float) -> str:
    """A length of time as people tell it: `about 2 min`."""
    if seconds < 90:
        # To the next 5 seconds: a second more or less was never meant.
        return say(language, "about-seconds", count=max(5, 5 * round(seconds / 5)))
    if seconds < 90 * 60:
        return say(language, "about-minutes", count=round(seconds / 60))
    return say(language, "about-hours", count=round(seconds / 3600))


def moment(language: str, time: float, timezone: ZoneInfo) -> str:
    """A point of time there, with the name of the place."""
    there = datetime.fromtimestamp(time, timezone)
    return say(language, "moment", time=f"{there:%Y-%m-%d %H:%M}", zone=str(timezone))


def help_text(language: str, admin: bool, typed: bool) -> str:  # noqa: FBT001 - both are facts
    """Every command in a line; and the options, where people type them."""
    lines = [say(language, "help-title"), *_listed(language, COMMANDS, "/")]
    lines += ["", say(language, "help-options")] if typed else []
    if admin:
        lines += [say(language, "help-admin")]
    return "\n".join(lines)


def admin_help_text(language: str) -> str:
    """Every word of `/admin` in a line."""
    return "\n".join(
        [say(language, "admin-help-title"), *_listed(language, ADMIN_WORDS, "/admin ")]
    )


def _listed(language: str, words: tuple[Word, ...], prefix: str) -> list[str]:
    return [
        f"{prefix}{word.name} {word.usage}".rstrip() + f" - {say(language, word.summary)}"
        for word in words
    ]
