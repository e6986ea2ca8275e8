"""Every sentence that a person reads, by language. The sentences stand in `bot/locales`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from fluent.runtime import FluentBundle, FluentResource

from bot.commands import ADMIN_WORDS, COMMANDS, Word
from bot.model import Refusal

FOLDER = Path(__file__).parent / "locales"
FALLBACK = "en"
LANGUAGES: dict[str, str] = {"en": "English", "zh": "简体中文"}
"""Code -> the language's own name."""

Fact = str | int | float


def _bundle(code: str) -> FluentBundle:
    # Isolation marks keep right-to-left words apart, and break paths when people copy them.
    bundle = FluentBundle([code], use_isolating=False)
    text = (FOLDER / f"{code}.ftl").read_text(encoding="utf-8")
    bundle.add_resource(FluentResource(text))
    return bundle


_BUNDLES: dict[str, FluentBundle] = {}


def bundle_of(language: str) -> FluentBundle:
    """The sentences of a language; English for one that is not there."""
    code = language if language in LANGUAGES else FALLBACK
    if code not in _BUNDLES:
        _BUNDLES[code] = _bundle(code)
    return _BUNDLES[code]


def say(language: str, sentence: str, /, **facts: Fact) -> str:
    """One sentence with its facts filled in. Raises `KeyError` for one that does not exist.

    An empty fact reaches the sentence as `none`, `price` in credits, an orientation as its word.
    """
    text, errors = _format(language, sentence, _filled(language, facts))
    if errors:
        raise KeyError(f"{sentence}: {errors[0]}")
    return "\n".join(line.rstrip() for line in text.splitlines())


def _format(language: str, sentence: str, facts: dict[str, Fact]) -> tuple[str, list[Exception]]:
    bundle = bundle_of(language)
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
        if fact == "":
            filled[name] = "none"
        elif name == "price" and isinstance(fact, int):
            filled[name] = _format(language, "credits", {"count": fact})[0]
        elif isinstance(fact, str) and fact in _ORIENTATIONS:
            filled[name] = _format(language, f"orientation-{fact}", {})[0]
        else:
            filled[name] = fact
    return filled


_ORIENTATIONS = {"portrait", "landscape", "square"}


def refusal(language: str, refused: Refusal) -> str:
    """What was wrong and what is allowed, in words."""
    return say(language, refused.sentence, **refused.facts)


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


def size(language: str, count: int) -> str:
    """A number of bytes as people tell it."""
    return say(language, "megabytes", count=f"{count / 1_000_000:.1f}")


def help_text(language: str, *, admin: bool) -> str:
    """Every command in a line."""
    lines = [say(language, "help-title"), *_listed(language, COMMANDS, "/")]
    lines += ["", say(language, "help-options")]
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
