"""Answers that are lost, refused or late: nothing is posted twice without saying so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import Discord
from tests.fakes.discord.faults import FaultKind
from tests.fakes.discord.messages import Message
from tests.fakes.discord.users import Person
from tests.fakes.gateways.openai import Gateway
from tests.support.discord_bot import running
from tests.support.jumpable_clock import JumpingClock

EXPIRED = 900.0
FOREVER = 10_000.0
DONE: tuple[FaultKind, ...] = ("dropped-after", "garbage-after")
NOT_DONE: tuple[FaultKind, ...] = ("500", "502", "502-html", "503", "504", "dropped-before")
MARK = "(repeated) It may have been posted before."


@pytest.fixture
def clock() -> JumpingClock:
    """The time of everyone."""
    return JumpingClock()


@pytest.fixture
async def discord(clock: JumpingClock) -> AsyncIterator[Discord]:
    """The server; no call may have broken a rule that the bot can know."""
    async with Discord(clock) as discord:
        yield discord
    assert discord.violations == []


@pytest.fixture
async def gateway(clock: JumpingClock) -> AsyncIterator[Gateway]:
    """A gateway that is ready at once, until a test says otherwise."""
    async with Gateway(cheap=True, render_seconds=0.1, now=clock.now) as gateway:
        yield gateway
    assert gateway.violations == []
    assert max(gateway.creates.values(), default=1) == 1


@pytest.fixture
async def reelay(
    discord: Discord, gateway: Gateway, clock: JumpingClock, tmp_path: Path
) -> AsyncIterator[None]:
    """Reelay at work there."""
    async with running(clock, discord, gateway, tmp_path):
        yield


@pytest.fixture
def general(discord: Discord, ann: Person) -> Channel:
    """A channel of her guild."""
    return discord.guild("Kites", [ann]).text("general")


def _videos(channel: Channel) -> list[Message]:
    """All that were ever posted there."""
    return [one for one in channel.history.values() if one.video]


async def _quiet(discord: Discord) -> None:
    """Whatever was to be posted is posted: a question that comes later is answered."""
    late = discord.person("Late")
    late.installs()
    await late.uses("/quota")
    await late.sees("You can spend")


# --- results by the token ----------------------------------------------------------------


@pytest.mark.parametrize("kind", DONE)
@pytest.mark.usefixtures("reelay")
async def test_a_result_whose_answer_was_lost_is_posted_twice(
    discord: Discord, ann: Person, general: Channel, kind: FaultKind
) -> None:
    """It is found in the channel, and counts."""
    discord.faults.add("execute_webhook", kind)
    use = await ann.uses("/video", channel=general, prompt="a kite")
    await general.until(lambda _: use.original and use.original.deleted)
    await _quiet(discord)
    (video,) = _videos(general)
    assert general.from_bot == [video]
    assert MARK not in video.text


@pytest.mark.parametrize("kind", NOT_DONE)
@pytest.mark.usefixtures("reelay")
async def test_a_result_is_lost_with_a_server_at_fault(
    discord: Discord, ann: Person, general: Channel, kind: FaultKind
) -> None:
    """It is posted later; since nobody can know that it was not before, it says so."""
    discord.faults.add("execute_webhook", kind)
    await ann.uses("/video", channel=general, prompt="a kite")
    video = await general.shows_video()
    await general.until(lambda channel: channel.from_bot == [video])
    await _quiet(discord)
    assert _videos(general) == [video]
    assert MARK in video.text


@pytest.mark.usefixtures("reelay")
async def test_a_result_where_nobody_can_look_is_posted_for_ever(
    discord: Discord, ann: Person
) -> None:
    """In a place that is not the bot's it comes twice at most, the second marked; then `/fetch`."""
    ann.installs()
    room = discord.guild("Strangers", [ann], bot=False).text("general")
    discord.faults.add("execute_webhook", "dropped-after", times=2)
    await ann.uses("/video", channel=room, prompt="a kite")
    told = await room.shows("Get it with /fetch", 20)
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
    discord: Discord, gateway: Gateway, clock: JumpingClock, ann: Person, room: Channel
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
@pytest.mark.usefixtures("reelay")
async def test_a_post_of_the_bots_own_is_doubled(
    discord: Discord,
    gateway: Gateway,
    clock: JumpingClock,
    ann: Person,
    general: Channel,
    kind: FaultKind,
    times: int,
    marked: bool,
) -> None:
    """Its number tells Discord that it is the same: it stands there once, found or said anew."""
    discord.faults.add("create_message", kind, times=times)
    await _long(discord, gateway, clock, ann, general)
    video = await general.shows_video()
    await general.until(lambda channel: channel.from_bot == [video], 30)
    await _quiet(discord)
    assert _videos(general) == [video]
    sent = discord.called("create_message", general)
    assert len({one.body["nonce"] for one in sent}) == 1
    assert all(one.body["enforce_nonce"] for one in sent)
    assert (MARK in video.text) is marked


# --- statuses and answers ----------------------------------------------------------------


@pytest.mark.parametrize("kind", [*DONE, "500", "502-html", "503", "dropped-before", "429"])
@pytest.mark.usefixtures("reelay")
async def test_a_status_is_lost_or_doubled(
    discord: Discord, gateway: Gateway, ann: Person, general: Channel, kind: FaultKind
) -> None:
    """To fill the acknowledgement twice is as good as once; so is to take it away."""
    gateway.render_seconds = FOREVER
    discord.faults.add("update_original_webhook_message", kind, retry_after=1)
    use = await ann.uses("/video", channel=general, prompt="a kite")
    status = await use.shows("Task", 20)
    assert general.from_bot == [status]
    discord.faults.add("delete_webhook_message", kind, retry_after=1)
    gateway.render_seconds = 0.1
    video = await general.shows_video()
    await general.until(lambda channel: channel.from_bot == [video], 20)
    await _quiet(discord)
    assert list(general.history.values()) == [status, video]


@pytest.mark.parametrize("kind", [*DONE, "503", "dropped-before", "429", "429-cloudflare"])
@pytest.mark.usefixtures("reelay")
async def test_a_refusal_that_is_lost_is_never_heard(
    discord: Discord, ann: Person, general: Channel, kind: FaultKind
) -> None:
    """It is said in private, once more and marked if need be; nothing stands there for all."""
    discord.faults.add("execute_webhook", kind, retry_after=1)
    use = await ann.uses("/video", channel=general, prompt="a kite", duration=7)
    await general.until(lambda _: use.original and use.original.deleted, 20)
    await _quiet(discord)
    assert general.from_bot == []
    told = [one.text for one in use.messages if one.ephemeral]
    assert len(told) == (2 if kind in DONE else 1)
    assert [one for one in told if one.startswith("(repeated)")] == (
        told[-1:] if kind in {*DONE, "503", "dropped-before"} else []
    )


# --- too much ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["429", "429-global", "429-shared"])
@pytest.mark.usefixtures("reelay")
async def test_a_wait_that_discord_asks_for_is_not_kept(
    discord: Discord, clock: JumpingClock, ann: Person, general: Channel, kind: FaultKind
) -> None:
    """The result comes as soon as it may, once, and as if nothing had been."""
    discord.faults.add("execute_webhook", kind, retry_after=1.5)
    await ann.uses("/video", channel=general, prompt="a kite")
    await discord.until(lambda: discord.faults.suffered)
    told = clock.now()
    video = await general.shows_video()
    assert 1.4 < video.time - told < 10
    assert MARK not in video.text
    await general.until(lambda channel: channel.from_bot == [video])
    assert len(discord.called("execute_webhook")) == 2


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.usefixtures("reelay")
async def test_a_ban_by_what_stands_before_discord_is_fatal(
    discord: Discord,
    gateway: Gateway,
    clock: JumpingClock,
    ann: Person,
    general: Channel,
    own: bool,
) -> None:
    """The result waits and comes once, by the token or by the bot's own right."""
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
    assert len(discord.called(operation)) == 3
