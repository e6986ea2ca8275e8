"""Faults that the Discord front-end had call; each is map_error by what people saw of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import aiohttp
import pytest

from bot.domain.tasks import Destination
from bot.frontends.discord.http import map_error
from bot.frontends.discord.rendering import note_with_link, split_message
from bot.frontends.discord.target import MIN_UPLOAD_LIMIT_BYTES, ChatTarget
from bot.ports import DeliveryError
from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.channels import Channel, Guild
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """A gateway that finishes videos at call and can cancel."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=0.1, deletes_abort=True) as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def run_with_gateway(run_bot: RunBot, gateway: FakeOpenAIGateway) -> RunBot:
    """Run a bot with that gateway."""
    return partial(
        run_bot,
        PROVIDERS__LOCAL__KIND="openai",
        PROVIDERS__LOCAL__API_KEY=KEY,
        PROVIDERS__LOCAL__BASE_URL=gateway.url,
        PROVIDERS__LOCAL__CANCEL="on",
    )


@pytest.fixture
def general(discord: FakeDiscord, ann: FakeUser, bob: FakeUser) -> Channel:
    """The channel."""
    return discord.guild("Kites", [bob, ann]).text("general")


# --- results -----------------------------------------------------------------------------


async def test_late_status_does_not_replace_the_video(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, general: Channel
) -> None:
    """A slow status edit must not be written over a video that was quicker."""
    discord.faults.add("update_original_webhook_message", "held")
    async with run_with_gateway():
        use = await ann.uses("/video", channel=general, prompt="a red kite")
        video = await general.shows_video()
        discord.faults.release()
        await general.until(lambda _: use.original is not None and use.original.deleted)
        assert general.from_bot == [video]


async def test_thinking_indicator_ends_beside_a_finished_video(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, general: Channel
) -> None:
    """Where the video came before any status, the deferred response ends."""
    discord.faults.add("update_original_webhook_message", "dropped-before", times=6)
    async with run_with_gateway():
        use = await ann.uses("/video", channel=general, prompt="a red kite")
        video = await general.shows_video()
        await general.until(lambda channel: channel.from_bot == [video])
    assert use.original is not None
    assert use.original.edits == []


async def test_cancel_is_announced_when_the_status_is_gone(
    run_with_gateway: RunBot,
    ann: FakeUser,
    bob: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
) -> None:
    """The final message of a cancelled task is then a message of its own."""
    gateway.render_seconds = 1e9
    async with run_with_gateway():
        await ann.uses("/video", channel=general, prompt="a red kite")
        status = await general.shows("being made")
        task = status.text.partition(":")[0]
        await bob.deletes(status)
        await (await ann.uses("/cancel", channel=general, task=task)).shows("asked to stop")
        await general.shows(f"Task {task} is cancelled.")


def _managed_by(channel: Channel, person: FakeUser) -> Guild:
    assert channel.guild is not None
    channel.guild.manages(person)
    return channel.guild


async def test_server_settings_mention_channels_and_roles(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel
) -> None:
    """`/server` names them as Discord shows them."""
    role = _managed_by(general, ann).role("Patrons", [ann])
    async with run_with_gateway():
        named = {"allow": general, "role": role, "credits": 5}
        use = await ann.uses("/server", channel=general, options=named)
        await use.shows(f"{general.mention};")
        await use.shows(f"<@&{role.id}> 5;")


async def test_archived_thread_can_be_named(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel
) -> None:
    """`/server` accepts an archived thread."""
    _managed_by(general, ann)
    thread = general.thread("Ideas")
    async with run_with_gateway():
        await (await ann.uses("/quota", channel=general)).shows("You can spend")
        thread.archive()
        use = await ann.uses("/server", channel=general, options={"allow": thread})
        await use.shows(f"<#{thread.id}>;")


async def test_unknown_acknowledgement_is_followed_by_an_explanation(
    discord: FakeDiscord,
    run_with_gateway: RunBot,
    ann: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
) -> None:
    """A user who sees that the bot thinks is map_error when nothing will come."""
    async with run_with_gateway():
        await (await ann.uses("/quota", channel=general)).shows("You can spend")
        discord.faults.add("create_interaction_response", "hanging-after")
        use = await ann.uses("/video", channel=general, prompt="a red kite")
        await use.shows("Nothing was charged")
    assert not gateway.creates


async def test_second_press_is_answered(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, gateway: FakeOpenAIGateway
) -> None:
    """A second press of "Try again" is answered, and one video is paid."""
    async with run_with_gateway():
        await ann.uses("/video", channel=general, prompt="a red kite !failed")
        word = await general.shows("made no video")
        gateway.render_seconds = 1e9
        await ann.presses(word, "Try again")
        await general.shows("being made")
        press = await ann.presses(word, "Try again")
        assert (await press.shows("That has been done already.")).only_for is ann
    assert gateway.creates.total() == 2


async def test_refused_size_lowers_the_next_upload(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, general: Channel
) -> None:
    """A size that a channel refused limits the next re-encoding."""
    place = Destination(
        "discord", ChatTarget(general.id, access="own", bot_upload_limit=50 << 20).address
    )
    async with run_with_gateway() as parts:
        (front_end,) = parts.front_ends
        await ann.uses("/video", channel=general, prompt="a red kite")
        video = await general.shows_video()
        assert front_end.max_video_bytes(place) == 50 << 20
        while not _refused(discord):
            # Until the task itself knows that its video stands there, it is not ready.
            fetch = await ann.uses("/fetch", channel=general, task=video.text.split()[-1])
            fetch.file_limit = 1000
            answered = partial(_answered, discord, fetch)
            await discord.until(answered)
        await discord.until(lambda: _refused(discord) > 1)
        assert (front_end.max_video_bytes(place) or 0) <= MIN_UPLOAD_LIMIT_BYTES


def _answered(discord: FakeDiscord, use: Interaction) -> bool:
    return use.original is not None and (not use.original.thinking or _refused(discord) > 0)


def _refused(discord: FakeDiscord) -> int:
    return [call.status for call in discord.calls_to("update_original_webhook_message")].count(413)


def test_direct_message_limit_applies_to_a_rerouted_video() -> None:
    """Where the bot may not post, the limit of direct messages counts, not the guild's."""
    spot = ChatTarget(1, guild=2, access="closed", bot_upload_limit=100 << 20)
    assert spot.limit(0.0) == MIN_UPLOAD_LIMIT_BYTES


async def test_refused_original_is_reported(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel
) -> None:
    """A user who asks for the original is map_error when it is too large after all."""
    async with run_with_gateway():
        await ann.uses("/video", channel=general, prompt="a red kite")
        video = await general.shows_video()
        # As below a video that was made smaller.
        (last,) = [
            component for component in video.all_components if component.get("label") == "Delete"
        ]
        last["custom_id"] = last["custom_id"].replace("delete", "original")
        press = await ann.presses(video, "Delete")
        press.file_limit = 1000
        assert (await press.shows("too large")).only_for is ann


# --- texts -------------------------------------------------------------------------------


def test_error_for_admins_hides_the_interaction_token() -> None:
    """A failed connection is reported without the URL, which holds the token."""
    address = "https://discord.com/api/v10/webhooks/1/aW50ZXJhY3Rpb246c2VjcmV0"
    fault = map_error(aiohttp.ConnectionTimeoutError(f"Connection timeout to host {address}"))
    assert isinstance(fault, DeliveryError)
    assert "/webhooks/" not in str(fault)


def test_link_text_of_users_stays_literal_beside_a_link() -> None:
    """Users' text that looks like a link stays as it is."""
    text = "Task x is ready: http[Free](https://evil.example)\nHere: https://ours.example/a_b?c=d_e"
    said = note_with_link(text)
    assert r"http\[Free\](" in said
    assert "https://ours.example/a_b?c=d_e" in said


def test_long_text_is_not_split_inside_an_escape() -> None:
    """No part of a text ends with half an escape."""
    for head in ("", "a"):
        for part in split_message(head + "*" * 4500):
            assert (part.description or "").replace("\\*", "").strip("a") == ""


# --- the connection ----------------------------------------------------------------------


async def test_revoked_token_ends_the_front_end(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, general: Channel
) -> None:
    """A refused API call ends the front-end before the gateway does."""
    discord.faults.add("update_original_webhook_message", "held")
    async with run_with_gateway():
        use = await ann.uses("/video", channel=general, prompt="a red kite")
        await discord.until(lambda: discord.faults.hanging)
        discord.gateway.token = "another"
        await discord.until(lambda: not discord.gateway.connections)
        discord.faults.release()
    assert [call.operation for call in discord.invalid] == ["create_message"]
    assert use.told == 1
