"""Buttons: their person's alone, harmless when pressed twice, and good for months."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.presentation.i18n import translate
from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.messages import Message
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.support.discord_bot import running_bot
from tests.support.virtual_time import VirtualClock

DAY = 86400.0
STUCK = "a blue boat !stuck"


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """A gateway that finishes videos at once and can cancel."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=0.1, deletes_abort=True) as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def bob(discord: FakeDiscord) -> FakeUser:
    """Who looks on, and reads Chinese."""
    return discord.user("Bob", locale="zh-CN")


@pytest.fixture
def general(discord: FakeDiscord, ann: FakeUser, bob: FakeUser) -> Channel:
    """The channel."""
    return discord.guild("Kites", [bob, ann]).text("general")


async def _video(ann: FakeUser, channel: Channel, prompt: str = "a red kite") -> Message:
    """A finished video, when no status stands there any more."""
    await ann.uses("/video", channel=channel, prompt=prompt)

    def look(channel: Channel) -> Message | None:
        posted = [
            message for message in channel.from_bot if message.video and prompt in message.text
        ]
        quiet = all("Cancel" not in message.labels for message in channel.from_bot)
        return posted[-1] if posted and quiet else None

    found = await channel.until(look)
    assert found is not None
    return found


async def _running(ann: FakeUser, channel: Channel, prompt: str = STUCK) -> Message:
    """The status of a video that is not ready so soon."""
    await ann.uses("/video", channel=channel, prompt=prompt)
    return await channel.shows("being made")


def _id(video: Message) -> str:
    return video.text.split()[-1]


# --- whose they are ----------------------------------------------------------------------


async def test_buttons_of_another_user_are_refused_in_private(
    run_with_gateway: RunBot,
    ann: FakeUser,
    bob: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
) -> None:
    """Statuses, results and final messages belong to their user."""
    async with run_with_gateway(PROVIDERS__LOCAL__CANCEL="on"):
        video = await _video(ann, general)
        status = await _running(ann, general)
        await ann.uses("/video", channel=general, prompt="a green hill !failed")
        word = await general.shows("made no video")
        assert word.labels == ["Try again"]
        for message in (video, status, word):
            for label in message.labels:
                press = await bob.presses(message, label)
                told = await press.shows(translate("zh", "card-not-yours"))
                assert told.only_for is bob
        assert {video, status, word} == set(general.from_bot)
        await (await ann.presses(status, "Cancel")).shows("asked to stop")
    assert gateway.creates.total() == 3


async def test_form_of_another_user_is_refused(
    run_with_gateway: RunBot,
    ann: FakeUser,
    bob: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
) -> None:
    """Not even a form that was opened for another user makes a video at their cost."""
    async with run_with_gateway():
        video = await _video(ann, general)
        form = await (await ann.presses(video, "Again")).modal
        form.interaction.by = bob
        sent = await bob.submits(form, prompt="a blue boat")
        told = await sent.shows(translate("zh", "card-not-yours"))
        assert told.only_for is bob
        await general.until(lambda channel: channel.from_bot == [video])
    assert gateway.creates == {"a red kite": 1}


# --- twice -------------------------------------------------------------------------------


async def test_double_press_of_try_again_makes_one_video(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, gateway: FakeOpenAIGateway
) -> None:
    """Try again, pressed twice in a row, is one more video."""
    async with run_with_gateway():
        await ann.uses("/video", channel=general, prompt="a red kite !failed")
        word = await general.shows("made no video")
        for _ in range(3):
            await ann.presses(word, "Try again")
        await general.shows("made no video", times=2)
        await (await ann.uses("/tasks", channel=general)).shows("a red kite")
    tasks = next(message for message in reversed(ann.alone) if "Your newest tasks" in message.text)
    assert len(tasks.text.splitlines()) == 3
    assert gateway.creates == {"a red kite !failed": 2}


async def test_each_submitted_form_makes_its_video(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, gateway: FakeOpenAIGateway
) -> None:
    """Again, pressed twice, opens two forms; each one that is sent makes a video."""
    async with run_with_gateway():
        video = await _video(ann, general)
        forms = [await (await ann.presses(video, "Again")).modal for _ in range(2)]
        for form in forms:
            assert [field.value for field in form.fields] == ["a red kite"]
            await ann.submits(form)
        await general.shows_video(times=3)
    assert gateway.creates == {"a red kite": 3}


async def test_deleted_video_can_be_fetched_again(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel
) -> None:
    """Delete removes the message once; the video is kept, fetched, and deleted again."""
    async with run_with_gateway():
        video = await _video(ann, general)
        presses = [await ann.presses(video, "Delete") for _ in range(2)]
        told = await presses[0].shows("Deleted here.")
        assert f"/fetch {_id(video)}" in told.text
        assert told.only_for is ann
        await presses[1].shows("I cannot delete that message any more.")
        await general.until(lambda channel: channel.from_bot == [])
        await ann.uses("/fetch", channel=general, task=_id(video))
        again = await ann.sees_video()
        assert again.labels == video.labels
        await (await ann.presses(again, "Delete")).shows("Deleted here.")
        assert again.deleted
        await ann.uses("/fetch", channel=general, task=_id(video))
        await ann.sees_video()


# --- Cancel tells the truth --------------------------------------------------------------


async def test_cancel_promises_only_what_the_gateway_can_do(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, gateway: FakeOpenAIGateway
) -> None:
    """A queued task is cancelled at once; a running one only where the gateway can."""
    async with run_with_gateway(PROVIDERS__LOCAL__MAX_CONCURRENT="1"):
        gateway.render_seconds = 1e9
        status = await _running(ann, general, "a red kite")
        await ann.uses("/video", channel=general, prompt="a white cloud")
        waiting = await general.until(
            lambda channel: [
                message for message in channel.from_bot if message is not status and message.labels
            ]
        )
        press = await ann.presses(waiting[0], "Cancel")
        told = await press.shows("is cancelled. You got 4 credits back.")
        assert told.only_for is ann
        await general.until(lambda _: not waiting[0].labels)
        assert "is cancelled. You got 4 credits back." in waiting[0].text
        told = await (await ann.presses(status, "Cancel")).shows("cannot stop it")
        assert "It costs 4 credits, and you will get the video." in told.text
        assert status.labels == ["Cancel"]
        gateway.render_seconds = 0.1
        await general.shows_video()
        await (await ann.uses("/quota", channel=general)).shows("You can spend 56 credits")


async def test_second_cancel_refunds_nothing(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel
) -> None:
    """The second press is answered with the state; the credits come back once."""
    async with run_with_gateway(PROVIDERS__LOCAL__CANCEL="on"):
        status = await _running(ann, general)
        presses = [await ann.presses(status, "Cancel") for _ in range(2)]
        for press in presses:
            await general.until(lambda _, press=press: press.said)  # type: ignore[misc]
            (told,) = press.said
            assert "asked to stop" in told.text or "no longer under way: cancelled" in told.text
        await general.until(lambda _: not status.labels)
        assert "is cancelled. You got 4 credits back." in status.text
        await (await ann.uses("/quota", channel=general)).shows("You can spend 60 credits")


# --- after a restart, and months later ---------------------------------------------------


async def test_buttons_work_after_a_restart(
    discord: FakeDiscord,
    run_with_gateway: RunBot,
    ann: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
) -> None:
    """Cancel, Again, Change it, Try again and Delete all of an earlier process."""
    discord.gateway.identify_seconds = 0
    async with run_with_gateway():
        video = await _video(ann, general)
        await ann.uses("/video", channel=general, prompt="a green hill !failed")
        word = await general.shows("made no video")
        question = await (await ann.uses("/forgetme", channel=general)).shows("Your credits")
        status = await _running(ann, general)
    async with run_with_gateway(PROVIDERS__LOCAL__CANCEL="on"):
        await (await ann.presses(status, "Cancel")).shows("asked to stop")
        await general.until(lambda _: not status.labels)
        form = await (await ann.presses(video, "Again")).modal
        await ann.submits(form, prompt="a white cloud")
        await general.shows_video(times=2)
        form = await (await ann.presses(video, "Change it")).modal
        await ann.submits(form, prompt="at night")
        await general.shows_video(times=3)
        await ann.presses(word, "Try again")
        await general.shows("made no video", times=2)
        await (await ann.presses(video, "Delete")).shows("Deleted here.")
        await ann.presses(question, "Delete all")
        await general.until(lambda _: not question.labels)
        assert "what was kept of 6 tasks are deleted" in question.text
    assert gateway.creates["a white cloud"] == gateway.creates["at night"] == 1


async def test_forms_work_after_a_restart(
    discord: FakeDiscord,
    run_with_gateway: RunBot,
    ann: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
) -> None:
    """A form that was opened by an earlier process is accepted by this one."""
    discord.gateway.identify_seconds = 0
    async with run_with_gateway():
        video = await _video(ann, general)
        forms = [await (await ann.presses(video, label)).modal for label in ("Again", "Change it")]
    async with run_with_gateway():
        for number, form in enumerate(forms, 2):
            sent = await ann.submits(form, prompt=f"kite {number}")
            assert (await sent.answer).kind == "thinking"
            await general.shows_video(times=number)
        await general.until(lambda channel: len(channel.from_bot) == 3)
    assert gateway.creates == {"a red kite": 1, "kite 2": 1, "kite 3": 1}
    assert [bool(job.remix_of) for job in gateway.jobs.values()] == [False, False, True]


async def test_buttons_work_for_months(tmp_path: Path) -> None:
    """After two months all of them work; after four the prompt must be typed again."""
    clock = VirtualClock()
    async with (
        FakeDiscord(clock) as discord,
        FakeOpenAIGateway(cheap=True, render_seconds=5, now=clock.now) as gateway,
    ):
        discord.gateway.identify_seconds = 0
        ann = discord.user("Ann")
        general = discord.guild("Kites", [ann]).text("general")
        async with running_bot(clock, discord, gateway, tmp_path):
            video = await _video(ann, general)
            other = await _video(ann, general, "a blue boat")
        await clock.advance(60 * DAY)
        async with running_bot(clock, discord, gateway, tmp_path):
            form = await (await ann.presses(video, "Again")).modal
            assert form.fields[0].value == "a red kite"
            await ann.submits(form, prompt="a green hill")
            await general.shows_video(times=3)
            await (await ann.presses(video, "Delete")).shows("Deleted here.")
            gone = f"The video of {_id(video)} is no longer kept."
            await (await ann.uses("/fetch", channel=general, task=_id(video))).shows(gone)
        await clock.advance(60 * DAY)
        async with running_bot(clock, discord, gateway, tmp_path):
            await clock.sleep_until(clock.now() + 5)
            form = await (await ann.presses(other, "Again")).modal
            assert form.fields[0].value == ""
            await ann.submits(form, prompt="a white cloud")
            await general.until(lambda _: gateway.creates["a white cloud"])
            await (await ann.presses(other, "Delete")).shows("Deleted here.")
        assert discord.violations == []
        assert discord.late_responses == []


# --- buttons of nowhere ------------------------------------------------------------------


@pytest.mark.parametrize("sent", ["nobody-knows.delete", "nobody-knows.again", "{}.99", "{}.fly"])
async def test_unknown_button_is_answered_and_does_nothing(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, sent: str
) -> None:
    """An unknown callback id, or an action that its message does not have."""
    async with run_with_gateway():
        video = await _video(ann, general)
        (button,) = [
            component
            for component in video.components[0]["components"]
            if component["label"] == "Delete"
        ]
        token = button["custom_id"].partition(".")[0]
        button["custom_id"] = sent.format(token)
        press = await ann.presses(video, "Delete")
        answer = await press.answer
        if answer.modal is not None:
            press = await ann.submits(answer.modal, prompt="a blue boat")
        told = await press.shows(translate("en", "press-too-old"))
        assert told.only_for is ann
        await general.until(lambda channel: channel.from_bot == [video])
