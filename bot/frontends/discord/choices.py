"""What Discord offers while an option is being typed: at most 25, the likeliest first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog
from discord import Interaction
from discord.app_commands import Choice

from bot.cards import DatabaseError
from bot.catalog.models import Model
from bot.frontends.discord.asked import person_of
from bot.frontends.discord.markup import cut
from bot.presentation.i18n import translate
from bot.services.context import AppContext
from bot.services.queries import language_for, recent_tasks

_log = structlog.get_logger(__name__)
_MOST = 25
_LONGEST = 100
"""Characters of a choice's name (application-commands, "choice structure")."""
_WITHIN = 2.0
"""Of the 3 seconds that Discord gives."""
_LOOKED_AT = 200
"""Of a person's tasks."""


class Choices:
    """Finds what can be chosen."""

    def __init__(self, desk: AppContext) -> None:
        self._desk = desk

    async def models(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        """The models that can be asked for now."""
        del interaction
        return _best(((one.title, one.name) for one in await self._models()), typed)

    async def sizes(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        """The sizes of the model that is chosen, or of all."""
        found = [size.name for one in await self._chosen(interaction) for size in one.sizes]
        return _best(((size, size) for size in found), typed)

    async def styles(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        """The styles of the model that is chosen, or of all."""
        found = [style for one in await self._chosen(interaction) for style in one.styles]
        return _best(((style, style) for style in found), typed)

    async def durations(self, interaction: Interaction, typed: str) -> list[Choice[int]]:
        """The durations of the model that is chosen, or of all."""
        every = {seconds for one in await self._chosen(interaction) for seconds in one.durations}
        names = [(f"{one} s", str(one)) for one in sorted(every)]
        return [Choice(name=one.name, value=int(one.value)) for one in _best(names, typed)]

    async def tasks(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        """A person's own tasks, the newest first."""
        person = person_of(interaction, self._desk.settings)
        try:
            async with asyncio.timeout(_WITHIN):
                language = await language_for(self._desk, person)
                own = await recent_tasks(self._desk, person.id, _LOOKED_AT)
        except (TimeoutError, DatabaseError) as error:
            _log.info("nothing_offered", why=str(error))
            return []
        names = [
            (f"{one.id} ({translate(language, f'state-{one.state}')}) {one.order.prompt}", one.id)
            for one in own
        ]
        return _best(names, typed)

    async def _models(self) -> list[Model]:
        try:
            async with asyncio.timeout(_WITHIN):
                service = await self._desk.provider_availability()
        except (TimeoutError, DatabaseError) as error:
            _log.info("nothing_offered", why=str(error))
            return []
        return list(self._desk.catalog.available_models(self._desk.clock.now(), service.can_serve))

    async def _chosen(self, interaction: Interaction) -> list[Model]:
        models = await self._models()
        named = str(getattr(interaction.namespace, "model", None) or "").lower()
        return [one for one in models if one.name.lower() == named] or models


def _best(found: Iterable[tuple[str, str]], typed: str) -> list[Choice[str]]:
    """Those with the typed words in them; those that begin with them first."""
    words = typed.strip().lower()
    unique = list(dict.fromkeys((" ".join(name.split()), value) for name, value in found))
    fitting = [one for one in unique if words in one[0].lower() or words in one[1].lower()]
    fitting.sort(key=lambda one: not one[0].lower().startswith(words))
    return [Choice(name=cut(name, _LONGEST), value=value) for name, value in fitting[:_MOST]]
