"""Group settings and the context of a request made in a group."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bot.domain.users import Language


@dataclass(frozen=True, slots=True)
class Group:
    """Settings of a group, made by its managers."""

    id: str
    """`<front-end>:<group id there>`."""
    channels: frozenset[str] = frozenset()
    """Ids of the channels in which videos may be requested; empty: all channels."""
    shares: Mapping[str, int] = field(default_factory=dict)
    """Role -> credits that its members may each take from the shared wallet per day.

    Empty: no limit for anyone.
    """
    language: Language | None = None
    spoiler: bool | None = None
    """Whether videos are hidden unless the user says otherwise."""

    @property
    def wallet(self) -> str:
        """Id of the account that the group shares, if an admin has funded it."""
        return f"group:{self.id}"

    def share(self, roles: Collection[str]) -> int | None:
        """Credits per day that a member with these roles may take; None: no limit."""
        if not self.shares:
            return None
        return max((self.shares[role] for role in roles if role in self.shares), default=0)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The group in which a request is made, and the user's standing there."""

    group: str
    channels: tuple[str, ...] = ()
    """Ids of the channel and of its parents."""
    roles: tuple[str, ...] = ()
    manages: bool = False
    """Whether the user may change the settings of the group."""
