"""Where in Discord something belongs, and by what right the bot may write there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal

Access = Literal["own", "closed", "lent"]
"""`own`: the bot may post there by itself. `closed`: it is in the guild, but not let in there.

`lent`: only the token of the interaction opens it, because the app belongs to the person and not to
the place.
"""
TOKEN_LIFETIME_S = 900.0
"""Seconds for which an interaction's token is good (interactions/receiving-and-responding)."""
_TOKEN_MARGIN_S = 20.0
"""Seconds before its end in which nothing is begun by a token any more."""
MIN_UPLOAD_LIMIT_BYTES = 10 << 20
"""Bytes of a file that every place takes (reference, "Uploading files")."""


@dataclass(frozen=True, slots=True)
class ChatTarget:
    """A channel, thread or direct chat, and the interaction that asks to be answered there."""

    channel: int
    guild: int | None = None
    access: Access = "lent"
    app: int = 0
    token: str = field(default="", repr=False)
    """Of the interaction: a secret, good for a quarter of an hour."""
    until: float = 0.0
    """The end of the token, UNIX seconds."""
    interaction_upload_limit: int = MIN_UPLOAD_LIMIT_BYTES
    """Bytes of a file that goes by the token."""
    bot_upload_limit: int = MIN_UPLOAD_LIMIT_BYTES
    """Bytes of a file that the bot posts by itself."""
    interaction_id: int = 0
    """The interaction's id: nothing that answers it is older."""

    @property
    def address(self) -> str:
        """As the database keeps it; see `parse`. The keys stay when attributes are renamed."""
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
        """The channel alone, as cards name it."""
        return str(self.channel)

    @property
    def is_shared(self) -> bool:
        """Whether others than the person may be there."""
        return self.guild is not None or self.access == "lent"

    def token_valid(self, now: float) -> bool:
        """Whether the interaction can still be answered."""
        return bool(self.token) and now < self.until - _TOKEN_MARGIN_S

    def limit(self, now: float) -> int:
        """Bytes that a file may have that is posted there now, or else sent to its person."""
        if self.token_valid(now):
            return self.interaction_upload_limit
        return self.bot_upload_limit if self.access == "own" else MIN_UPLOAD_LIMIT_BYTES


def message_ref(channel: int, message: int) -> str:
    """A message as cards and receipts name it."""
    return f"{channel}:{message}"


def parse_message_ref(key: str) -> tuple[int, int]:
    """(channel, message) of a key."""
    channel, message = key.split(":")
    return int(channel), int(message)


def user_id_of(user: int) -> str:
    """A person as all of Reelay knows them."""
    return f"discord:{user}"


def parse_user_id(user_id: str) -> int:
    """Their id at Discord."""
    return int(user_id.partition(":")[2])
