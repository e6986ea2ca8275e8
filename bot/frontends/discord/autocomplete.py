"""Autocomplete of options: at most 25 choices, the best matches first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog
from discord import Interaction
from discord.app_commands import Choice

from bot.catalog.models import Model
from bot.chat.interactive_messages import DatabaseError
from bot.frontends.discord.interaction_payload import user_from
from bot.frontends.discord.rendering import truncate
from bot.presentation.i18n import translate
from bot.services.context import AppContext
from bot.services.queries import language_for, recent_tasks

_log = structlog.get_logger(__name__)
_MAX_CHOICES = 25
_MAX_CHOICE_CHARS = 100
"""Maximum length of a choice's name (application-commands, "choice structure")."""
_TIMEOUT_S = 2.0
"""Of the 3 seconds that Discord allows."""
_SEARCHED_TASKS = 200
"""How many of a user's tasks are searched."""


class Autocomplete:
    """Finds the choices of an option."""

    def __init__(self, app: AppContext) -> None:
        self._app = app

    async def models(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        """Return the models that are available now."""
        del interaction
        return _best_matches(((model.title, model.name) for model in await self._models()), typed)

    async def sizes(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        """Return the sizes of the chosen model, or of all."""
        names = [
            size.name for model in await self._selected_models(interaction) for size in model.sizes
        ]
        return _best_matches(((size, size) for size in names), typed)

    async def styles(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        """Return the styles of the chosen model, or of all."""
        styles = [
            style for model in await self._selected_models(interaction) for style in model.styles
        ]
        return _best_matches(((style, style) for style in styles), typed)

    async def durations(self, interaction: Interaction, typed: str) -> list[Choice[int]]:
        """Return the durations of the chosen model, or of all."""
        all_seconds = {
            seconds
            for model in await self._selected_models(interaction)
            for seconds in model.durations
        }
        names = [(f"{model} s", str(model)) for model in sorted(all_seconds)]
        return [
            Choice(name=model.name, value=int(model.value)) for model in _best_matches(names, typed)
        ]

    async def tasks(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        """Return the user's own tasks, newest first."""
        user = user_from(interaction, self._app.settings)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                language = await language_for(self._app, user)
                own = await recent_tasks(self._app, user.id, _SEARCHED_TASKS)
        except (TimeoutError, DatabaseError) as error:
            _log.info("autocomplete_unavailable", error=str(error))
            return []
        names = [
            (
                f"{task.id} ({translate(language, f'state-{task.state}')}) {task.order.prompt}",
                task.id,
            )
            for task in own
        ]
        return _best_matches(names, typed)

    async def _models(self) -> list[Model]:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                service = await self._app.provider_availability()
        except (TimeoutError, DatabaseError) as error:
            _log.info("autocomplete_unavailable", error=str(error))
            return []
        return list(self._app.catalog.available_models(self._app.clock.now(), service.can_serve))

    async def _selected_models(self, interaction: Interaction) -> list[Model]:
        models = await self._models()
        named = str(getattr(interaction.namespace, "model", None) or "").lower()
        return [model for model in models if model.name.lower() == named] or models


def _best_matches(candidates: Iterable[tuple[str, str]], typed: str) -> list[Choice[str]]:
    """Return the choices that contain the typed text; those that start with it come first."""
    words = typed.strip().lower()
    unique = list(dict.fromkeys((" ".join(name.split()), value) for name, value in candidates))
    fitting = [
        candidate
        for candidate in unique
        if words in candidate[0].lower() or words in candidate[1].lower()
    ]
    fitting.sort(key=lambda candidate: not candidate[0].lower().startswith(words))
    return [
        Choice(name=truncate(name, _MAX_CHOICE_CHARS), value=value)
        for name, value in fitting[:_MAX_CHOICES]
    ]
