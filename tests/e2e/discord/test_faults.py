"""Answers that are lost, refused or late: nothing is posted twice without saying so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.faults import FaultKind
from tests.fakes.discord.messages import Message
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.support.discord_bot import running_bot
from tests.support.jumpable_clock import JumpableClock

EXPIRED = 900.0
FOREVER = 10_000.0
DONE: tuple[FaultKind, ...] = ("dropped-after", "garbage-after")
NOT_DONE: tuple[FaultKind, ...] = ("500", "502", "502-html", "503", "504", "dropped-before")
MARK = "(repeated) It may have been posted before."


@pytest.fixture
def clock() -> JumpableClock:
    """The clock of the bot and of the fakes."""
    return JumpableClock()


@pytest.fixture
async def discord(clock: JumpableClock) -> AsyncIterator[FakeDiscord]:
    """The fake server; the test fails if it has recorded a violation."""
    async with FakeDiscord(clock) as discord:
        yield discord
    assert discord.violations == []


@pytest.fixture
async def gateway(clock: JumpableClock) -> AsyncIterator[FakeOpenAIGateway]:
    """A gateway that finishes at once unless a test changes that."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=0.1, now=clock.now) as gateway:
        yield gateway
    assert gateway.violations == []
    assert max(gateway.creates.values(), default=1) == 1


@pytest.fixture
async def bot(
    discord: FakeDiscord, gateway: FakeOpenAIGateway, clock: JumpableClock, tmp_path: Path
) -> AsyncIterator[None]:
    """Reelay, running against the fake server."""
    async with running_bot(clock, discord, gateway, tmp_path):
        yield


@pytest.fixture
def general(discord: FakeDiscord, ann: FakeUser) -> Channel:
    """A channel of her guild."""
    return discord.guild("Kites", [ann]).text("general")


def _videos(channel: Channel) -> list[Message]:
    """All that were ever posted there."""
    return [message for message in channel.history.values() if message.video]


async def _quiet(discord: FakeDiscord) -> None:
    """Whatever was to be posted is posted: a question that comes later is answered."""
    late = discord.user("Late")
    late.installs()
    await late.uses("/quota")
    await late.sees("You can spend")


# --- results by the token ----------------------------------------------------------------


@pytest.mark.parametrize("kind", DONE)
@pytest.mark.usefixtures("bot")
async def test_result_with_lost_answer_is_found_and_not_reposted(
    discord: FakeDiscord, ann: FakeUser, general: Channel, kind: FaultKind
) -> None:
    """It is found in the channel, and counts as delivered."""
    discord.faults.add("execute_webhook", kind)
    use = await ann.uses("/video", channel=general, prompt="a kite")
    await general.until(lambda _: use.original and use.original.deleted)
    await _quiet(discord)
    (video,) = _videos(general)
    assert general.from_bot == [video]
    assert MARK not in video.text


@pytest.mark.parametrize("kind", NOT_DONE)
@pytest.mark.usefixtures("bot")
async def test_result_after_server_error_is_marked_as_repeat(
    discord: FakeDiscord, ann: FakeUser, general: Channel, kind: FaultKind
) -> None:
    """It is posted later; as it may have been posted before, it says so."""
    discord.faults.add("execute_webhook", kind)
    await ann.uses("/video", channel=general, prompt="a kite")
    video = await general.shows_video()
    await general.until(lambda channel: channel.from_bot == [video])
    await _quiet(discord)
    assert _videos(general) == [video]
    assert MARK in video.text


@pytest.mark.usefixtures("bot")
async def test_unverifiable_result_is_posted_twice_at_most(
    discord: FakeDiscord, ann: FakeUser
) -> None:
    """In a channel that the bot cannot read: twice, the second marked; then `/fetch`."""
    ann.installs()
    room = discord.guild("Strangers", [ann], bot=False).text("general")
    discord.faults.add("execute_webhook", "dropped-after", times=2)
    await ann.uses("/video", channel=room, prompt="a kite")
    told = await room.shows("Get it with /fetch")
    assert "It may have been posted already" in told.text
    await _quiet(discord)
    first, second = _videos(room)
    assert MARK not in first.text
    assert MARK in second.text
    await ann.presses(told, "Get it")
    await room.shows_video(times=3)
    await _quiet(discord)
    assert len(_videos(room)) == 3


# --- results by the bot's own right ------------------------------------------------------


async def _long(
    discord: FakeDiscord,
    gateway: FakeOpenAIGateway,
    clock: JumpableClock,
    ann: FakeUser,
    room: Channel,
) -> None:
    """A video is made that takes longer than the token is good; then it is ready."""
    gateway.render_seconds = FOREVER
    await ann.uses("/video", channel=room, prompt="a kite")
    await discord.until(lambda: gateway.creates.total() == 1)
    await _quiet(discord)
    clock.jump(EXPIRED)
    gateway.render_seconds = 0.1


@pytest.mark.parametrize(
    ("kind", "times", "marked"),
    [
        *((kind, 1, False) for kind in (*DONE, *NOT_DONE)),
        # Thrice is more than is tried at a time: then it is looked for.
        ("dropped-after", 3, False),
        ("dropped-before", 3, True),
        ("503", 3, True),
    ],
)
@pytest.mark.usefixtures("bot")
async def test_nonce_prevents_a_second_post(
    discord: FakeDiscord,
    gateway: FakeOpenAIGateway,
    clock: JumpableClock,
    ann: FakeUser,
    general: Channel,
    kind: FaultKind,
    times: int,
    marked: bool,
) -> None:
    """The nonce tells Discord that it is the same message: it is posted once."""
    discord.faults.add("create_message", kind, times=times)
    await _long(discord, gateway, clock, ann, general)
    video = await general.shows_video()
    await general.until(lambda channel: channel.from_bot == [video])
    await _quiet(discord)
    assert _videos(general) == [video]
    sent = discord.calls_to("create_message", general)
    assert len({call.body["nonce"] for call in sent}) == 1
    assert all(call.body["enforce_nonce"] for call in sent)
    assert (MARK in video.text) is marked


# --- statuses and answers ----------------------------------------------------------------


@pytest.mark.parametrize("kind", [*DONE, "500", "502-html", "503", "dropped-before", "429"])
@pytest.mark.usefixtures("bot")
async def test_status_edits_and_deletes_are_repeated_safely(
    discord: FakeDiscord,
    gateway: FakeOpenAIGateway,
    ann: FakeUser,
    general: Channel,
    kind: FaultKind,
) -> None:
    """Repeating an edit or a delete of the response changes nothing."""
    gateway.render_seconds = FOREVER
    discord.faults.add("update_original_webhook_message", kind, retry_after=1)
    use = await ann.uses("/video", channel=general, prompt="a kite")
    status = await use.shows("Task")
    assert general.from_bot == [status]
    discord.faults.add("delete_webhook_message", kind, retry_after=1)
    gateway.render_seconds = 0.1
    video = await general.shows_video()
    await general.until(lambda channel: channel.from_bot == [video])
    await _quiet(discord)
    assert list(general.history.values()) == [status, video]


@pytest.mark.parametrize("kind", [*DONE, "503", "dropped-before", "429", "429-cloudflare"])
@pytest.mark.usefixtures("bot")
async def test_lost_refusal_is_repeated_in_private(
    discord: FakeDiscord, ann: FakeUser, general: Channel, kind: FaultKind
) -> None:
    """Once more, marked if needed; nothing is shown in public."""
    discord.faults.add("execute_webhook", kind, retry_after=1)
    use = await ann.uses("/video", channel=general, prompt="a kite", duration=7)
    await general.until(lambda _: use.original and use.original.deleted)
    await _quiet(discord)
    assert general.from_bot == []
    told = [message.text for message in use.messages if message.ephemeral]
    assert len(told) == (2 if kind in DONE else 1)
    assert [text for text in told if text.startswith("(repeated)")] == (
        told[-1:] if kind in {*DONE, "503", "dropped-before"} else []
    )


# --- too much ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["429", "429-global", "429-shared"])
@pytest.mark.usefixtures("bot")
async def test_retry_after_is_respected(
    discord: FakeDiscord, clock: JumpableClock, ann: FakeUser, general: Channel, kind: FaultKind
) -> None:
    """The result comes as soon as allowed, once, unmarked."""
    discord.faults.add("execute_webhook", kind, retry_after=1.5)
    await ann.uses("/video", channel=general, prompt="a kite")
    await discord.until(lambda: discord.faults.suffered)
    told = clock.now()
    video = await general.shows_video()
    assert 1.4 < video.time - told < 10
    assert MARK not in video.text
    await general.until(lambda channel: channel.from_bot == [video])
    assert len(discord.calls_to("execute_webhook")) == 2


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.usefixtures("bot")
async def test_cloudflare_ban_delays_the_result(
    discord: FakeDiscord,
    gateway: FakeOpenAIGateway,
    clock: JumpableClock,
    ann: FakeUser,
    general: Channel,
    own: bool,
) -> None:
    """The result waits and comes once, by the token or by the bot's own permission."""
    operation = "create_message" if own else "execute_webhook"
    discord.faults.add(operation, "429-cloudflare", times=2)
    if own:
        await _long(discord, gateway, clock, ann, general)
    else:
        await ann.uses("/video", channel=general, prompt="a kite")
    video = await general.shows_video()
    await general.until(lambda channel: channel.from_bot == [video])
    assert _videos(general) == [video]
    assert MARK not in video.text
    assert len(discord.calls_to(operation)) == 3
