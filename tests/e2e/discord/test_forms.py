"""Forms and the menus of messages: an image or a video there becomes another video."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord, ImageFile
from tests.fakes.discord.messages import Message
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.support import sample_images

OF_PICTURE = "Make a video of this picture"
OF_VIDEO = "Remix this video"
NO_PICTURE = "There is no picture in that message. I take JPEG, PNG, WebP, HEIC, GIF and AVIF."
NO_VIDEO = "That is no video of mine. Use this on a message with one of your videos."
NOT_YOURS = "This belongs to somebody else. Ask for a video of your own with /video."
TALL = sample_images.encode_image(sample_images.color_card(720, 1280), "PNG")
WIDE = sample_images.encode_image(sample_images.color_card(1280, 720), "JPEG")


@pytest.fixture
def general(discord: FakeDiscord, ann: FakeUser, bob: FakeUser) -> Channel:
    """The channel."""
    return discord.guild("Kites", [bob, ann]).text("general")


async def _video(ann: FakeUser, channel: Channel, **options: object) -> Message:
    await ann.uses("/video", channel=channel, options={"prompt": "a red kite", **options})
    return await channel.shows_video()


def _size(picture: bytes | None) -> tuple[int, int]:
    assert picture is not None
    with Image.open(BytesIO(picture)) as seen:
        return seen.size


# --- a picture that stands there ---------------------------------------------------------


@pytest.mark.parametrize("where", ["guild", "thread", "direct messages"])
async def test_video_begins_with_the_first_image_of_the_message(
    run_with_gateway: RunBot,
    ann: FakeUser,
    bob: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
    where: str,
) -> None:
    """The first image of any user's message, with the prompt of the form."""
    place = {"guild": general, "thread": general.thread("Ideas"), "direct messages": ann.dm}[where]
    by = ann if place is ann.dm else bob
    files = [
        ImageFile(b"words", "words.txt"),
        ImageFile(TALL, "tall.png"),
        ImageFile(WIDE, "wide.jpg"),
    ]
    shown = await by.says("look", channel=place, files=files)
    async with run_with_gateway():
        form = await (await ann.uses_menu(OF_PICTURE, shown)).modal
        assert form.title == "A video of this picture"
        sent = await ann.submits(form, prompt="the clouds move")
        answer = await sent.answer
        assert (answer.kind, answer.ephemeral) == ("thinking", False)
        video = await place.shows_video()
        assert video.pings == [ann]
        await place.until(lambda channel: channel.from_bot == [video])
    (job,) = gateway.jobs.values()
    assert (job.body["prompt"], job.body["size"]) == ("the clouds move", "720x1280")
    assert _size(job.picture) == (720, 1280)


@pytest.mark.parametrize("kind", ["words", "a text", "a film"])
async def test_message_without_image_is_refused_in_private(
    run_with_gateway: RunBot, ann: FakeUser, bob: FakeUser, general: Channel, kind: str
) -> None:
    """The user is told at once, before a form opens."""
    files = {
        "words": [],
        "a text": [ImageFile(b"x", "a.txt")],
        "a film": [ImageFile(b"x", "a.mp4")],
    }
    shown = await bob.says("look", channel=general, files=files[kind])
    async with run_with_gateway():
        answer = await (await ann.uses_menu(OF_PICTURE, shown)).answer
        assert (answer.kind, answer.ephemeral, answer.text) == ("message", True, NO_PICTURE)


async def test_deleted_image_is_reported_without_charge(
    run_with_gateway: RunBot,
    ann: FakeUser,
    bob: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
) -> None:
    """The message was deleted before the form was sent."""
    shown = await bob.says("look", channel=general, files=[ImageFile(TALL, "tall.png")])
    async with run_with_gateway():
        form = await (await ann.uses_menu(OF_PICTURE, shown)).modal
        await bob.deletes(shown)
        sent = await ann.submits(form, prompt="the clouds move")
        told = await sent.shows("Discord no longer has that picture. Please attach it again.")
        assert told.only_for is ann
        await general.until(lambda channel: channel.from_bot == [])
        await (await ann.uses("/quota", channel=general)).shows("You can spend 60 credits")
    assert not gateway.creates


async def test_each_form_keeps_its_own_image(
    run_with_gateway: RunBot,
    ann: FakeUser,
    bob: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
) -> None:
    """In whatever order the forms are sent."""
    tall = await bob.says("tall", channel=general, files=[ImageFile(TALL, "tall.png")])
    wide = await bob.says("wide", channel=general, files=[ImageFile(WIDE, "wide.jpg")])
    async with run_with_gateway():
        forms = [await (await ann.uses_menu(OF_PICTURE, message)).modal for message in (tall, wide)]
        await ann.submits(forms[1], prompt="wide")
        await ann.submits(forms[0], prompt="tall")
        await general.shows_video(times=2)
    sizes = {job.body["prompt"]: _size(job.picture) for job in gateway.jobs.values()}
    assert sizes == {"tall": (720, 1280), "wide": (1280, 720)}


# --- a video that stands there -----------------------------------------------------------


async def test_change_it_remixes_the_video(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, gateway: FakeOpenAIGateway
) -> None:
    """By its button and by the menu of its message, where it was made."""
    async with run_with_gateway():
        video = await _video(ann, general, duration=8)
        button = await (await ann.presses(video, "Change it")).modal
        menu = await (await ann.uses_menu(OF_VIDEO, video)).modal
        for number, form in enumerate((button, menu), 2):
            assert form.title == "Change this video"
            assert [(field.label, field.value) for field in form.fields] == [
                ("What should be different?", "")
            ]
            await ann.submits(form, prompt=f"at night {number}")
            changed = await general.shows_video(times=number)
            assert f"at night {number}" in changed.text
    first, *others = gateway.jobs.values()
    assert [job.remix_of for job in others] == [first.id, first.id]
    assert {job.body["seconds"] for job in others} == {"8"}


async def test_menu_on_other_messages_is_refused_in_private(
    run_with_gateway: RunBot, ann: FakeUser, bob: FakeUser, general: Channel
) -> None:
    """Users' messages, others' videos, statuses and final messages."""
    async with run_with_gateway():
        video = await _video(ann, general)
        await ann.uses("/video", channel=general, prompt="a blue boat !stuck")
        status = await general.shows("being made")
        await ann.uses("/video", channel=general, prompt="a green hill !failed")
        word = await general.shows("made no video")
        said = await ann.says("look", channel=general)
        for message, text in ((said, NO_VIDEO), (status, NO_VIDEO), (word, NO_VIDEO)):
            answer = await (await ann.uses_menu(OF_VIDEO, message)).answer
            assert (answer.kind, answer.ephemeral, answer.text) == ("message", True, text)
        answer = await (await bob.uses_menu(OF_VIDEO, video)).answer
        assert (answer.kind, answer.ephemeral, answer.text) == ("message", True, NOT_YOURS)


# --- Again -------------------------------------------------------------------------------


async def test_again_keeps_all_other_options(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, gateway: FakeOpenAIGateway
) -> None:
    """Again with another prompt keeps image, length and size; sent unchanged, all of it."""
    async with run_with_gateway():
        video = await _video(ann, general, duration=8, image=ImageFile(TALL, "tall.png"))
        form = await (await ann.presses(video, "Again")).modal
        assert form.title == "Once more"
        assert [field.value for field in form.fields] == ["a red kite"]
        await ann.submits(form, prompt="a blue kite")
        second = await general.shows_video(times=2)
        form = await (await ann.presses(second, "Again")).modal
        assert [field.value for field in form.fields] == ["a blue kite"]
        await ann.submits(form)
        await general.shows_video(times=3)
    jobs = list(gateway.jobs.values())
    assert [job.body["prompt"] for job in jobs] == ["a red kite", "a blue kite", "a blue kite"]
    assert {(job.body["seconds"], job.body["size"]) for job in jobs} == {("8", "720x1280")}
    assert [_size(job.picture) for job in jobs] == [(720, 1280)] * 3


async def test_again_of_a_remix_remixes_the_same_video(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, gateway: FakeOpenAIGateway
) -> None:
    """With another prompt or the same."""
    async with run_with_gateway():
        video = await _video(ann, general)
        form = await (await ann.presses(video, "Change it")).modal
        await ann.submits(form, prompt="at night")
        changed = await general.shows_video(times=2)
        form = await (await ann.presses(changed, "Again")).modal
        assert [field.value for field in form.fields] == ["at night"]
        await ann.submits(form, prompt="at noon")
        await general.shows_video(times=3)
    first, *others = gateway.jobs.values()
    assert [(job.body["prompt"], job.remix_of) for job in others] == [
        ("at night", first.id),
        ("at noon", first.id),
    ]


@pytest.mark.parametrize("prompt", [" ", "\n\n", "\u3000"])
async def test_blank_form_is_refused_without_charge(
    run_with_gateway: RunBot,
    ann: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
    prompt: str,
) -> None:
    """Blanks are no prompt: the user is told in private."""
    async with run_with_gateway():
        video = await _video(ann, general)
        for label in ("Again", "Change it"):
            form = await (await ann.presses(video, label)).modal
            sent = await ann.submits(form, prompt=prompt)
            told = await sent.shows("What should the video show?")
            assert told.only_for is ann
            await general.until(lambda channel: channel.from_bot == [video])
    assert gateway.creates == {"a red kite": 1}
