"""Users, guilds and channels of the fake Discord behave like real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.discord.api_caller import GO_ON_BUTTON, MP4, VIDEO, ApiCaller, api_caller
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord, ImageFile
from tests.fakes.discord.users import FakeUser
from tests.fakes.discord.value_checks import problems
from tests.support.fake_clock import FakeClock
from tests.support.sample_images import color_card, encode_image

PNG = encode_image(color_card(64, 48), "PNG")


@pytest.fixture
async def caller(clock: FakeClock) -> AsyncIterator[ApiCaller]:
    """Someone who calls the server, whose clock stands still, and who has a command."""
    async with api_caller(clock) as it:
        menus = [{"name": "Remix", "type": 3}, {"name": "Who is it", "type": 2}]
        everything = [
            {"type": kind, "name": name, "description": "x"}
            for kind, name in ((6, "user"), (7, "place"), (8, "role"), (9, "anyone"), (5, "yes"))
        ]
        odd = {"name": "odd", "description": "x", "options": everything}
        odd["options"].append({"type": 10, "name": "number", "description": "x"})  # type: ignore[attr-defined] # a list
        await it.syncs(VIDEO, odd, *menus)
        yield it


@pytest.fixture
def discord(caller: ApiCaller) -> FakeDiscord:
    """The fake server."""
    return caller.discord


@pytest.fixture
def ann(discord: FakeDiscord) -> FakeUser:
    """A user."""
    return discord.user("Ann")


@pytest.fixture
def general(discord: FakeDiscord, ann: FakeUser) -> Channel:
    """A place where she, Bob and the bot are."""
    return discord.guild("Kites", [ann, discord.user("Bob")]).text("general")


def row(*parts: dict[str, Any]) -> dict[str, Any]:
    """A row of components."""
    return {"type": 1, "components": list(parts)}


@pytest.mark.usefixtures("caller")
async def test_interaction_payload_equals_the_description(ann: FakeUser, general: Channel) -> None:
    """And contains no other user's data."""
    thread = general.thread("Ideas")
    picture = ImageFile(PNG, "a kite!.png", size=30 << 20)
    for place, kind in ((general, "GuildChannelResponse"), (thread, "ThreadResponse"),
                        (ann.dm, "PrivateChannelResponse")):  # fmt: skip
        it = await ann.uses("/video", channel=place, prompt="x", image=picture, waits=0)
        told = it.payload()
        assert problems(kind, told["channel"]) == []
        member = told.get("member")
        if member is None:
            assert problems("UserResponse", told["user"]) == []
        else:
            assert int(member.pop("permissions")) & 1 << 5, "she owns the guild"
            assert problems("GuildMemberResponse", member) == []
            assert (told["guild_id"], told["guild_locale"]) == (told["guild"]["id"], "en-US")
        (attached,) = told["data"]["resolved"]["attachments"].values()
        assert problems("MessageAttachmentResponse", attached) == []
        assert attached["filename"] == "a_kite_.png"
        assert (attached["size"], attached["width"], attached["height"]) == (30 << 20, 64, 48)
        assert it.files[0].path.read_bytes() == PNG


@pytest.mark.usefixtures("caller")
async def test_resolved_options_name_what_they_are(
    discord: FakeDiscord, ann: FakeUser, general: Channel
) -> None:
    """Members, channels, roles, booleans and numbers."""
    guild = general.guild
    assert guild is not None
    bob = next(member for member in guild.members if member.name == "Bob")
    role = guild.role("Patrons", [bob])
    it = await ann.uses("/odd", channel=general, user=bob, place=general, role=role, anyone=role,
                        yes=True, number=0.5, waits=0)  # fmt: skip
    resolved = it.data["resolved"]
    assert resolved["members"][str(bob.id)]["roles"] == [str(role.id)]
    assert resolved["users"][str(bob.id)]["global_name"] == "Bob"
    assert resolved["channels"][str(general.id)]["name"] == "general"
    assert resolved["roles"][str(role.id)]["name"] == "Patrons"
    assert [option["value"] for option in it.data["options"]] == [
        str(bob.id), str(general.id), str(role.id), str(role.id), True, 0.5
    ]  # fmt: skip
    words = "user: @Bob, place: #general, role: @Patrons, anyone: @Patrons, yes: True, number: 0.5"
    assert discord.event_log(general).splitlines()[-1] == f"Ann uses /odd {words}"
    for wrong in ({"user": general}, {"place": bob}, {"role": "x"}, {"yes": 1}, {"number": True}):
        with pytest.raises(AssertionError):
            await ann.uses("/odd", channel=general, waits=0, **wrong)


async def test_selects_and_menus_send_their_targets(
    caller: ApiCaller, ann: FakeUser, general: Channel
) -> None:
    """Users and channels from lists; menus send the whole message or user."""
    guild = general.guild
    assert guild is not None
    bob = next(member for member in guild.members if member.name == "Bob")
    sizes = {"type": 3, "custom_id": "s", "max_values": 2, "options": [
        {"label": "Small", "value": "1"}, {"label": "Large", "value": "2"}]}  # fmt: skip
    rows = [row(sizes), row({"type": 5, "custom_id": "u"}), row({"type": 8, "custom_id": "c"})]
    await caller.says(general, "Choose", components=rows)
    message = general.messages[0]
    it = await ann.chooses(message, "Large", "Small", waits=0)
    assert it.data == {"custom_id": "s", "component_type": 3, "values": ["2", "1"]}
    it = await ann.chooses(message, general, waits=0)
    assert it.data["custom_id"] == "u"
    with pytest.raises(AssertionError, match="no list has"):
        await ann.chooses(message, "Huge", waits=0)
    film = await ann.says("look", channel=general, files=[ImageFile(MP4, "mine.mp4")])
    it = await ann.uses_menu("Remix", film, waits=0)
    told = it.data["resolved"]["messages"][it.data["target_id"]]
    assert problems("MessageResponse", told) == []
    assert told["attachments"][0]["content_type"] == "video/mp4"
    it = await ann.uses_menu("Who is it", bob, channel=general, waits=0)
    assert it.data["resolved"]["users"][str(bob.id)]["username"] == "bob"


async def test_every_form_field_is_sent(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel
) -> None:
    """Each kind of field, unchanged or filled in."""
    options = [{"label": "Small", "value": "s", "default": True}, {"label": "Large", "value": "l"}]
    parts = [
        {"type": 21, "custom_id": "radio", "options": options},
        {"type": 22, "custom_id": "checks", "options": options, "max_values": 2},
        {"type": 23, "custom_id": "check", "default": True},
        {"type": 19, "custom_id": "file", "required": False},
    ]
    labels = [{"type": 18, "label": part["custom_id"], "component": part} for part in parts]
    text = {"type": 10, "content": "Fill it in"}
    for values in ({}, {"radio": "Large", "checks": ["Large"], "check": False, "file": PNG}):
        it = await ann.uses("/video", channel=general, prompt="x", waits=0)
        form = {"title": "All", "custom_id": "m", "components": [text, *labels]}
        assert await caller.answers(it, 9, form) is None
        sent = await ann.submits(await it.modal, waits=0, **values)
        got = [label["component"] for label in sent.data["components"][1:]]
        if values:
            assert (got[0]["value"], got[1]["values"], got[2]["value"]) == ("l", ["l"], False)
            assert sent.files[0].path.read_bytes() == PNG
        else:
            assert (got[0]["value"], got[1]["values"], got[2]["value"]) == ("s", ["s"], True)
    assert discord.violations == []


async def test_impossible_actions_fail_the_test(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel
) -> None:
    """A user who is not there, cannot see the message, or finds it deleted or locked."""
    cid = discord.user("Cid")
    await caller.says(general, "x", components=GO_ON_BUTTON)
    message = general.messages[0]
    with pytest.raises(AssertionError, match="Cid is not in Kites"):
        await cid.presses(message, "Go on", waits=0)
    it = await ann.uses("/video", channel=general, prompt="x", waits=0)
    await caller.answers(it, 4, {"content": "secret", "components": GO_ON_BUTTON, "flags": 64})
    secret = await ann.sees("secret")
    bob = next(account for account in discord.world.accounts.values() if account.name == "Bob")
    assert isinstance(bob, FakeUser)
    with pytest.raises(AssertionError, match="only Ann sees"):
        await bob.presses(secret, "Go on", waits=0)
    await bob.deletes(message)
    with pytest.raises(AssertionError, match="is gone"):
        await ann.presses(message, "Go on", waits=0)
    thread = general.thread("Old")
    thread.archive(locked=True)
    with pytest.raises(AssertionError, match="Old is locked"):
        await ann.says("x", channel=thread)
    off = [row({"type": 2, "style": 1, "custom_id": "a", "label": "Off", "disabled": True})]
    await caller.says(general, "y", components=off)
    with pytest.raises(AssertionError, match="'Off' is off"):
        await ann.presses(general.messages[-1], "Off", waits=0)


async def test_transcript_shows_what_users_see(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel, clock: FakeClock
) -> None:
    """Embeds, times, mentions, replies, files, silence and deletions."""
    asked = await ann.says("a kite?", channel=general)
    at = int(clock.now())
    embed = {
        "author": {"name": "Ann"},
        "title": "Working",
        "description": f"Ready <t:{at + 240}:R>, at <t:{at + 240}:t>\nin <#{general.id}>",
        "fields": [{"name": "Place", "value": "3"}],
        "footer": {"text": "task abc"},
    }
    link = {"type": 2, "style": 5, "url": "https://a.b/c", "label": "Original"}
    cancel = {"type": 2, "style": 4, "custom_id": "c", "label": "Cancel", "emoji": {"name": "✖"}}
    sent = await caller.says(general, "", embeds=[embed], components=[row(cancel, link)],
                          message_reference={"message_id": str(asked.id)})  # fmt: skip
    words = f"{ann.mention} <https://x.y> `discord.gg/no` discord.gg/yes https://z.a"
    await caller.says(general, words, flags=1 << 12, files={0: ("SPOILER_k.mp4", MP4)})
    assert general.messages[-1].previews == ["discord.gg/yes", "https://z.a"]
    await clock.advance(300)
    path = f"/channels/{general.id}/messages/{sent['id']}"
    await caller("PATCH", path, {"embeds": [{"description": f"Ready <t:{at + 240}:R>"}]})
    await caller("DELETE", path)
    assert (
        discord.event_log(general)
        == """\
── Kites / general (text)
Ann
  a kite?
Reelay ↩ Ann: a kite?
  │ Ann
  │ **Working**
  │ Ready ‹in 4 min›, at ‹2027-01-15 08:04›
  │ in #general
  │ Place: 3
  │ — task abc
  [✖ Cancel] [Original ↗]
Reelay (silent) (pings Ann)
  ⟨video SPOILER_k.mp4, hidden⟩
  @Ann <https://x.y> `discord.gg/no` discord.gg/yes https://z.a
✎ Reelay ↩ Ann: a kite?
  │ Ready ‹1 min ago›
  [✖ Cancel] [Original ↗]
✗ deleted: Reelay: Ready ‹1 min ago›
"""
    )
    assert discord.violations == []
