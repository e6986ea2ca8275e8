"""Channels as readable text, for golden files and failures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.fakes.discord.channels import KINDS, Channel
from tests.fakes.discord.messages import (
    COMPONENTS_V2,
    SILENT,
    SUPPRESS_EMBEDS,
    Account,
    Event,
    Message,
)

Json = dict[str, Any]


def transcript(channel: Channel, viewer: Account | None = None) -> str:
    """A channel as text; with a viewer also what only they see."""
    seen = [
        message
        for message in channel.history.values()
        if not message.deleted and message.only_for in {None, viewer}
    ]
    lines = [line for message in seen for line in render_message(message)]
    return "\n".join([_head(channel), *lines, ""])


def event_log(channel: Channel) -> str:
    """All that happened in a channel, in order, with what only single people saw."""
    lines = [line for event in channel.log for line in _told(event)]
    return "\n".join([_head(channel), *lines, ""])


def _head(channel: Channel) -> str:
    names = ", ".join(person.name for person in channel.people)
    where = f"{channel.guild.name} / " if channel.guild else ""
    parent = f"{channel.parent.name} / " if channel.parent else ""
    kind = "post" if channel.parent and channel.parent.kind == 15 else KINDS[channel.kind]
    return f"── {where}{parent}{channel.name or names} ({kind})"


def _told(event: Event) -> Iterator[str]:
    message = event.message
    match event.kind:
        case "typing":
            yield "… typing"
        case "used" | "answered":
            yield from event.lines
        case "deleted":
            assert message is not None
            yield f"✗ deleted: {_short(message)}"
        case "edited":
            yield f"✎ {event.lines[0]}"
            yield from event.lines[1:]
        case "sent":
            yield from event.lines


def render_message(message: Message) -> tuple[str, ...]:
    """One message as people see it, line by line."""
    return (_headline(message), *(f"  {line}".rstrip() for line in _body(message)))


def _headline(message: Message) -> str:
    reply = f" ↩ {_short(message.reply_to)}" if message.reply_to is not None else ""
    alone = f" (only {message.only_for.name} sees this)" if message.only_for else ""
    silent = " (silent)" if message.flags & SILENT else ""
    pings = [user_id.name for user_id in message.pings] + ["everyone"] * message.pings_everyone
    called = f" (pings {', '.join(pings)})" if pings else ""
    return f"{message.sender.name}{reply}{alone}{silent}{called}"


def _short(message: Message) -> str:
    files = "".join(f"⟨{attachment.shown()}⟩" for attachment in message.attachments)
    words = " ".join(" ".join(_readable(message.text, message)).split()) or files or "(nothing)"
    return f"{message.sender.name}: {words if len(words) <= 40 else words[:39] + '…'}"


def _body(message: Message) -> Iterator[str]:
    if message.thinking:
        yield "(thinking…)"
        return
    if not message.flags & COMPONENTS_V2:
        yield from (f"⟨{attachment.shown()}⟩" for attachment in message.attachments)
    yield from _readable(message.content, message)
    if not message.flags & SUPPRESS_EMBEDS:
        for embed in message.embeds:
            yield from (f"│ {line}".rstrip() for line in _embed(embed, message))
    yield from _components(message.components, message)


def _readable(text: str, message: Message) -> list[str]:
    """Lines in which mentions have become names, and times what people see of them."""
    world = message.channel.world

    def named(match: re.Match[str]) -> str:
        sign, number = match[1], int(match[2])
        if sign == "#" and number in world.channels:
            return f"#{world.channels[number].name}"
        if sign in {"@", "@!"} and number in world.accounts:
            return f"@{world.accounts[number].name}"
        return match[0]

    def timed(match: re.Match[str]) -> str:
        ahead = round(int(match[1]) - (message.edited or message.time))
        if match[2] != "R":
            return datetime.fromtimestamp(int(match[1]), UTC).strftime("‹%Y-%m-%d %H:%M›")
        # Seconds would differ from run to run, since texts take their time on the way.
        words = "moments" if abs(ahead) < 45 else f"{max(1, round(abs(ahead) / 60))} min"
        return f"‹in {words}›" if ahead > -5 else f"‹{words} ago›"

    told = re.sub(r"<t:(\d+)(?::([tTdDfFR]))?>", timed, text)
    return re.sub(r"<(@!?|#)(\d+)>", named, told).splitlines()


def _embed(embed: Json, message: Message) -> Iterator[str]:
    if name := (embed.get("author") or {}).get("name"):
        yield name
    if title := embed.get("title"):
        yield f"**{title}**"
    yield from _readable(embed.get("description") or "", message)
    for field in embed.get("fields") or []:
        yield f"{field['name']}: {' / '.join(_readable(field['value'], message))}"
    for name in ("image", "thumbnail", "video"):
        if url := (embed.get(name) or {}).get("url"):
            yield f"⟨{name} {_file_of(url)}⟩"
    if text := (embed.get("footer") or {}).get("text"):
        yield f"— {text}"


def _components(components: list[Json], message: Message) -> Iterator[str]:
    for component in components:
        match component["type"]:
            case 1:
                yield " ".join(_control(part) for part in component["components"])
            case 9:
                yield from _components(component["components"], message)
                yield _control(component["accessory"])
            case 10:
                yield from _readable(component["content"], message)
            case 12:
                yield from (f"⟨{_file_of(part['media']['url'])}⟩" for part in component["items"])
            case 13:
                yield f"⟨file {_file_of(component['file']['url'])}⟩"
            case 14:
                yield "———"
            case 17:
                yield from (
                    f"│ {line}".rstrip() for line in _components(component["components"], message)
                )


def _control(one: Json) -> str:
    if one["type"] == 11:
        return f"⟨thumbnail {_file_of(one['media']['url'])}⟩"
    if one["type"] != 2:
        words = one.get("placeholder") or "choose"
        options = ", ".join(option["label"] for option in one.get("options") or [])
        return f"[{words} ▾{f' {options}' if options else ''}]"
    emoji = (one.get("emoji") or {}).get("name") or ""
    words = " ".join(part for part in (emoji, one.get("label") or "") if part)
    off = " (off)" if one.get("disabled") else ""
    return f"[{words}{' ↗' if one['style'] == 5 else ''}]{off}"


def _file_of(url: str) -> str:
    return url.removeprefix("attachment://").partition("?")[0].rpartition("/")[2]
