"""Texts of `/help`, `/admin help` and `/models`."""

from __future__ import annotations

from collections.abc import Callable

from bot.catalog.catalog import Catalog
from bot.catalog.models import Model, Offer
from bot.commands.admin_parser import ADMIN_COMMANDS
from bot.commands.parser import COMMANDS
from bot.commands.tokens import CommandSpec
from bot.presentation.i18n import translate


def help_text(language: str, is_admin: bool, typed_options: bool) -> str:  # noqa: FBT001 - passed by position
    """List the commands; and the options of `/video`, if users type them."""
    lines = [translate(language, "help-title"), *_command_lines(language, COMMANDS, "/")]
    lines += ["", translate(language, "help-options")] if typed_options else []
    if is_admin:
        lines += [translate(language, "help-admin")]
    return "\n".join(lines)


def admin_help_text(language: str) -> str:
    """List the subcommands of `/admin`."""
    return "\n".join(
        [
            translate(language, "admin-help-title"),
            *_command_lines(language, ADMIN_COMMANDS, "/admin "),
        ]
    )


def _command_lines(language: str, specs: tuple[CommandSpec, ...], prefix: str) -> list[str]:
    return [
        f"{prefix}{spec.name} {spec.usage}".rstrip() + f" - {translate(language, spec.summary_key)}"
        for spec in specs
    ]


def models_text(
    language: str, catalog: Catalog, now: float, offer_filter: Callable[[Offer], bool]
) -> str:
    """List the models that can be requested now, with limits and prices."""
    models = catalog.available_models(now, offer_filter)
    if not models:
        return translate(language, "models-none")
    lines = [translate(language, "models-title")]
    lines += [_model_line(language, model) for model in models]
    return "\n".join(lines)


def _model_line(language: str, model: Model) -> str:
    low, high = model.price_range()
    sizes = ", ".join(size.name for size in model.sizes)
    if any(size.orientation is None for size in model.sizes):
        labels = ", ".join(
            translate(language, f"orientation-{orientation}") for orientation in model.orientations
        )
        sizes = translate(language, "models-free-orientation", sizes=sizes, orientations=labels)
    return translate(
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
