"""Calls in channels, by the bot's own permissions."""

from __future__ import annotations

from typing import Any

from tests.fakes.discord import permissions as rights
from tests.fakes.discord import serializers as shown
from tests.fakes.discord.channels import DM, FORUM, GROUP, Channel
from tests.fakes.discord.error_responses import (
    Call,
    Problem,
    avoidable_error,
    invalid_form_body,
    unavoidable_error,
)
from tests.fakes.discord.message_rules import compose_message
from tests.fakes.discord.messages import EPHEMERAL, Message

Json = dict[str, Any]
NONCE_KNOWN = 5 * 60.0
"""Seconds for which a nonce stands for its message."""
_NEEDED = rights.VIEW_CHANNEL


def create_message(call: Call) -> Json:
    channel = open_channel(call)
    if channel.kind == FORUM:
        avoidable_error(50008, "Cannot send messages in a non-text channel")
    _may(channel, _sending(channel))
    if channel.archived and channel.locked:
        unavoidable_error(50083, "Thread is archived", 400)
    if (known := _sent_before(call, channel)) is not None:
        return shown.message(known)
    reply_to = _replied(call, channel)
    it = compose_message(call, channel, channel.file_limit)
    if it.flags & EPHEMERAL:
        call.add_violation("only answers to interactions can be ephemeral")
        it.flags &= ~EPHEMERAL
    if it.attachments:
        _may(channel, rights.ATTACH_FILES)
    if it.embeds and not channel.rights_of_bot() & rights.EMBED_LINKS:
        it.embeds = []
    if channel.archived:
        channel.open()
    nonce = call.get("nonce")
    message = call.world.put(
        channel, call.world.bot, nonce=nonce, reply_to=reply_to, asked=call.body, **it.fields()
    )
    return shown.message(message)


def edit_message(call: Call) -> Json:
    channel = open_channel(call)
    message = _message(call, channel)
    if message.sender is not call.world.bot:
        avoidable_error(50005, "Cannot edit a message authored by another user", 403)
    if channel.archived:
        unavoidable_error(50083, "Thread is archived", 400)
    it = compose_message(call, channel, channel.file_limit, message)
    # An edit calls nobody.
    it.pings, it.pings_everyone = message.pings, message.pings_everyone
    call.world.change(message, **it.fields())
    return shown.message(message)


def delete_message(call: Call) -> None:
    channel = open_channel(call)
    message = _message(call, channel)
    if message.sender is not call.world.bot:
        if channel.kind in {DM, GROUP}:
            avoidable_error(50003, "Cannot execute action on a DM channel", 403)
        _may(channel, rights.MANAGE_MESSAGES)
    if channel.archived:
        unavoidable_error(50083, "Thread is archived", 400)
    call.world.delete(message, by_bot=True)


def get_message(call: Call) -> Json:
    channel = open_channel(call)
    _may(channel, rights.READ_MESSAGE_HISTORY)
    return shown.message(_message(call, channel))


def list_messages(call: Call) -> list[Json]:
    channel = open_channel(call)
    _may(channel, rights.READ_MESSAGE_HISTORY)
    after, before = int(call.query.get("after", 0)), int(call.query.get("before", 1 << 63))
    found = [message for message in channel.messages if after < message.id < before]
    limit = int(call.query.get("limit", 50))
    some = found[:limit] if "after" in call.query else found[-limit:]
    return [shown.message(one) for one in reversed(some)]


def trigger_typing(call: Call) -> None:
    channel = open_channel(call)
    _may(channel, _sending(channel))
    call.world.record(channel, "typing", [], by_bot=True)


def get_channel(call: Call) -> Json:
    return shown.channel(open_channel(call))


def create_dm(call: Call) -> Json:
    person = call.world.accounts.get(int(call.get("recipient_id", 0)))
    if person is None or person.is_bot:
        avoidable_error(50033, "Invalid Recipient(s)")
    return shown.channel(call.world.dm(person))


# --- places ------------------------------------------------------------------------------


def open_channel(call: Call) -> Channel:
    """A channel that the bot may look into."""
    channel = call.world.channels.get(call.id("channel_id"))
    if channel is None:
        avoidable_error(10003, "Unknown Channel", 404)
    if channel.gone or (channel.guild is not None and channel.guild.gone):
        unavoidable_error(10003, "Unknown Channel")
    if channel.guild is not None and not channel.guild.has_bot:
        unavoidable_error(50001, "Missing Access", 403)
    if channel.guild is None and channel not in call.world.dms.values():
        unavoidable_error(50001, "Missing Access", 403)
    _may(channel, _NEEDED)
    return channel


def _may(channel: Channel, needed: int) -> None:
    world = channel.world
    if channel.kind == DM:
        if needed & rights.SEND_MESSAGES:
            _may_write_to(channel)
        return
    have = world.rights(channel, world.bot)
    if not have & rights.VIEW_CHANNEL:
        unavoidable_error(50001, "Missing Access", 403)
    if needed & ~have:
        unavoidable_error(50013, "Missing Permissions", 403)


def _may_write_to(channel: Channel) -> None:
    world, person = channel.world, channel.people[0]
    known = world.shares_guild(person) or person in world.installed
    if person in world.closed_dms or person.deleted or not known:
        unavoidable_error(50007, "Cannot send messages to this user", 403)


def _sending(channel: Channel) -> int:
    return rights.SEND_MESSAGES_IN_THREADS if channel.is_thread else rights.SEND_MESSAGES


def _message(call: Call, channel: Channel) -> Message:
    message = channel.history.get(call.id("message_id"))
    if message is None or message.deleted or message.only_for is not None:
        unavoidable_error(10008, "Unknown Message")
    return message


def _replied(call: Call, channel: Channel) -> Message | None:
    asked: Json | None = call.get("message_reference")
    if asked is None:
        return None
    message = channel.history.get(int(asked["message_id"]))
    if message is None or message.deleted or message.only_for is not None:
        if asked.get("fail_if_not_exists") is False:
            return None
        invalid_form_body(
            Problem(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        )
    return message


def _sent_before(call: Call, channel: Channel) -> Message | None:
    nonce = call.get("nonce")
    if nonce is None or not call.get("enforce_nonce"):
        return None
    return next(
        (
            message
            for message in channel.history.values()
            if message.sender is call.world.bot
            and str(message.nonce) == str(nonce)
            and message.time > call.time - NONCE_KNOWN
        ),
        None,
    )
