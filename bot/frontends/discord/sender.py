"""Send messages to Discord: by the interaction token while it is valid, else by permission.

A rejection is raised as `DeliveryError` with a reason for users; a lost response is raised as
`DeliveryOutcomeUnknown`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import discord

from bot.frontends.discord.http import InvalidRequestCounter, call_once, retry_idempotent
from bot.frontends.discord.rendering import callback_id_in
from bot.frontends.discord.target import (
    MIN_UPLOAD_LIMIT_BYTES,
    ChatTarget,
    message_ref,
    parse_message_ref,
)
from bot.ports import Clock, DeliveryError

_TIMEOUT_S = 20.0
"""Timeout in seconds of a request without a file."""
_MIN_UPLOAD_BYTES_PER_S = 100_000
"""Slowest upload in bytes per second that is waited for."""
_SEARCHED_MESSAGES = 50
"""How many messages of a channel are searched for one of ours."""
_NO_MENTIONS = discord.AllowedMentions.none()


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to send: text, files, buttons."""

    embeds: Sequence[discord.Embed]
    view: discord.ui.View | None = None
    mention: int | None = None
    """Id of the only user that it mentions."""
    file: Path | None = None
    name: str = ""
    spoiler: bool = False

    def edit_fields(self) -> dict[str, Any]:
        """Arguments of an edit; what is missing is removed."""
        parts: dict[str, Any] = {"view": None, "content": None, **self.send_fields()}
        file = parts.pop("file", None)
        return parts | {"attachments": [file] if file is not None else []}

    def send_fields(self) -> dict[str, Any]:
        """Arguments of a send; a file can be sent once."""
        fields: dict[str, Any] = {"embeds": list(self.embeds), "allowed_mentions": _NO_MENTIONS}
        if self.view is not None:
            fields["view"] = self.view
        if self.mention is not None:
            fields["content"] = f"<@{self.mention}>"
            fields["allowed_mentions"] = discord.AllowedMentions(
                everyone=False, roles=False, users=[discord.Object(self.mention)]
            )
        if self.file is not None:
            fields["file"] = discord.File(self.file, self.name, spoiler=self.spoiler)
        return fields

    @property
    def upload_timeout_s(self) -> float:
        """Timeout in seconds of sending it."""
        size = self.file.stat().st_size if self.file is not None else 0
        return _TIMEOUT_S + size / _MIN_UPLOAD_BYTES_PER_S


@dataclass(slots=True)
class MessageSender:
    """Sends, edits and deletes for one bot."""

    client: discord.Client
    clock: Clock
    refused: InvalidRequestCounter
    _session: aiohttp.ClientSession | None = None
    _limits: dict[int, int] = field(default_factory=dict)
    """Channel id -> upload limit learned from a rejection."""

    async def open(self) -> None:
        """Prepare the webhook client."""
        self._session = aiohttp.ClientSession(trace_configs=[self.refused.trace(once=True)])

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def upload_limit(self, target: ChatTarget) -> int:
        """Return the upload limit there now."""
        limit = target.limit(self.clock.now())
        return min(limit, self._limits.get(target.channel, limit))

    # --- by the token --------------------------------------------------------------------

    async def edit_original_response(self, target: ChatTarget, words: OutgoingMessage) -> str:
        """Edit the original interaction response. Idempotent."""
        # The type knows only numbers; Discord knows this name too.
        original: Any = "@original"
        message = await self._noting_limit(
            target.channel,
            retry_idempotent(
                lambda: self._webhook(target).edit_message(original, **words.edit_fields()),
                self.clock,
                words.upload_timeout_s,
            ),
        )
        return message_ref(target.channel, message.id)

    async def send_followup(
        self, target: ChatTarget, words: OutgoingMessage, *, private: bool = False
    ) -> str:
        """Send a followup by the token; its outcome can be unknown."""
        message = await self._noting_limit(
            target.channel,
            call_once(
                lambda: self._webhook(target).send(
                    wait=True, ephemeral=private, **words.send_fields()
                ),
                words.upload_timeout_s,
            ),
        )
        return message_ref(target.channel, message.id)

    async def delete_original_response(self, target: ChatTarget) -> None:
        """Delete the original interaction response."""
        original: Any = "@original"
        await retry_idempotent(
            lambda: self._webhook(target).delete_message(original),
            self.clock,
            _TIMEOUT_S,
        )

    def _webhook(self, target: ChatTarget) -> discord.Webhook:
        # What `Interaction.followup` is; a stored token has no interaction any more.
        state = self.client._connection  # noqa: SLF001
        assert self._session is not None  # noqa: S101 - opened before anybody is heard
        data: Any = {"id": target.app, "type": 3, "token": target.token}
        return discord.Webhook(data, self._session, state=state)

    # --- by the bot's own right ----------------------------------------------------------

    async def send(self, channel: int, words: OutgoingMessage, nonce: str) -> str:
        """Send a message; a repeated nonce has no effect for minutes (message, "enforce_nonce")."""
        target_channel = self.client.get_partial_messageable(channel)
        message = await self._noting_limit(
            channel,
            retry_idempotent(
                lambda: target_channel.send(nonce=nonce, **words.send_fields()),
                self.clock,
                words.upload_timeout_s,
                outcome_unknown_possible=True,
            ),
        )
        return message_ref(channel, message.id)

    async def open_direct_channel(self, user: int) -> int:
        """Return the id of the direct channel with a user."""
        channel = await retry_idempotent(
            lambda: self.client.create_dm(discord.Object(user)), self.clock, _TIMEOUT_S
        )
        return channel.id

    async def find_sent_message(self, target: ChatTarget, callback_id: str) -> str | None:
        """Search the channel, as far as allowed, for the message with these buttons."""
        if target.access != "own":
            return None
        target_channel = self.client.get_partial_messageable(target.channel)

        async def read() -> str | None:
            async for message in target_channel.history(
                limit=_SEARCHED_MESSAGES,
                after=discord.Object(target.interaction_id),
                oldest_first=False,
            ):
                if callback_id_in(message) == callback_id:
                    return message_ref(target.channel, message.id)
            return None

        return await retry_idempotent(read, self.clock, _TIMEOUT_S)

    # --- whichever is at hand ------------------------------------------------------------

    async def edit(self, target: ChatTarget, key: str, words: OutgoingMessage) -> bool:
        """Edit a message. Returns False if it is gone or out of reach."""
        _, message = parse_message_ref(key)
        return await self._by_either_way(
            target,
            key,
            by_token=lambda: self._webhook(target).edit_message(message, **words.edit_fields()),
            by_right=lambda there: there.edit(**words.edit_fields()),
        )

    async def delete(self, target: ChatTarget, key: str) -> bool:
        """Delete a message. Returns False if it is out of reach."""
        _, message = parse_message_ref(key)
        return await self._by_either_way(
            target,
            key,
            by_token=lambda: self._webhook(target).delete_message(message),
            by_right=lambda there: there.delete(),
        )

    async def _by_either_way(
        self,
        target: ChatTarget,
        key: str,
        *,
        by_token: Callable[[], Awaitable[object]],
        by_right: Callable[[discord.PartialMessage], Awaitable[object]],
    ) -> bool:
        channel, message = parse_message_ref(key)
        partial_message = self.client.get_partial_messageable(channel).get_partial_message(message)
        by_token_now = target.token_valid(self.clock.now()) and channel == target.channel
        if not by_token_now and target.access == "lent" and channel == target.channel:
            return False
        call = by_token if by_token_now else lambda: by_right(partial_message)
        try:
            await retry_idempotent(call, self.clock, _TIMEOUT_S)
        except DeliveryError as error:
            if not error.is_permanent:
                raise
            return False
        return True

    def lower_upload_limit(self, channel: int) -> None:
        """Lower the upload limit of a channel after a rejection."""
        known = self._limits.get(channel, 0)
        self._limits[channel] = known * 3 // 4 or MIN_UPLOAD_LIMIT_BYTES

    async def _noting_limit(self, channel: int, sending: Any) -> Any:  # noqa: ANN401 - a message of either kind
        try:
            return await sending
        except DeliveryError as error:
            if error.reason == "too-large":
                self.lower_upload_limit(channel)
            raise
