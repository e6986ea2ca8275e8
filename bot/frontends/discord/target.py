"""Destinations on Discord, and by which permission the bot may write there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal

Access = Literal["own", "closed", "lent"]
"""`own`: the bot may post there.

`closed`: a channel of the guild that the bot may not use. `lent`: only the interaction token gives
access, because the user installed the app and not the guild.
"""
TOKEN_LIFETIME_S = 900.0
"""Seconds for which an interaction's token is good (interactions/receiving-and-responding)."""
_TOKEN_MARGIN_S = 20.0
"""Safety margin (s): do not start using an interaction token this close to its expiry."""
MIN_UPLOAD_LIMIT_BYTES = 10 << 20
"""Upload limit in bytes that every channel accepts (reference, "Uploading files")."""


@dataclass(frozen=True, slots=True)
class ChatTarget:
    """A channel, thread or direct chat, and the interaction to answer there."""

    channel: int
    guild: int | None = None
    access: Access = "lent"
    app: int = 0
    token: str = field(default="", repr=False)
    """The interaction token: a secret, valid for 15 minutes."""
    until: float = 0.0
    """When the token expires, UNIX seconds."""
    interaction_upload_limit: int = MIN_UPLOAD_LIMIT_BYTES
    """Upload limit in bytes when sending by the token."""
    bot_upload_limit: int = MIN_UPLOAD_LIMIT_BYTES
    """Upload limit in bytes when the bot sends by its own permission."""
    interaction_id: int = 0
    """Id of the interaction; all messages that answer it are newer."""

    @property
    def address(self) -> str:
        """Return the stored form; see `parse`. The keys stay when attributes are renamed."""
        stored = {
            "channel": self.channel,
            "guild": self.guild,
            "right": self.access,
            "app": self.app,
            "token": self.token,
            "until": self.until,
            "lent_limit": self.interaction_upload_limit,
            "own_limit": self.bot_upload_limit,
            "asked": self.interaction_id,
        }
        return json.dumps(stored, separators=(",", ":"))

    @classmethod
    def parse(cls, address: str) -> ChatTarget:
        """Read what `address` has written; unknown keys are ignored.

        Raises `ValueError`, `TypeError` and `KeyError`.
        """
        stored = json.loads(address)
        return cls(
            channel=stored["channel"],
            guild=stored.get("guild"),
            access=stored.get("right", "lent"),
            app=stored.get("app", 0),
            token=stored.get("token", ""),
            until=stored.get("until", 0.0),
            interaction_upload_limit=stored.get("lent_limit", MIN_UPLOAD_LIMIT_BYTES),
            bot_upload_limit=stored.get("own_limit", MIN_UPLOAD_LIMIT_BYTES),
            interaction_id=stored.get("asked", 0),
        )

    @property
    def channel_only(self) -> str:
        """The channel without the interaction, as interactive messages store it."""
        return str(self.channel)

    @property
    def is_shared(self) -> bool:
        """Whether others than the user can read there."""
        return self.guild is not None or self.access == "lent"

    def token_valid(self, now: float) -> bool:
        """Whether the interaction can still be answered."""
        return bool(self.token) and now < self.until - _TOKEN_MARGIN_S

    def limit(self, now: float) -> int:
        """Upload limit in bytes there now, or in the user's direct chat if it is closed."""
        if self.token_valid(now):
            return self.interaction_upload_limit
        return self.bot_upload_limit if self.access == "own" else MIN_UPLOAD_LIMIT_BYTES


def message_ref(channel: int, message: int) -> str:
    """Return the stored reference of a message."""
    return f"{channel}:{message}"


def parse_message_ref(key: str) -> tuple[int, int]:
    """Return (channel id, message id) of a stored reference."""
    channel, message = key.split(":")
    return int(channel), int(message)


def user_id_of(user: int) -> str:
    """Return Reelay's id of a Discord user."""
    return f"discord:{user}"


def parse_user_id(user_id: str) -> int:
    """Return the Discord id of one of Reelay's user ids."""
    return int(user_id.partition(":")[2])
