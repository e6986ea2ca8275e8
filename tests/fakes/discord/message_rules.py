"""Rules for messages that are not in the description."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.discord.channels import Channel
from tests.fakes.discord.components import check_components
from tests.fakes.discord.error_responses import (
    ApiError,
    Call,
    Problem,
    avoidable_error,
    invalid_form_body,
)
from tests.fakes.discord.messages import (
    COMPONENTS_V2,
    EPHEMERAL,
    SILENT,
    SUPPRESS_EMBEDS,
    Account,
    Attachment,
    Message,
    flat,
)

Json = dict[str, Any]
LONGEST_CONTENT = 2000
LONGEST_EMBEDS = 6000
MOST_FILES = 10
_SETTABLE = SUPPRESS_EMBEDS | EPHEMERAL | SILENT | COMPONENTS_V2
_ATTACHED = "attachment://"


@dataclass(slots=True)
class MessageContent:
    """The content of a message."""

    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    pings: list[Account] = field(default_factory=list)
    pings_everyone: bool = False

    def fields(self) -> Json:
        """For a `Message`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def compose_message(
    call: Call, channel: Channel, limit: int, old: Message | None = None, *, ephemeral: bool = False
) -> MessageContent:
    """The content that a body asks for; an edit keeps what it does not name.

    `limit`: the largest file, in bytes.
    """
    body = call.body
    it = MessageContent(flags=old.flags if old else 0)
    if body.get("flags") is not None:
        it.flags = _flags(call, old)
    it.content = (
        _content(body["content"] or "") if "content" in body else old.content if old else ""
    )
    it.embeds = (body["embeds"] or []) if "embeds" in body else list(old.embeds) if old else []
    it.attachments = _attachments(call, channel, limit, old, ephemeral=ephemeral)
    if "components" in body:
        it.components = check_components(
            body["components"] or [], v2=bool(it.flags & COMPONENTS_V2)
        )
    elif old is not None:
        it.components = old.components
    _check_embeds(it.embeds)
    _check_v2(it)
    _check_references(call, it)
    if not (it.content or it.embeds or it.components or it.attachments):
        avoidable_error(50006, "Cannot send an empty message")
    it.pings, it.pings_everyone = _pinged(call, it)
    return it


def _flags(call: Call, old: Message | None) -> int:
    asked: int = call.body["flags"]
    if asked & ~_SETTABLE:
        call.add_violation(f"flags {asked} have bits that a bot cannot set")
    if old is None:
        return asked & _SETTABLE
    if old.flags & COMPONENTS_V2 and not asked & COMPONENTS_V2:
        call.add_violation("a message of components v2 stays one")
    kept = old.flags & ~(SUPPRESS_EMBEDS | COMPONENTS_V2)
    return kept | old.flags & COMPONENTS_V2 | asked & (SUPPRESS_EMBEDS | COMPONENTS_V2)


def _content(text: str) -> str:
    if len(text) > LONGEST_CONTENT:
        words = f"Must be {LONGEST_CONTENT} or fewer in length."
        invalid_form_body(Problem(("content",), "BASE_TYPE_MAX_LENGTH", words))
    return text.strip()


def _attachments(
    call: Call, channel: Channel, limit: int, old: Message | None, *, ephemeral: bool
) -> list[Attachment]:
    asked: Sequence[Json] | None = call.get("attachments")
    kept: list[Attachment] = list(old.attachments) if old else []
    if asked is not None:
        wanted = {str(attachment["id"]) for attachment in asked}
        known = {str(kept_file.id) for kept_file in kept} | {str(number) for number in call.files}
        if missing := sorted(wanted - known):
            at = next(number for number, one in enumerate(asked) if str(one["id"]) in missing)
            words = "Attachment data not found for uploaded attachment."
            invalid_form_body(Problem(("attachments", str(at)), "ATTACHMENT_NOT_FOUND", words))
        kept = [kept_file for kept_file in kept if str(kept_file.id) in wanted]
        unsaid = [number for number in call.files if str(number) not in wanted]
        if unsaid:
            call.add_violation(f"files {unsaid} that the attachments do not name")
    if any(file.size > limit for file in call.files.values()):
        raise ApiError(413, 40005, "Request entity too large", foreseen=False)
    said = {str(attachment["id"]): attachment for attachment in asked or []}
    new = [
        _kept(call, channel, number, said.get(str(number), {}), ephemeral)
        for number in sorted(call.files)
    ]
    if len(kept) + len(new) > MOST_FILES:
        invalid_form_body(
            Problem(("attachments",), "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
        )
    return [*kept, *new]


def _kept(call: Call, channel: Channel, number: int, said: Json, ephemeral: bool) -> Attachment:
    upload = call.files[number]
    more: Json = {"spoiler": True} if said.get("is_spoiler") else {}
    return call.world.cdn.keep(
        call.world.ids.at(call.time),
        channel.id,
        said.get("filename") or upload.name,
        upload.path,
        size=upload.size,
        sha256=upload.sha256,
        description=said.get("description") or "",
        ephemeral=ephemeral,
        **more,
    )


def _check_embeds(embeds: Sequence[Json]) -> None:
    total = 0
    for at, one in enumerate(embeds):
        texts = [one.get("title"), one.get("description"), (one.get("footer") or {}).get("text")]
        texts.append((one.get("author") or {}).get("name"))
        for part in one.get("fields") or []:
            texts += [part["name"], part["value"]]
        lengths = [len(text) for text in texts if text]
        media = any(one.get(name) for name in ("image", "thumbnail", "video"))
        if not lengths and not media:
            required = "This field is required"
            invalid_form_body(
                Problem(("embeds", str(at), "description"), "BASE_TYPE_REQUIRED", required)
            )
        total += sum(lengths)
    if total > LONGEST_EMBEDS:
        words = f"Embed size exceeds maximum size of {LONGEST_EMBEDS}"
        invalid_form_body(Problem(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", words))


def _check_v2(it: MessageContent) -> None:
    if not it.flags & COMPONENTS_V2:
        return
    for name in ("content", "embeds"):
        if getattr(it, name):
            words = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            invalid_form_body(
                Problem((name,), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", words)
            )


def _check_references(call: Call, it: MessageContent) -> None:
    """Every file that is referred to must be in the call."""
    holders = [part.get(name) for part in it.embeds for name in ("image", "thumbnail", "video")]
    required = []
    for component in flat(it.components):
        for part in [component, *(component.get("items") or [])]:
            required += [
                part[name] for name in ("media", "file") if isinstance(part.get(name), dict)
            ]
    names = {attachment.name for attachment in it.attachments}
    for holder in [*holders, *required]:
        url = (holder or {}).get("url") or ""
        if url.startswith(_ATTACHED) and url.removeprefix(_ATTACHED) not in names:
            if holder in required:
                words = "The referenced attachment was not found"
                invalid_form_body(
                    Problem(("components",), "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT", words)
                )
            call.add_violation(f"{url} names no file of the message")


def _pinged(call: Call, it: MessageContent) -> tuple[list[Account], bool]:
    """(Whom the message calls, whether all)."""
    allowed: Json | None = call.get("allowed_mentions")
    texts = [
        it.content,
        *(component["content"] for component in flat(it.components) if component["type"] == 10),
    ]
    text = "\n".join(texts)
    named = [int(number) for number in re.findall(r"<@!?(\d+)>", text)]
    every = re.search(r"@(everyone|here)\b", text) is not None
    if allowed is not None:
        parse = allowed.get("parse") or []
        users = allowed.get("users") or []
        if "users" in parse and users:
            words = 'parse:["users"] and users: [ids...] are mutually exclusive.'
            invalid_form_body(
                Problem(("allowed_mentions",), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", words)
            )
        if "users" not in parse:
            named = [user_id for user_id in named if str(user_id) in {str(user) for user in users}]
        every = every and "everyone" in parse
    known = [
        call.world.accounts[user_id]
        for user_id in dict.fromkeys(named)
        if user_id in call.world.accounts
    ]
    return known, every
