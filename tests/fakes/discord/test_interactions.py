"""The fake Discord checks responses to interactions against their rules."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.discord import permissions as rights
from tests.fakes.discord.api_caller import GO_ON_BUTTON, MP4, VIDEO, ApiCaller, api_caller
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.users import FakeUser
from tests.support.fake_clock import FakeClock

HIDDEN = {"flags": 64}


@pytest.fixture
async def caller(clock: FakeClock) -> AsyncIterator[ApiCaller]:
    """Someone who calls the server, whose clock stands still, and who has a command."""
    async with api_caller(clock) as it:
        await it.syncs(VIDEO)
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
    """A place where she and the bot are."""
    return discord.guild("Kites", [ann]).text("general")


async def video(person: FakeUser, channel: Channel) -> Interaction:
    """Someone asks for a video; nobody needs to listen."""
    return await person.uses("/video", channel=channel, prompt="a kite", waits=0)


async def test_late_response_is_refused_and_recorded(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel, clock: FakeClock
) -> None:
    """After three seconds."""
    early, late = await video(ann, general), await video(ann, general)
    await clock.advance(3)
    assert await caller.answers(early, 5) is None
    await clock.advance(0.1)
    assert late.failed
    assert await caller.answers(late, 5) == 10062
    assert await caller.follows(late, "x") == 10015
    assert discord.late_responses == [late]
    assert len(discord.violations) == 2
    assert discord.unanswered == []


async def test_second_response_is_refused(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel
) -> None:
    """An interaction is answered once, by its own id and token."""
    it = await video(ann, general)
    assert await caller.follows(it, "too early") == 10015
    await caller.answers(it, 4, {"content": "Yes"})
    assert await caller.answers(it, 5) == 40060
    wrong = f"/interactions/{it.id}/nothing/callback"
    assert await caller("POST", wrong, {"type": 5}, token="") == 10062
    assert await caller("POST", f"/webhooks/1/{it.token}", {"content": "x"}, token="") == 10015
    assert len(discord.violations) == 4


async def test_interaction_token_expires(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel, clock: FakeClock
) -> None:
    """After 15 minutes only the bot's own permission remains."""
    it = await video(ann, general)
    await caller.answers(it, 5)
    await clock.advance(15 * 60)
    assert (await caller.follows(it, "still"))["content"] == "still"
    await clock.advance(1)
    assert await caller.follows(it, "x") == 50027
    assert await caller("PATCH", caller.hook(it, "@original"), {"content": "x"}, token="") == 50027
    assert len(discord.invalid) == 2
    message = general.messages[0]
    path = f"/channels/{general.id}/messages/{message.id}"
    assert (await caller("PATCH", path, {"content": "later"}))["content"] == "later"


async def test_first_follow_up_fills_the_deferred_response(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel
) -> None:
    """With the visibility of the deferred response."""
    it, alone = await video(ann, general), await video(ann, general)
    told = await caller.answers(it, 5, with_response="true")
    assert told["interaction"]["response_message_loading"] is True
    assert it.messages[0].thinking
    await caller.follows(it, "first", files={0: ("a.mp4", MP4)})
    await caller.follows(it, "second")
    assert [message.content for message in general.from_bot] == ["first", "second"]
    await caller.answers(alone, 5, HIDDEN)
    await caller.follows(alone, "only you", **HIDDEN)
    assert (await ann.sees("only you")).ephemeral
    assert len(general.from_bot) == 2
    again = await video(ann, general)
    await caller.answers(again, 5)
    await caller.follows(again, "hidden?", **HIDDEN)
    assert len(discord.violations) == 1
    assert not again.messages[0].ephemeral


async def test_ephemeral_message_is_private(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel
) -> None:
    """Only its interaction can reach it."""
    it = await video(ann, general)
    told = await caller.answers(it, 4, {"content": "secret", **HIDDEN}, with_response="true")
    number = told["resource"]["message"]["id"]
    assert told["interaction"]["response_message_ephemeral"] is True
    assert await caller("GET", f"/channels/{general.id}/messages/{number}") == 10008
    assert (await caller("GET", caller.hook(it, "@original"), token=""))["content"] == "secret"
    other = await video(ann, general)
    await caller.answers(other, 5)
    assert await caller("GET", caller.hook(other, number), token="") == 10008
    assert discord.transcript(general).splitlines()[1:] == ["Reelay", "  (thinking…)"]
    assert "(only Ann sees this)" in discord.transcript(general, ann)
    await caller("DELETE", caller.hook(it, "@original"), token="")
    assert "secret" not in discord.transcript(general, ann)
    assert discord.violations == []


async def test_response_of_another_kind_is_refused(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel
) -> None:
    """What fits one kind of interaction is refused for another."""
    it = await video(ann, general)
    choices = {"choices": [{"name": "a", "value": "b"}]}
    for kind, data in ((8, choices), (7, {"content": "x"}), (6, None)):
        assert await caller.answers(it, kind, data) == 50035
    assert len(discord.violations) == 3
    await caller.answers(it, 4, {"content": "x", "components": GO_ON_BUTTON})
    press = await ann.presses(general.messages[0], "Go on", waits=0)
    assert press.payload()["message"]["content"] == "x"
    await caller.answers(press, 7, {"content": "y", "components": []})
    assert (await press.answer).kind == "update"
    assert general.messages[0].content == "y"
    assert general.messages[0].labels == []
    await caller.follows(press, "z")
    assert [message.content for message in general.from_bot] == ["y", "z"]
    with pytest.raises(AssertionError, match="no button 'Go on'"):
        await ann.presses(general.messages[0], "Go on")


async def test_form_returns_what_was_typed(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel
) -> None:
    """A form opens with its values, and comes back with its layout."""
    it = await video(ann, general)
    field = {"type": 4, "custom_id": "prompt", "style": 2, "value": "a kite", "max_length": 10}
    row = {"type": 1, "components": [{**field, "label": "Prompt"}]}
    size = {"type": 3, "custom_id": "size", "options": [{"label": "Small", "value": "s"}]}
    label = {"type": 18, "label": "Size", "component": size}
    form = {"title": "Remix", "custom_id": "m1", "components": [row, label]}
    assert await caller.answers(it, 9, {**form, "components": [row, row]}) == 50035
    assert (
        await caller.answers(it, 9, {**form, "components": [{**row, "components": [field]}]})
        == 50035
    )
    long = {**field, "label": "x", "value": "x" * 11}
    assert (
        await caller.answers(it, 9, {**form, "components": [{**row, "components": [long]}]})
        == 50035
    )
    assert await caller.answers(it, 9, form) is None
    modal = await it.modal
    assert [(one.label, one.value) for one in modal.fields] == [("Prompt", "a kite"), ("Size", "")]
    with pytest.raises(AssertionError, match="Size must be filled in"):
        await ann.submits(modal, waits=0)
    with pytest.raises(AssertionError, match="Prompt: not 0 to 10"):
        await ann.submits(modal, prompt="x" * 11, size="Small", waits=0)
    sent = await ann.submits(modal, prompt="blue", size="Small", waits=0)
    assert sent.data["components"] == [
        {"type": 1, "id": 1, "components": [
            {"type": 4, "custom_id": "prompt", "id": 1, "value": "blue"}]},
        {"type": 18, "id": 2, "component": {
            "type": 3, "custom_id": "size", "id": 1, "values": ["s"]}},
    ]  # fmt: skip
    assert "message" not in sent.payload()
    assert await caller.answers(sent, 5, HIDDEN) is None
    assert len(discord.violations) == 3


async def test_choices_are_limited_and_typed(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel
) -> None:
    """At most 25 choices, of the option's own type."""
    many = [{"name": str(number), "value": str(number)} for number in range(26)]
    for choices in (many, [{"name": "a", "value": 5}], [{"name": "x" * 101, "value": "a"}]):
        it = await ann.starts_typing("/video", channel=general, prompt="x", model="so", waits=0)
        assert it.data["options"][1] == {"name": "model", "type": 3, "value": "so", "focused": True}
        assert await caller.answers(it, 8, {"choices": choices}) == 50035
        assert await caller.answers(it, 8, {"choices": []}) is None
        assert await it.choices == []
    assert len(discord.violations) == 3


async def test_user_installed_app_has_five_follow_ups(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser
) -> None:
    """Where the app is for one user alone, it has no permissions."""
    channel = discord.guild("Strangers", [discord.user("Owner"), ann], bot=False).text("talk")
    with pytest.raises(AssertionError, match="is offered no"):
        await video(ann, channel)
    ann.installs()
    it = await video(ann, channel)
    assert it.payload()["authorizing_integration_owners"] == {"1": str(ann.id)}
    await caller.answers(it, 5)
    for number in range(5):
        assert (await caller.follows(it, f"{number}"))["content"] == f"{number}"
    assert await caller.follows(it, "x") == 40094
    assert await caller.says(channel, "x") == 50001
    assert len(discord.violations) == 1
    channel.deny(everyone=rights.USE_EXTERNAL_APPS)
    other = await video(ann, channel)
    await caller.answers(other, 4, {"content": "quiet"})
    assert (await ann.sees("quiet")).ephemeral
    private = discord.group([ann, discord.user("Bob")])
    there = await video(ann, private)
    assert there.payload()["context"] == 2
    assert "guild_id" not in there.payload()


async def test_larger_limit_applies_to_interaction_files(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser
) -> None:
    """The larger of the guild's limit and the user's own."""
    rich = discord.user("Rich", file_limit=50 << 20)
    small = discord.guild("Small", [ann, rich]).text("a")
    for person, size, good in ((ann, 11, False), (rich, 11, True), (rich, 51, False)):
        it = await video(person, small)
        assert it.payload()["attachment_size_limit"] == (50 if person is rich else 10) << 20
        await caller.answers(it, 5)
        sent = await caller.follows(it, "", files={0: ("a.mp4", bytes(size << 20))})
        assert (sent != 40005) is good
    assert discord.violations == []


@pytest.mark.usefixtures("caller")
async def test_invalid_use_of_a_command_fails_the_test(
    discord: FakeDiscord, ann: FakeUser, general: Channel
) -> None:
    """The user's app allows only what the synced command has."""
    for match, given in (
        ("must be given", {}),
        ("no option", {"prompt": "x", "colour": "red"}),
        ("no text", {"prompt": 5}),
        ("not between", {"prompt": "x" * 101}),
        ("is no number", {"prompt": "x", "duration": "5"}),
        ("is more than 15", {"prompt": "x", "duration": 16}),
        ("is not among", {"prompt": "x", "size": "Huge"}),
    ):
        with pytest.raises(AssertionError, match=match):
            await ann.uses("/video", channel=general, waits=0, **given)
    with pytest.raises(AssertionError, match="is offered no '/vidoe' but"):
        await ann.uses("/vidoe", channel=general, waits=0)
    mei = discord.user("Mei", locale="zh-CN")
    general.guild.add(mei)  # type: ignore[union-attr] # it has one
    it = await mei.uses("/视频", channel=general, prompt="风筝", size="小", waits=0)
    assert it.data["name"] == "video"
    assert it.data["options"][1]["value"] == "480p"
    assert it.payload()["locale"] == "zh-CN"
    assert discord.event_log(general).splitlines()[-1] == "Mei uses /视频 prompt: 风筝, size: 小"
