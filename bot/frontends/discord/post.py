"""The one way out to Discord: by an interaction's token while it is good, else by the bot's right.

What Discord refuses comes back as `DeliveryError` with a reason that people understand, what nobody
knows as `DeliveryOutcomeUnknown`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import discord

from bot.frontends.discord.markup import token_in
from bot.frontends.discord.spot import SMALLEST_LIMIT, Spot, message_key, message_of
from bot.frontends.discord.wire import Refused, once, safely
from bot.ports import Clock, DeliveryError

_PATIENCE = 20.0
"""Seconds for a request without a file."""
_SLOWEST = 100_000
"""Bytes a second of an upload that is still waited for."""
_LOOKED_AT = 50
"""Messages among which one of ours is looked for."""
_NOBODY = discord.AllowedMentions.none()


@dataclass(frozen=True, slots=True)
class Words:
    """What a message says, shows and offers to press."""

    embeds: Sequence[discord.Embed]
    view: discord.ui.View | None = None
    mention: int | None = None
    """Who is called by it; nobody else ever is."""
    file: Path | None = None
    name: str = ""
    spoiler: bool = False

    def changes(self) -> dict[str, Any]:
        """As discord.py takes them for an edit: what is not there goes away."""
        parts: dict[str, Any] = {"view": None, "content": None, **self.parts()}
        file = parts.pop("file", None)
        return parts | {"attachments": [file] if file is not None else []}

    def parts(self) -> dict[str, Any]:
        """As discord.py takes them; a file is good for one sending."""
        found: dict[str, Any] = {"embeds": list(self.embeds), "allowed_mentions": _NOBODY}
        if self.view is not None:
            found["view"] = self.view
        if self.mention is not None:
            found["content"] = f"<@{self.mention}>"
            found["allowed_mentions"] = discord.AllowedMentions(
                everyone=False, roles=False, users=[discord.Object(self.mention)]
            )
        if self.file is not None:
            found["file"] = discord.File(self.file, self.name, spoiler=self.spoiler)
        return found

    @property
    def seconds(self) -> float:
        """How long sending it may take."""
        size = self.file.stat().st_size if self.file is not None else 0
        return _PATIENCE + size / _SLOWEST


@dataclass(slots=True)
class Post:
    """Sends, edits and deletes for one bot."""

    client: discord.Client
    clock: Clock
    refused: Refused
    _session: aiohttp.ClientSession | None = None
    _limits: dict[int, int] = field(default_factory=dict)
    """Channel -> bytes that it turned out to take."""

    async def open(self) -> None:
        """Get ready to answer interactions."""
        self._session = aiohttp.ClientSession(trace_configs=[self.refused.trace(once=True)])

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()

    def largest(self, spot: Spot) -> int:
        """Bytes of a file that this place takes now."""
        limit = spot.limit(self.clock.now())
        return min(limit, self._limits.get(spot.channel, limit))

    # --- by the token --------------------------------------------------------------------

    async def fill(self, spot: Spot, words: Words) -> str:
        """Make the acknowledgement say something; twice is as good as once."""
        # The type knows only numbers; Discord knows this name too.
        original: Any = "@original"
        message = await self._noting(
            spot.channel,
            safely(
                lambda: self._hook(spot).edit_message(original, **words.changes()),
                self.clock,
                words.seconds,
            ),
        )
        return message_key(spot.channel, message.id)

    async def follow(self, spot: Spot, words: Words, *, private: bool = False) -> str:
        """One more message by the token; it may be that it is sent although its answer is lost."""
        message = await self._noting(
            spot.channel,
            once(
                lambda: self._hook(spot).send(wait=True, ephemeral=private, **words.parts()),
                words.seconds,
            ),
        )
        return message_key(spot.channel, message.id)

    async def take_back(self, spot: Spot) -> None:
        """The acknowledgement goes away."""
        original: Any = "@original"
        await safely(
            lambda: self._hook(spot).delete_message(original),
            self.clock,
            _PATIENCE,
        )

    def _hook(self, spot: Spot) -> discord.Webhook:
        # What `Interaction.followup` is; a stored token has no interaction any more.
        state = self.client._connection  # noqa: SLF001
        assert self._session is not None  # noqa: S101 - opened before anybody is heard
        data: Any = {"id": spot.app, "type": 3, "token": spot.token}
        return discord.Webhook(data, self._session, state=state)

    # --- by the bot's own right ----------------------------------------------------------

    async def send(self, channel: int, words: Words, nonce: str) -> str:
        """A message; the same nonce twice within minutes is one (message, "enforce_nonce")."""
        there = self.client.get_partial_messageable(channel)
        message = await self._noting(
            channel,
            safely(
                lambda: there.send(nonce=nonce, **words.parts()),
                self.clock,
                words.seconds,
                doubtful=True,
            ),
        )
        return message_key(channel, message.id)

    async def direct(self, user: int) -> int:
        """The channel of the direct chat with somebody."""
        channel = await safely(
            lambda: self.client.create_dm(discord.Object(user)), self.clock, _PATIENCE
        )
        return channel.id

    async def look(self, spot: Spot, token: str) -> str | None:
        """Where a message with buttons of this token stands, as far as we may look."""
        if spot.right != "own":
            return None
        there = self.client.get_partial_messageable(spot.channel)

        async def read() -> str | None:
            async for message in there.history(
                limit=_LOOKED_AT, after=discord.Object(spot.asked), oldest_first=False
            ):
                if token_in(message) == token:
                    return message_key(spot.channel, message.id)
            return None

        return await safely(read, self.clock, _PATIENCE)

    # --- whichever is at hand ------------------------------------------------------------

    async def edit(self, spot: Spot, key: str, words: Words) -> bool:
        """Change a message of ours. False: it is not there, or out of our reach."""
        _, message = message_of(key)
        return await self._reaching(
            spot,
            key,
            by_token=lambda: self._hook(spot).edit_message(message, **words.changes()),
            by_right=lambda there: there.edit(**words.changes()),
        )

    async def delete(self, spot: Spot, key: str) -> bool:
        """Take a message of ours away. False: it is out of our reach."""
        _, message = message_of(key)
        return await self._reaching(
            spot,
            key,
            by_token=lambda: self._hook(spot).delete_message(message),
            by_right=lambda there: there.delete(),
        )

    async def _reaching(self, spot: Spot, key: str, *, by_token: Any, by_right: Any) -> bool:  # noqa: ANN401 - calls
        channel, message = message_of(key)
        there = self.client.get_partial_messageable(channel).get_partial_message(message)
        by_token_now = spot.by_token(self.clock.now()) and channel == spot.channel
        if not by_token_now and spot.right == "lent" and channel == spot.channel:
            return False
        call = by_token if by_token_now else lambda: by_right(there)
        try:
            await safely(call, self.clock, _PATIENCE)
        except DeliveryError as error:
            if not error.is_permanent:
                raise
            return False
        return True

    def takes_less(self, channel: int) -> None:
        """What is posted there, or sent elsewhere instead, must be smaller than was thought."""
        known = self._limits.get(channel, 0)
        self._limits[channel] = known * 3 // 4 or SMALLEST_LIMIT

    async def _noting(self, channel: int, sending: Any) -> Any:  # noqa: ANN401 - a message of either kind
        try:
            return await sending
        except DeliveryError as error:
            if error.reason == "too-large":
                self.takes_less(channel)
            raise
