"""Where in Discord something belongs, and by what right the bot may write there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

Right = Literal["own", "closed", "lent"]
"""`own`: the bot may post there by itself. `closed`: it is in the guild, but not let in there.

`lent`: only the token of the interaction opens it, because the app belongs to the person and not to
the place.
"""
LIFETIME = 900.0
"""Seconds for which an interaction's token is good (interactions/receiving-and-responding)."""
_MARGIN = 20.0
"""Seconds before its end in which nothing is begun by a token any more."""
SMALLEST_LIMIT = 10 << 20
"""Bytes of a file that every place takes (reference, "Uploading files")."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A channel, thread or direct chat, and the interaction that asks to be answered there."""

    channel: int
    guild: int | None = None
    right: Right = "lent"
    app: int = 0
    token: str = field(default="", repr=False)
    """Of the interaction: a secret, good for a quarter of an hour."""
    until: float = 0.0
    """The end of the token, UNIX seconds."""
    lent_limit: int = SMALLEST_LIMIT
    """Bytes of a file that goes by the token."""
    own_limit: int = SMALLEST_LIMIT
    """Bytes of a file that the bot posts by itself."""
    asked: int = 0
    """The interaction's id: nothing that answers it is older."""

    @property
    def address(self) -> str:
        """As the database keeps it; see `parse`."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def parse(cls, address: str) -> Spot:
        """What `address` has written. Raises `ValueError`, `TypeError`."""
        return cls(**json.loads(address))

    @property
    def room(self) -> str:
        """The channel alone, as cards name it."""
        return str(self.channel)

    @property
    def watched(self) -> bool:
        """Whether others than the person may be there."""
        return self.guild is not None or self.right == "lent"

    def by_token(self, now: float) -> bool:
        """Whether the interaction can still be answered."""
        return bool(self.token) and now < self.until - _MARGIN

    def limit(self, now: float) -> int:
        """Bytes that a file may have that is posted there now, or else sent to its person."""
        if self.by_token(now):
            return self.lent_limit
        return self.own_limit if self.right == "own" else SMALLEST_LIMIT


def message_key(channel: int, message: int) -> str:
    """A message as cards and receipts name it."""
    return f"{channel}:{message}"


def message_of(key: str) -> tuple[int, int]:
    """(channel, message) of a key."""
    channel, message = key.split(":")
    return int(channel), int(message)


def person_id(user: int) -> str:
    """A person as all of Reelay knows them."""
    return f"discord:{user}"


def user_of(person: str) -> int:
    """Their id at Discord."""
    return int(person.partition(":")[2])
