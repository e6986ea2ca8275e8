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
    allowed_channels: frozenset[str] = frozenset()
    """Ids of the channels in which videos may be requested; empty: all channels."""
    role_allowances: Mapping[str, int] = field(default_factory=dict)
    """Role -> credits that its members may each take from the shared wallet per day.

    Empty: no limit for anyone.
    """
    language: Language | None = None
    spoiler: bool | None = None
    """Whether videos are hidden unless the user says otherwise."""

    @property
    def wallet_id(self) -> str:
        """Id of the account that the group shares, if an admin has funded it."""
        return f"group:{self.id}"

    def role_allowance(self, roles: Collection[str]) -> int | None:
        """Credits per day that a member with these roles may take; None: no limit."""
        if not self.role_allowances:
            return None
        return max(
            (self.role_allowances[role] for role in roles if role in self.role_allowances),
            default=0,
        )


@dataclass(frozen=True, slots=True)
class GroupContext:
    """The group in which a request is made, and the user's standing there."""

    group_id: str
    channel_ids: tuple[str, ...] = ()
    """Ids of the channel and of its parents."""
    role_ids: tuple[str, ...] = ()
    can_manage: bool = False
    """Whether the user may change the settings of the group."""
