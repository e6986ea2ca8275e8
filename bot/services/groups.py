"""Settings of a group: channels, allowances of roles, language, spoiler; and its wallet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.credits import ledger, limits
from bot.domain.commands import ChangeGroup, Reply
from bot.domain.errors import Refusal
from bot.domain.groups import Group
from bot.presentation.i18n import LANGUAGES
from bot.services.context import Call
from bot.store import groups
from bot.store.database import Tx

_MOST = 50
"""Limit for the number of channels, and of roles with an allowance."""


async def change_group(call: Call, command: ChangeGroup) -> Reply:
    """Change the settings of a group and show them. Only for users who manage the group."""
    there = call.request.whereabouts
    if there is None or call.group is None:
        raise Refusal("group-nowhere")
    if not there.manages:
        raise Refusal("group-not-yours")
    if (command.role is None) != (command.share is None):
        raise Refusal("group-role-and-share")

    def change(tx: Tx) -> tuple[Group, str]:
        if command == ChangeGroup():
            group = groups.get(tx, there.group)
        else:
            group = groups.locked(tx, there.group, call.person, call.now)
        changes = _changes(group, command)
        if changes:
            group = groups.change(tx, group.id, call.person, call.now, changes)
        return group, shared_text(tx, replace(call, group=group))

    group, shared = await call.desk.database.transact(change)
    none = call.say("settings-none")
    told = call.say(
        "group",
        channels=", ".join(f"<#{one}>" for one in sorted(group.channels)) or none,
        shares=", ".join(f"<@&{role}> {n}" for role, n in sorted(group.shares.items())) or none,
        language=LANGUAGES.get(group.language or "", none),
        spoiler="yes" if group.spoiler else "no",
    )
    return Reply("\n".join(part for part in (told, shared) if part))


def _changes(group: Group, command: ChangeGroup) -> dict[str, Any]:
    """Return the columns to change. Raises `Refusal`."""
    found: dict[str, Any] = {}
    channels = set(group.channels)
    channels |= {command.allow} if command.allow else set()
    if command.forbid is not None and command.forbid not in channels:
        raise Refusal("group-not-allowed", channel=f"<#{command.forbid}>")
    channels -= {command.forbid} if command.forbid else set()
    if channels != group.channels:
        found["channels"] = channels
    if command.role is not None and command.share is not None:
        shares = {role: n for role, n in group.shares.items() if role != command.role}
        found["shares"] = shares | ({command.role: command.share} if command.share >= 0 else {})
    if len(channels) > _MOST or len(found.get("shares", {})) > _MOST:
        raise Refusal("group-too-many", limit=_MOST)
    if command.language is not None:
        found["language"] = command.language
    if command.spoiler is not None:
        found["spoiler"] = command.spoiler
    return found


def shared_text(tx: Tx, call: Call) -> str:
    """Say what the group's wallet holds and what the user may take today; empty without one."""
    group, there = call.group, call.request.whereabouts
    if group is None or there is None or not ledger.is_shared(tx, group.wallet):
        return ""
    rules, now = call.desk.rules, call.now
    balance = ledger.balance(tx, group.wallet, rules, now)
    share = group.share(there.roles)
    left = balance.free
    if share is not None:
        since = limits.day_start(now, rules.timezone)
        left = max(min(left, share - groups.taken(tx, group.wallet, call.person, since)), 0)
    return call.say("group-wallet", free=balance.free, limit=balance.daily_limit, left=left)
