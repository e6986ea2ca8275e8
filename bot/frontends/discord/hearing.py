"""How people reach us: each interaction is acknowledged first, then kept, then dealt with."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import aiohttp
import discord
import structlog

from bot.cards import Cards, DatabaseError, new_token
from bot.commands.parser import strip_control_chars
from bot.domain.commands import MakeVideo
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.frontends.discord.asked import (
    Asked,
    Picture,
    asked,
    kept_video,
    person_of,
    picture_of,
    whereabouts_of,
)
from bot.frontends.discord.markup import LONGEST, cut, data, embed, form, pressed, token_in
from bot.frontends.discord.spot import message_key
from bot.inbox import Inbox
from bot.presentation.i18n import format_error, translate
from bot.services.context import AppContext
from bot.services.queries import language_for, task_by_id

_log = structlog.get_logger(__name__)
_ACKNOWLEDGED_WITHIN = 2.5
"""Of the 3 seconds that Discord gives."""
_KNOWN_WITHIN = 1.0
"""Seconds in which the database must say what a form is about; else it opens without."""
_ALREADY = 40060
"""The interaction was acknowledged: by a call whose answer was lost."""
_FORMS = {"again", "remix"}


class _About(NamedTuple):
    """What a form is about, as far as was found in time."""

    card: InteractiveMessage | None
    language: str
    prompt: str = ""
    known: bool = True
    """False: it was not found out in time, and will be when the form is sent."""


class Hearing:
    """Takes interactions in."""

    def __init__(self, desk: AppContext, cards: Cards, inbox: Inbox) -> None:
        self._desk = desk
        self._cards = cards
        self._inbox = inbox

    # --- commands ------------------------------------------------------------------------

    async def line(self, interaction: discord.Interaction, line: str) -> None:
        """A command whose answer is nobody else's business."""
        await self._hear(interaction, {"line": line})

    async def settings(
        self, interaction: discord.Interaction, changes: dict[str, str | int | None]
    ) -> None:
        """`/settings`: what is to be another, or nothing to see them."""
        await self._hear(interaction, {"settings": changes})

    async def group(self, interaction: discord.Interaction, changes: dict[str, Any]) -> None:
        """`/server`: what holds for a guild."""
        await self._hear(interaction, {"group": changes})

    async def video(
        self, interaction: discord.Interaction, wish: MakeVideo, image: discord.Attachment | None
    ) -> None:
        """`/video`."""
        # Whatever it says of itself: the file will tell what it is.
        picture = Picture(image.url, image.filename, image.size) if image is not None else None
        wish = replace(wish, prompt=strip_control_chars(wish.prompt))
        await self._hear(interaction, kept_video(wish, picture), public=True)

    async def remix(self, interaction: discord.Interaction, task: str, prompt: str) -> None:
        """`/remix`."""
        await self._hear(
            interaction, {"remix": task, "prompt": strip_control_chars(prompt)}, public=True
        )

    async def retry(self, interaction: discord.Interaction, task: str) -> None:
        """`/retry`."""
        await self._hear(interaction, {"line": f"/retry {task}"}, public=True)

    # --- what can be done with a message -------------------------------------------------

    async def use_picture(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """Ask what the video of this picture should show."""
        language = await self._language(interaction)
        picture = picture_of(message.attachments)
        if picture is None:
            await self._refuse(interaction, translate(language, "no-picture-there"))
            return
        token = new_token()
        title, label = translate(language, "form-picture"), translate(language, "form-prompt")
        if await self._show(interaction, form(data(token, "picture"), title, label)):
            await self._keep(asked(interaction, self._desk.settings, _kept(picture, token)))

    async def use_video(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """Ask what should be different in this video."""
        token = token_in(message)
        if token is None:
            language = await self._language(interaction)
            await self._refuse(interaction, translate(language, "no-video-there"))
            return
        await self._open(interaction, data(token, "remix"))

    # --- buttons and forms ---------------------------------------------------------------

    async def pressed(self, interaction: discord.Interaction, sent: str) -> None:
        """A button."""
        _, verb = pressed(sent)
        if verb in _FORMS:
            await self._open(interaction, sent)
            return
        message = interaction.message
        key = message_key(interaction.channel_id or 0, message.id if message else 0)
        await self._hear(interaction, {"press": sent, "message": key}, fresh=False)

    async def filled(self, interaction: discord.Interaction) -> None:
        """A form that was sent."""
        found: Any = interaction.data or {}
        sent = str(found.get("custom_id", ""))
        prompt = strip_control_chars(_value_in(found.get("components", [])))
        await self._hear(interaction, {"form": sent, "prompt": prompt}, public=True)

    async def _open(self, interaction: discord.Interaction, sent: str) -> None:
        """The form behind Again and Remix, at once: it is the answer to the press."""
        token, verb = pressed(sent)
        about = await self._about(interaction, token)
        person = person_of(interaction, self._desk.settings)
        refused = _refused(about, person.id)
        if refused is not None:
            await self._refuse(interaction, translate(about.language, refused))
            return
        title = translate(about.language, f"form-{verb}")
        label = translate(about.language, "form-prompt" if verb == "again" else "form-change")
        prompt = about.prompt if verb == "again" else ""
        await self._show(interaction, form(sent, title, label, cut(prompt, LONGEST)))

    async def _about(self, interaction: discord.Interaction, token: str) -> _About:
        fallback = self._fallback_language(interaction)
        try:
            async with asyncio.timeout(_KNOWN_WITHIN):
                language = await self._language(interaction)
                card = await self._cards.get(token)
                task = await task_by_id(self._desk, card.task_id or "") if card else None
                return _About(card, language, task.order.prompt if task else "")
        except (TimeoutError, DatabaseError):
            return _About(None, fallback, known=False)

    def _fallback_language(self, interaction: discord.Interaction) -> str:
        return interaction.locale.value or self._desk.settings.default_language

    async def _language(self, interaction: discord.Interaction) -> str:
        person, there = person_of(interaction, self._desk.settings), whereabouts_of(interaction)
        try:
            async with asyncio.timeout(_KNOWN_WITHIN):
                return await language_for(self._desk, person, there.group_id if there else None)
        except (TimeoutError, DatabaseError):
            return self._fallback_language(interaction)

    # --- acknowledging and keeping -------------------------------------------------------

    async def _hear(
        self,
        interaction: discord.Interaction,
        what: dict[str, Any],
        *,
        fresh: bool = True,
        public: bool = False,
    ) -> None:
        acknowledged = await self._acknowledge(interaction, fresh=fresh, public=public)
        if acknowledged is None:
            await self._busy(interaction, private=not public)
        if not acknowledged:
            return
        one = asked(interaction, self._desk.settings, what, fresh=fresh, public=public)
        await self._keep(one, interaction)

    async def _acknowledge(
        self, interaction: discord.Interaction, *, fresh: bool, public: bool
    ) -> bool | None:
        """Say within 3 seconds that it was heard. Whether that was done; None: nobody knows."""
        response = interaction.response
        if fresh:
            return await self._responded(
                lambda: response.defer(ephemeral=not public, thinking=True)
            )
        return await self._responded(response.defer)

    async def _show(self, interaction: discord.Interaction, modal: discord.ui.Modal) -> bool | None:
        return await self._responded(lambda: interaction.response.send_modal(modal))

    async def _refuse(self, interaction: discord.Interaction, text: str) -> None:
        await self._responded(
            lambda: interaction.response.send_message(embed=embed(text), ephemeral=True)
        )

    async def _responded(self, respond: Any) -> bool | None:  # noqa: ANN401 - a call of discord.py's
        try:
            async with asyncio.timeout(_ACKNOWLEDGED_WITHIN):
                while True:
                    try:
                        await respond()
                    except discord.InteractionResponded:
                        return True
                    except discord.HTTPException as error:
                        if error.code == _ALREADY:
                            return True
                        if error.status < 500:
                            _log.warning("not_acknowledged", why=str(error))
                            return False
                    except (aiohttp.ClientError, OSError, ValueError):
                        # Dropped, or broken off: half an answer is no JSON.
                        await asyncio.sleep(0.1)
                    else:
                        return True
        except TimeoutError:
            _log.warning("not_acknowledged", why="Discord did not answer in time")
            return None

    async def _keep(self, one: Asked, interaction: discord.Interaction | None = None) -> None:
        try:
            await self._inbox.take([one.arrived])
        except DatabaseError as error:
            _log.warning("not_kept", why=str(error))
            if interaction is not None:
                await self._busy(interaction, private=not one.public)

    async def _busy(self, interaction: discord.Interaction, *, private: bool) -> None:
        """Who sees that the bot thinks is not to wait for nothing.

        `private`: as it was acknowledged; that is settled then.
        """
        text = format_error(self._fallback_language(interaction), Refusal("busy"))
        try:
            await interaction.followup.send(embed=embed(text), ephemeral=private)
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            _log.info("nobody_to_answer", why=type(error).__name__)


def _refused(about: _About, person: str) -> str | None:
    """Why no form opens; None: it does."""
    if about.card is None:
        return "press-too-old" if about.known else None
    if about.card.user_id != person:
        return "card-not-yours"
    return None if about.card.kind is MessageKind.RESULT else "no-video-there"


def _kept(picture: Picture, token: str) -> dict[str, Any]:
    return {"keep": asdict(picture), "token": token}


def _value_in(components: Any) -> str:  # noqa: ANN401 - as Discord sends it
    """The text of a form's only field, in rows or labels."""
    for one in components:
        if "value" in one:
            return str(one["value"])
        inner = one.get("components") or ([one["component"]] if "component" in one else [])
        found = _value_in(inner)
        if found:
            return found
    return ""
