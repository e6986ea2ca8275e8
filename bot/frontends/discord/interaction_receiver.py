"""Receive interactions: each is acknowledged, then stored, then handled."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, NamedTuple

import aiohttp
import discord
import structlog

from bot.chat.interactive_messages import DatabaseError, InteractiveMessages, new_callback_id
from bot.chat.update_queue import UpdateQueue
from bot.commands.parser import strip_control_chars
from bot.domain.commands import MakeVideo
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.frontends.discord.interaction_payload import (
    ImageAttachment,
    StoredInteraction,
    dump_video_options,
    first_image,
    from_interaction,
    group_context_of,
    user_from,
)
from bot.frontends.discord.rendering import (
    MAX_DESCRIPTION_CHARS,
    callback_data,
    callback_id_in,
    embed,
    parse_callback_data,
    prompt_modal,
    truncate,
)
from bot.frontends.discord.target import message_ref
from bot.presentation.i18n import format_error, translate
from bot.services.context import AppContext
from bot.services.queries import language_for, task_by_id

_log = structlog.get_logger(__name__)
_ACKNOWLEDGE_TIMEOUT_S = 2.5
"""Of the 3 seconds that Discord allows."""
_LOOKUP_TIMEOUT_S = 1.0
"""Seconds for the lookup of a form's message; after that the form opens without it."""
_ALREADY_ACKNOWLEDGED = 40060
"""Error code: the interaction was acknowledged by a call whose response was lost."""
_MODAL_ACTIONS = {"again", "remix"}


class _MessageInfo(NamedTuple):
    """The message that a form is about, as far as it was found in time."""

    interactive: InteractiveMessage | None
    language: str
    prompt: str = ""
    known: bool = True
    """False: the lookup timed out; it is repeated when the form is submitted."""


class InteractionReceiver:
    """Receives interactions."""

    def __init__(
        self, app: AppContext, interactive_messages: InteractiveMessages, update_queue: UpdateQueue
    ) -> None:
        self._app = app
        self._interactive_messages = interactive_messages
        self._update_queue = update_queue

    # --- commands ------------------------------------------------------------------------

    async def line(self, interaction: discord.Interaction, line: str) -> None:
        """Receive a command with a private reply."""
        await self._receive(interaction, {"line": line})

    async def settings(
        self, interaction: discord.Interaction, changes: dict[str, str | int | None]
    ) -> None:
        """`/settings`: the changes, or nothing to show the settings."""
        await self._receive(interaction, {"settings": changes})

    async def group(self, interaction: discord.Interaction, changes: dict[str, Any]) -> None:
        """`/server`: the settings of a guild."""
        await self._receive(interaction, {"group": changes})

    async def video(
        self, interaction: discord.Interaction, request: MakeVideo, image: discord.Attachment | None
    ) -> None:
        """`/video`."""
        # Whatever it says of itself: the file will tell what it is.
        picture = (
            ImageAttachment(image.url, image.filename, image.size) if image is not None else None
        )
        request = replace(request, prompt=strip_control_chars(request.prompt))
        await self._receive(interaction, dump_video_options(request, picture), public=True)

    async def remix(self, interaction: discord.Interaction, task_id: str, prompt: str) -> None:
        """`/remix`."""
        await self._receive(
            interaction, {"remix": task_id, "prompt": strip_control_chars(prompt)}, public=True
        )

    async def retry(self, interaction: discord.Interaction, task_id: str) -> None:
        """`/retry`."""
        await self._receive(interaction, {"line": f"/retry {task_id}"}, public=True)

    # --- what can be done with a message -------------------------------------------------

    async def use_picture(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """Message menu: ask what the video of this image should show."""
        language = await self._language(interaction)
        image = first_image(message.attachments)
        if image is None:
            await self._refuse(interaction, translate(language, "no-picture-there"))
            return
        token = new_callback_id()
        title, label = translate(language, "form-picture"), translate(language, "form-prompt")
        if await self._show(
            interaction, prompt_modal(callback_data(token, "picture"), title, label)
        ):
            await self._store(
                from_interaction(interaction, self._app.settings, _image_payload(image, token))
            )

    async def use_video(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """Message menu: ask what to change in this video."""
        token = callback_id_in(message)
        if token is None:
            language = await self._language(interaction)
            await self._refuse(interaction, translate(language, "no-video-there"))
            return
        await self._open_modal(interaction, callback_data(token, "remix"))

    # --- buttons and forms ---------------------------------------------------------------

    async def button_pressed(self, interaction: discord.Interaction, sent: str) -> None:
        """Receive a button press."""
        _, verb = parse_callback_data(sent)
        if verb in _MODAL_ACTIONS:
            await self._open_modal(interaction, sent)
            return
        message = interaction.message
        key = message_ref(interaction.channel_id or 0, message.id if message else 0)
        await self._receive(
            interaction, {"press": sent, "message": key}, needs_first_response=False
        )

    async def modal_submitted(self, interaction: discord.Interaction) -> None:
        """Receive a submitted form."""
        data: Any = interaction.data or {}
        sent = str(data.get("custom_id", ""))
        prompt = strip_control_chars(_value_in(data.get("components", [])))
        await self._receive(interaction, {"form": sent, "prompt": prompt}, public=True)

    async def _open_modal(self, interaction: discord.Interaction, sent: str) -> None:
        """Open the form of Again or Remix at once: it is the response to the press."""
        token, verb = parse_callback_data(sent)
        about = await self._about(interaction, token)
        user = user_from(interaction, self._app.settings)
        refused = _is_refused(about, user.id)
        if refused is not None:
            await self._refuse(interaction, translate(about.language, refused))
            return
        title = translate(about.language, f"form-{verb}")
        label = translate(about.language, "form-prompt" if verb == "again" else "form-change")
        prompt = about.prompt if verb == "again" else ""
        await self._show(
            interaction, prompt_modal(sent, title, label, truncate(prompt, MAX_DESCRIPTION_CHARS))
        )

    async def _about(self, interaction: discord.Interaction, token: str) -> _MessageInfo:
        fallback = self._fallback_language(interaction)
        try:
            async with asyncio.timeout(_LOOKUP_TIMEOUT_S):
                language = await self._language(interaction)
                interactive = await self._interactive_messages.get(token)
                task = (
                    await task_by_id(self._app, interactive.task_id or "") if interactive else None
                )
                return _MessageInfo(interactive, language, task.order.prompt if task else "")
        except (TimeoutError, DatabaseError):
            return _MessageInfo(None, fallback, known=False)

    def _fallback_language(self, interaction: discord.Interaction) -> str:
        return interaction.locale.value or self._app.settings.default_language

    async def _language(self, interaction: discord.Interaction) -> str:
        user, group = user_from(interaction, self._app.settings), group_context_of(interaction)
        try:
            async with asyncio.timeout(_LOOKUP_TIMEOUT_S):
                return await language_for(self._app, user, group.group_id if group else None)
        except (TimeoutError, DatabaseError):
            return self._fallback_language(interaction)

    # --- acknowledging and keeping -------------------------------------------------------

    async def _receive(
        self,
        interaction: discord.Interaction,
        payload: dict[str, Any],
        *,
        needs_first_response: bool = True,
        public: bool = False,
    ) -> None:
        acknowledged = await self._acknowledge(
            interaction, fresh=needs_first_response, public=public
        )
        if acknowledged is None:
            await self._report_busy(interaction, private=not public)
        if not acknowledged:
            return
        stored = from_interaction(
            interaction,
            self._app.settings,
            payload,
            needs_first_response=needs_first_response,
            public=public,
        )
        await self._store(stored, interaction)

    async def _acknowledge(
        self, interaction: discord.Interaction, *, fresh: bool, public: bool
    ) -> bool | None:
        """Acknowledge within 3 seconds. Returns whether it was done; None: unknown."""
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
            async with asyncio.timeout(_ACKNOWLEDGE_TIMEOUT_S):
                while True:
                    try:
                        await respond()
                    except discord.InteractionResponded:
                        return True
                    except discord.HTTPException as error:
                        if error.code == _ALREADY_ACKNOWLEDGED:
                            return True
                        if error.status < 500:
                            _log.warning("interaction_acknowledge_failed", error=str(error))
                            return False
                    except (aiohttp.ClientError, OSError, ValueError):
                        # Dropped, or broken off: half an answer is no JSON.
                        await asyncio.sleep(0.1)
                    else:
                        return True
        except TimeoutError:
            _log.warning("interaction_acknowledge_failed", error="Discord did not answer in time")
            return None

    async def _store(
        self, stored: StoredInteraction, interaction: discord.Interaction | None = None
    ) -> None:
        try:
            await self._update_queue.take([stored.update])
        except DatabaseError as error:
            _log.warning("interaction_store_failed", error=str(error))
            if interaction is not None:
                await self._report_busy(interaction, private=not stored.public)

    async def _report_busy(self, interaction: discord.Interaction, *, private: bool) -> None:
        """Tell the user that the request could not be stored.

        `private`: as it was acknowledged; that cannot be changed any more.
        """
        text = format_error(self._fallback_language(interaction), Refusal("busy"))
        try:
            await interaction.followup.send(embed=embed(text), ephemeral=private)
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            _log.info("reply_target_unavailable", error=type(error).__name__)


def _is_refused(about: _MessageInfo, user_id: str) -> str | None:
    """Return why the form must not open; None: it may."""
    if about.interactive is None:
        return "press-too-old" if about.known else None
    if about.interactive.user_id != user_id:
        return "card-not-yours"
    return None if about.interactive.kind is MessageKind.RESULT else "no-video-there"


def _image_payload(image: ImageAttachment, token: str) -> dict[str, Any]:
    return {"keep": image.to_json(), "token": token}


def _value_in(components: Any) -> str:  # noqa: ANN401 - as Discord sends it
    """Return the text of a form's only field, in rows or labels."""
    for component in components:
        if "value" in component:
            return str(component["value"])
        inner = component.get("components") or (
            [component["component"]] if "component" in component else []
        )
        value = _value_in(inner)
        if value:
            return value
    return ""
