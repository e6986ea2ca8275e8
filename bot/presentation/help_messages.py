"""Texts of `/help`, `/admin help` and `/models`."""

from __future__ import annotations

from collections.abc import Callable

from bot.catalog.catalog import Catalog
from bot.catalog.models import Model, Offer
from bot.commands.admin_parser import ADMIN_WORDS
from bot.commands.parser import COMMANDS
from bot.commands.tokens import Word
from bot.presentation.i18n import say


def help_text(language: str, admin: bool, typed: bool) -> str:  # noqa: FBT001 - passed by position
    """List the commands; and the options of `/video`, if users type them."""
    lines = [say(language, "help-title"), *_listed(language, COMMANDS, "/")]
    lines += ["", say(language, "help-options")] if typed else []
    if admin:
        lines += [say(language, "help-admin")]
    return "\n".join(lines)


def admin_help_text(language: str) -> str:
    """List the subcommands of `/admin`."""
    return "\n".join(
        [say(language, "admin-help-title"), *_listed(language, ADMIN_WORDS, "/admin ")]
    )


def _listed(language: str, words: tuple[Word, ...], prefix: str) -> list[str]:
    return [
        f"{prefix}{word.name} {word.usage}".rstrip() + f" - {say(language, word.summary)}"
        for word in words
    ]


def models_text(
    language: str, catalog: Catalog, now: float, usable: Callable[[Offer], bool]
) -> str:
    """List the models that can be requested now, with limits and prices."""
    models = catalog.models(now, usable)
    if not models:
        return say(language, "models-none")
    lines = [say(language, "models-title")]
    lines += [_model_line(language, model) for model in models]
    return "\n".join(lines)


def _model_line(language: str, model: Model) -> str:
    low, high = model.price_range()
    sizes = ", ".join(size.name for size in model.sizes)
    if any(size.orientation is None for size in model.sizes):
        words = ", ".join(say(language, f"orientation-{one}") for one in model.orientations)
        sizes = say(language, "models-free-orientation", sizes=sizes, orientations=words)
    return say(
        language,
        "models-line",
        name=model.name,
        title=model.title,
        durations=model.durations_text(),
        sizes=sizes,
        price=f"{low:g}" if low == high else f"{low:g}-{high:g}",
        images=model.images,
        styles=", ".join(model.styles),
    )
