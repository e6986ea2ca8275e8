"""Settings of a group: channels, allowances of roles, language, spoiler; and its wallet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.credits import ledger, limits
from bot.domain.commands import ChangeGroup, Reply
from bot.domain.errors import Refusal
from bot.domain.groups import Group
from bot.presentation.i18n import LANGUAGES
from bot.services.context import RequestContext
from bot.store import groups
from bot.store.database import Tx

_MAX_ENTRIES = 50
"""Limit for the number of channels, and of roles with an allowance."""


async def update_group_settings(context: RequestContext, command: ChangeGroup) -> Reply:
    """Change the settings of a group and show them. Only for users who manage the group."""
    group_context = context.request.group_context
    if group_context is None or context.group is None:
        raise Refusal("group-nowhere")
    if not group_context.can_manage:
        raise Refusal("group-not-yours")
    if (command.role is None) != (command.role_allowance is None):
        raise Refusal("group-role-and-share")

    def change(tx: Tx) -> tuple[Group, str]:
        if command == ChangeGroup():
            group = groups.get(tx, group_context.group_id)
        else:
            group = groups.lock_or_create(tx, group_context.group_id, context.user_id, context.now)
        changes = _changes(group, command)
        if changes:
            group = groups.change(tx, group.id, context.user_id, context.now, changes)
        return group, wallet_summary(tx, replace(context, group=group))

    group, wallet_text = await context.app.database.transact(change)
    none = context.translate("settings-none")
    text = context.translate(
        "group",
        channels=", ".join(f"<#{channel}>" for channel in sorted(group.allowed_channels)) or none,
        shares=", ".join(
            f"<@&{role}> {allowance}" for role, allowance in sorted(group.role_allowances.items())
        )
        or none,
        language=LANGUAGES.get(group.language or "", none),
        spoiler="yes" if group.spoiler else "no",
    )
    return Reply("\n".join(part for part in (text, wallet_text) if part))


def _changes(group: Group, command: ChangeGroup) -> dict[str, Any]:
    """Return the columns to change. Raises `Refusal`."""
    changes: dict[str, Any] = {}
    channels = set(group.allowed_channels)
    channels |= {command.allow} if command.allow else set()
    if command.forbid is not None and command.forbid not in channels:
        raise Refusal("group-not-allowed", channel=f"<#{command.forbid}>")
    channels -= {command.forbid} if command.forbid else set()
    if channels != group.allowed_channels:
        changes["channels"] = channels
    if command.role is not None and command.role_allowance is not None:
        allowances = {
            role: allowance
            for role, allowance in group.role_allowances.items()
            if role != command.role
        }
        changes["shares"] = allowances | (
            {command.role: command.role_allowance} if command.role_allowance >= 0 else {}
        )
    if len(channels) > _MAX_ENTRIES or len(changes.get("shares", {})) > _MAX_ENTRIES:
        raise Refusal("group-too-many", limit=_MAX_ENTRIES)
    if command.language is not None:
        changes["language"] = command.language
    if command.spoiler is not None:
        changes["spoiler"] = command.spoiler
    return changes


def wallet_summary(tx: Tx, context: RequestContext) -> str:
    """Say what the group's wallet holds and what the user may take today; empty without one."""
    group, group_context = context.group, context.request.group_context
    if group is None or group_context is None or not ledger.is_wallet_funded(tx, group.wallet_id):
        return ""
    rules, now = context.app.credit_rules, context.now
    balance = ledger.balance(tx, group.wallet_id, rules, now)
    allowance = group.role_allowance(group_context.role_ids)
    left = balance.available
    if allowance is not None:
        day_start = limits.day_start(now, rules.timezone)
        used = groups.credits_used(tx, group.wallet_id, context.user_id, day_start)
        left = max(min(left, allowance - used), 0)
    return context.translate(
        "group-wallet", free=balance.available, limit=balance.daily_limit, left=left
    )
