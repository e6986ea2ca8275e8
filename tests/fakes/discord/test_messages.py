"""The fake Discord accepts the messages that the real one accepts, and refuses the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.discord import permissions as rights
from tests.fakes.discord.api_caller import AGENT, GO_ON_BUTTON, MP4, ApiCaller, api_caller
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.users import FakeUser
from tests.support.fake_clock import FakeClock

V2 = 1 << 15


@pytest.fixture
async def caller(clock: FakeClock) -> AsyncIterator[ApiCaller]:
    """An API client; the server's clock stands still."""
    async with api_caller(clock) as it:
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


def text(content: str) -> dict[str, object]:
    """A text among components."""
    return {"type": 10, "content": content}


async def test_wrong_token_is_refused(discord: FakeDiscord, caller: ApiCaller) -> None:
    """Only the bot's own token opens anything, and each failure is counted."""
    for path in ("/users/@me", "/gateway/bot", "/channels/1"):
        for token in ("wrong", ""):
            answer = await caller.raw("GET", path, token=token)
            assert answer.status_code == 401
            assert answer.json() == {"message": "401: Unauthorized", "code": 0}
            assert answer.headers["Content-Type"] == "application/json"
    assert len(discord.invalid) == 6


async def test_unknown_call_is_refused_and_recorded(
    discord: FakeDiscord, caller: ApiCaller
) -> None:
    """A misspelt path, and a body of another type."""
    assert (await caller.raw("POST", "/channels/1/mesages", {})).status_code == 404
    assert discord.violations == ["POST /api/v10/channels/1/mesages: no such call"]
    headers = {"User-Agent": AGENT, "Authorization": f"Bot {discord.token}"}
    headers["Content-Type"] = "application/json; charset=utf-8"
    url = f"{discord.url}/users/@me/channels"
    answer = await caller.client.post(url, headers=headers, content=b"{}")
    assert answer.json()["code"] == 50109


async def test_refusal_has_the_documented_shape(
    discord: FakeDiscord, caller: ApiCaller, general: Channel
) -> None:
    """Each error is where the real one reports it."""
    body = {"content": "x" * 4001, "embeds": [{"title": 5}]}
    answer = await caller.raw("POST", f"/channels/{general.id}/messages", body)
    assert answer.status_code == 400
    assert answer.json() == {
        "message": "Invalid Form Body",
        "code": 50035,
        "errors": {
            "content": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH",
                                     "message": "Must be 4000 or fewer in length."}]},
            "embeds": {"0": {"title": {"_errors": [{
                "code": "STRING_TYPE_CONVERT",
                "message": 'Could not interpret "5" as string.'}]}}},
        },
    }  # fmt: skip
    assert len(discord.violations) == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"content": "x" * 2001}, 50035),
        ({"content": " \n "}, 50006),
        ({"content": "x", "colour": "red"}, 50035),
        ({"embeds": [{}]}, 50035),
        ({"embeds": [{"description": "x" * 3001}] * 2}, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, 50035),
        ({"content": "x", "attachments": [{"id": "0", "filename": "a.mp4"}]}, 50035),
        ({"content": "x", "message_reference": {"message_id": "1"}}, 50035),
        ({"components": [text("x")]}, 50035),
        ({"components": [text("x")], "flags": V2, "content": "y"}, 50035),
        ({"components": [text("x" * 2001)] * 2, "flags": V2}, 50035),
        ({"components": [{"type": 17, "components": [text("x")] * 40}], "flags": V2}, 50035),
        ({"components": [{"type": 13, "file": {"url": "attachment://a.mp4"}}], "flags": V2}, 50035),
        ({"components": GO_ON_BUTTON * 6}, 50035),
        ({"components": GO_ON_BUTTON * 2}, 50035),
    ],
)
async def test_invalid_message_is_refused(
    discord: FakeDiscord, caller: ApiCaller, general: Channel, given: dict[str, Any], code: int
) -> None:
    """Lengths, emptiness, references and combinations."""
    assert await caller("POST", f"/channels/{general.id}/messages", given) == code
    assert len(discord.violations) == 1
    assert general.messages == []


@pytest.mark.parametrize(
    "button",
    [
        {"style": 1, "label": "x"},
        {"style": 1, "custom_id": "a"},
        {"style": 5, "label": "x"},
        {"style": 5, "label": "x", "url": "https://a.b", "custom_id": "a"},
        {"style": 1, "label": "x", "url": "https://a.b", "custom_id": "a"},
        {"style": 1, "label": "x", "custom_id": ""},
        {"style": 1, "label": "x" * 81, "custom_id": "a"},
        {"style": 7, "label": "x", "custom_id": "a"},
    ],
)
async def test_invalid_button_is_refused(
    discord: FakeDiscord, caller: ApiCaller, general: Channel, button: dict[str, Any]
) -> None:
    """A button does one thing, has a label, and an id of at most 100 characters."""
    rows = [{"type": 1, "components": [{"type": 2, **button}]}]
    assert await caller.says(general, "x", components=rows) == 50035
    assert len(discord.violations) == 1


async def test_maximal_message_is_accepted(
    discord: FakeDiscord, caller: ApiCaller, general: Channel
) -> None:
    """Every part at its limit; the stored message has the ids and defaults of Discord."""
    select = {
        "type": 3,
        "custom_id": "s",
        "options": [{"label": "One", "value": "1", "emoji": {"id": None, "name": "🪁"}}],
    }
    link = {"type": 2, "style": 5, "url": "https://a.b", "label": "More"}
    rows = [*GO_ON_BUTTON, {"type": 1, "components": [select]}, {"type": 1, "components": [link]}]
    embed = {"title": "x" * 256, "description": "y" * 4096, "timestamp": "2027-01-01T00:00:00Z"}
    sent = await caller.says(general, "x" * 2000, embeds=[embed], components=rows)
    assert sent["components"][0]["id"] == 1
    assert sent["components"][1]["components"][0]["min_values"] == 1
    everything = [
        {"type": 17, "components": [text("**Hi**"), {"type": 14}], "accent_color": 255},
        {"type": 12, "items": [{"media": {"url": "attachment://a.mp4"}}]},
        {"type": 9, "components": [text("t")], "accessory": {**link, "label": "Go"}},
    ]
    files = {0: ("a.mp4", MP4)}
    sent = await caller.says(general, components=everything, flags=V2, files=files)
    assert sent["components"][1]["items"][0]["media"]["url"].startswith(discord.cdn_url)
    assert discord.violations == []
    assert discord.transcript(general).splitlines()[-6:] == [
        "Reelay",
        "  │ **Hi**",
        "  │ ———",
        "  ⟨a.mp4⟩",
        "  t",
        "  [Go ↗]",
    ]


async def test_enforced_nonce_prevents_a_second_message(
    discord: FakeDiscord, caller: ApiCaller, general: Channel, clock: FakeClock
) -> None:
    """Only if it is enforced, and only for some minutes."""
    first = await caller.says(general, "x", nonce="job1", enforce_nonce=True)
    again = await caller.says(general, "y", nonce="job1", enforce_nonce=True)
    assert again["id"] == first["id"]
    assert again["content"] == "x"
    await caller.says(general, "z", nonce="job1")
    await clock.advance(400)
    await caller.says(general, "w", nonce="job1", enforce_nonce=True)
    assert [message.content for message in general.messages] == ["x", "z", "w"]
    assert discord.violations == []


async def test_file_size_limit_follows_the_guild(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser
) -> None:
    """The guild's limit for each file, and 10 MiB elsewhere."""
    large = discord.guild("Large", [ann], tier=2).text("films")
    for channel, most in ((ann.dm, 10 << 20), (large, 50 << 20)):
        answer = await caller.raw(
            "POST", f"/channels/{channel.id}/messages", {}, files={0: ("a.mp4", bytes(most + 1))}
        )
        assert answer.status_code == 413
        assert answer.json()["code"] == 40005
    sent = await caller.says(large, files={0: ("a.mp4", bytes(30 << 20))})
    assert sent["attachments"][0]["size"] == 30 << 20
    assert large.messages[0].video is not None
    assert discord.violations == []


async def test_signed_link_expires_and_is_renewed(
    discord: FakeDiscord, caller: ApiCaller, general: Channel, clock: FakeClock
) -> None:
    """Links last a day; reading the message again returns new ones."""
    sent = await caller.says(general, files={0: ("a.mp4", MP4)})
    link = sent["attachments"][0]["url"]
    answer = await caller.client.get(link)
    assert answer.content == MP4
    assert answer.headers["Content-Type"] == "video/mp4"
    assert (await caller.client.get(link.replace("&hm=", "&hm=0"))).status_code == 404
    assert (await caller.client.get(link.replace("a.mp4", "b.mp4"))).status_code == 404
    assert (await caller.client.get(link.partition("?")[0])).status_code == 404
    await clock.advance(86_401)
    assert (await caller.client.get(link)).status_code == 404
    path = f"/channels/{general.id}/messages/{sent['id']}"
    fresh = (await caller("GET", path))["attachments"][0]["url"]
    assert (await caller.client.get(fresh)).content == MP4
    await caller("DELETE", path)
    assert (await caller.client.get(fresh)).status_code == 404
    assert discord.violations == []


async def test_edit_keeps_what_it_does_not_name(
    discord: FakeDiscord, caller: ApiCaller, general: Channel
) -> None:
    """And the files that it still lists."""
    sent = await caller.says(
        general,
        "<@5> a",
        embeds=[{"title": "T"}],
        components=GO_ON_BUTTON,
        files={0: ("a.mp4", MP4)},
    )
    path = f"/channels/{general.id}/messages/{sent['id']}"
    edited = await caller("PATCH", path, {"content": "b"})
    assert edited["embeds"][0]["title"] == "T"
    assert edited["edited_timestamp"] is not None
    kept = [{"id": edited["attachments"][0]["id"]}, {"id": "0", "filename": "b.mp4"}]
    edited = await caller("PATCH", path, {"attachments": kept}, files={0: ("b.mp4", MP4)})
    assert [attachment["filename"] for attachment in edited["attachments"]] == ["a.mp4", "b.mp4"]
    edited = await caller("PATCH", path, {"attachments": [], "embeds": [], "components": []})
    assert (edited["attachments"], edited["components"], edited["content"]) == ([], [], "b")
    assert discord.violations == []
    assert [edit.text for edit in general.messages[0].edits] == ["<@5> a\nT", "b\nT", "b\nT"]


async def test_closed_destinations_refuse_with_their_code(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser
) -> None:
    """Each reason has the real code, and none of them is a violation."""
    guild = discord.guild("Kites", [ann])
    hidden, silent, post = guild.text("hidden"), guild.text("silent"), guild.text("ok")
    hidden.deny(bot=rights.VIEW_CHANNEL)
    silent.deny(bot=rights.SEND_MESSAGES)
    thread, gone = post.thread("Old"), guild.text("gone")
    thread.archive(locked=True)
    gone.remove()
    assert await caller.says(hidden, "x") == 50001
    assert await caller.says(silent, "x") == 50013
    assert await caller.says(thread, "x") == 50083
    assert await caller.says(gone, "x") == 10003
    ann.closes_dms()
    assert await caller.says(ann.dm, "x") == 50007
    assert await caller.says(discord.user("Cid").dm, "x") == 50007
    assert await caller.says(discord.group([ann, discord.user("Bob")]), "x") == 50001
    post.deny(bot=rights.ATTACH_FILES)
    assert await caller.says(post, files={0: ("a.mp4", MP4)}) == 50013
    guild.kicks_bot()
    assert await caller.says(post, "x") == 50001
    assert discord.violations == []
    assert await caller("GET", "/channels/12345") == 10003
    assert len(discord.violations) == 1


async def test_message_opens_an_archived_thread(
    discord: FakeDiscord, caller: ApiCaller, general: Channel
) -> None:
    """Edits in it are refused until then."""
    thread = general.thread("Ideas")
    sent = await caller.says(thread, "x")
    thread.archive()
    path = f"/channels/{thread.id}/messages/{sent['id']}"
    assert await caller("PATCH", path, {"content": "y"}) == 50083
    await caller.says(thread, "z")
    assert not thread.archived
    assert await caller("PATCH", path, {"content": "y"}) != 50083
    assert discord.violations == []


async def test_only_allowed_mentions_notify(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser
) -> None:
    """A mention notifies a user, everyone, or nobody, as `allowed_mentions` says."""
    bob = discord.user("Bob")
    general = discord.guild("Kites", [ann, bob]).text("general")
    words = f"{ann.mention} {bob.mention} @everyone"
    none: dict[str, object] = {"parse": []}
    await caller.says(general, words)
    await caller.says(general, words, allowed_mentions=none)
    await caller.says(general, words, allowed_mentions={**none, "users": [str(ann.id)]})
    assert [message.pings for message in general.messages] == [[ann, bob], [], [ann]]
    assert [message.pings_everyone for message in general.messages] == [True, False, False]
    assert discord.transcript(general).splitlines()[-2:] == [
        "Reelay (pings Ann)",
        "  @Ann @Bob @everyone",
    ]


async def test_messages_of_others_are_protected(
    discord: FakeDiscord, caller: ApiCaller, ann: FakeUser, general: Channel
) -> None:
    """The bot edits only its own, and deletes others only with the permission."""
    theirs = await ann.says("hi", channel=general)
    path = f"/channels/{general.id}/messages/{theirs.id}"
    assert await caller("PATCH", path, {"content": "x"}) == 50005
    assert await caller("DELETE", path) == 50013
    assert len(discord.violations) == 1
    assert await caller("GET", f"/channels/{general.id}/messages/1") == 10008
