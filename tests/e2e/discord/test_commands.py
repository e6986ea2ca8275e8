"""Commands: who sees the answer, what is refused in which words, and what counts as a picture."""

from __future__ import annotations

from asyncio import to_thread
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.commands.parser import COMMANDS
from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord, ImageFile
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.support import sample_images
from tests.support.sample_videos import sample_video

NO_TASK = "You have no task abcdefgh. /tasks shows yours."
FREE = 60


@pytest.fixture
def general(discord: FakeDiscord, ann: FakeUser) -> Channel:
    """The channel of her request."""
    return discord.guild("Kites", [discord.user("Bob"), ann]).text("general")


async def _is_told(ann: FakeUser, general: Channel, text: str, line: str, **options: Any) -> None:
    """A command brings these words, for Ann alone, and leaves nothing else."""
    use = await ann.uses(line, channel=general, options=options)
    told = await use.shows(text)
    assert told.text == text
    assert told.only_for is ann
    await general.until(lambda channel: channel.from_bot == [])


# --- who sees the answer -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "options", "words"),
    [
        ("/start", {}, "/video a red kite over the sea"),
        ("/help", {}, "/forgetme - delete what is kept about you"),
        ("/quota", {}, "You can spend 60 credits"),
        ("/models", {}, "sora-2 - Sora 2: 4, 8, 12, 16, 20 s"),
        ("/tasks", {}, "You have no tasks yet."),
        ("/settings", {}, "Your settings: model not set"),
        ("/settings", {"duration": 8, "orientation": "portrait"}, "portrait, duration 8,"),
        ("/settings", {"clear": "duration"}, "duration not set"),
        ("/language", {}, "Your language is en."),
        ("/language", {"code": "简体中文"}, "从现在起我会用中文回复您。"),
        ("/privacy", {}, "What is kept: your prompts for 90 days"),
        ("/forgetme", {}, "This deletes your prompts"),
        ("/cancel", {"task": "abcdefgh"}, NO_TASK),
        ("/fetch", {"task": "abcdefgh"}, NO_TASK),
    ],
)
async def test_personal_answers_are_private(
    run_with_gateway: RunBot,
    ann: FakeUser,
    general: Channel,
    line: str,
    options: dict[str, Any],
    words: str,
) -> None:
    """They are private from the acknowledgement on."""
    async with run_with_gateway():
        use = await ann.uses(line, channel=general, options=options)
        answer = await use.answer
        assert (answer.kind, answer.ephemeral) == ("thinking", True)
        told = await use.shows(words)
        assert told is answer.message
        assert told.only_for is ann
    assert not [event for event in general.log if event.by_bot and event.only_for is not ann]


async def test_video_commands_are_acknowledged_in_public(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, gateway: FakeOpenAIGateway
) -> None:
    """/video, /remix and /retry lead to a video for all to see."""
    async with run_with_gateway():
        use = await ann.uses("/video", channel=general, prompt="a red kite", duration=8)
        video = await general.shows_video()
        task = video.text.split()[-1]
        remix = await ann.uses("/remix", channel=general, task=task, prompt="at night")
        await general.shows_video(times=2)
        retry = await ann.uses("/retry", channel=general, task=task.upper())
        await general.shows_video(times=3)
        for interaction in (use, remix, retry):
            answer = await interaction.answer
            assert (answer.kind, answer.ephemeral) == ("thinking", False)
        await general.until(lambda channel: len(channel.from_bot) == 3)
    assert gateway.creates == {"a red kite": 2, "at night": 1}
    assert [job.body["seconds"] for job in gateway.jobs.values()] == ["8"] * 3


async def test_synced_commands_equal_the_help(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel
) -> None:
    """Every command of the texts exists in every channel; admin commands are hidden."""
    ann.installs()
    async with run_with_gateway():
        await ann.uses("/help", channel=general)
        told = await ann.sees("What I can do")
    known = {word.name for word in COMMANDS}
    for place in (general, ann.dm):
        offered = set(ann.offered(place))
        assert known <= offered
    assert "admin" not in ann.offered(general)
    assert [name for name in known if f"/{name} - " not in told.text] == []


# --- refusals ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"duration": 5}, "sora-2 makes no videos of 5 s. Allowed: 4, 8, 12, 16, 20 s."),
        (
            {"size": "640x480"},
            'sora-2 has no size "640x480". Allowed: 1280x720, 720x1280.',
        ),
        (
            {"size": "720x1280", "orientation": "landscape"},
            "The size 720x1280 is portrait, not landscape. Leave the size or the orientation out.",
        ),
        ({"style": "anime"}, "sora-2 has no styles. Leave the style out."),
        ({"private": True}, "sora-2 has no private videos. Leave that option out."),
        ({"storyboard": True}, "sora-2 knows no storyboards. Leave that option out."),
        (
            {"watermark": False},
            "sora-2 gives no choice about the watermark. Leave that option out.",
        ),
        (
            {"fit": "cut to fill"},
            "\\--fit crop says how a picture is fitted, and there is none. Add a picture, "
            "or leave it out.",
        ),
    ],
)
async def test_refused_video_is_private_and_free(
    run_with_gateway: RunBot,
    ann: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
    options: dict[str, Any],
    text: str,
) -> None:
    """Only the user sees the refusal, and it costs nothing."""
    async with run_with_gateway():
        await _is_told(ann, general, text, "/video", prompt="a red kite", **options)
        await ann.uses("/quota", channel=general)
        await ann.sees(f"You can spend {FREE} credits")
    assert not gateway.creates


@pytest.mark.parametrize("line", ["/cancel", "/fetch", "/retry", "/remix"])
async def test_task_of_another_user_looks_unknown(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, general: Channel, line: str
) -> None:
    """The text is the same, so that nothing is learned by guessing."""
    ben = discord.user("Ben")
    discord.guild("Other", [ben])
    more = {"prompt": "at night"} if line == "/remix" else {}
    async with run_with_gateway():
        await _is_told(ann, general, NO_TASK, line, task="abcdefgh", **more)
        await ben.uses("/video", prompt="a blue boat")
        his = (await ben.dm.shows_video()).text.split()[-1]
        text = NO_TASK.replace("abcdefgh", his)
        await _is_told(ann, general, text, line, task=his, **more)


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": ""},
        {"prompt": "k" * 4001},
        {"prompt": "a kite", "duration": 0},
        {"prompt": "a kite", "duration": 3601},
        {"prompt": "a kite", "duration": "8"},
        {"prompt": "a kite", "orientation": "round"},
        {"prompt": "a kite", "fit": "stretch"},
        {"prompt": "a kite", "model": ""},
        {"prompt": "a kite", "size": "x" * 101},
        {"duration": 8},
    ],
)
async def test_out_of_range_options_never_leave_the_app(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, options: dict[str, Any]
) -> None:
    """Discord's own limits refuse them."""
    async with run_with_gateway():
        await general.until(lambda _: ann.offered(general))
        with pytest.raises(AssertionError):
            await ann.uses("/video", channel=general, options=options)


# --- pictures ----------------------------------------------------------------------------


def _cut_off() -> bytes:
    whole = sample_images.encode_image(sample_images.color_card(640, 480), "PNG")
    return whole[: len(whole) // 2]


NOT_PICTURES = {
    "empty": (b"", "The picture is empty (0 bytes)."),
    "text": (b"a kite\n" * 20, "is not a picture; it looks like text."),
    "page": (b"<!DOCTYPE html><html><body>kite</body></html>", "it looks like a web page."),
    "pdf": (b"%PDF-1.7\n" + b"x" * 200, "it looks like a PDF."),
    "archive": (b"PK\x03\x04" + b"\0" * 200, "it looks like an archive."),
    "film": (b"", "it looks like a video."),
    "half": (_cut_off(), "The picture is damaged or cut off and cannot be read."),
    "tiny": (
        sample_images.encode_image(Image.new("RGB", (3, 3)), "PNG"),
        "The picture is too small to be used: 3 x 3 pixels; at least",
    ),
}


@pytest.mark.parametrize("kind", NOT_PICTURES)
async def test_file_that_is_no_image_is_refused_without_charge(
    run_with_gateway: RunBot,
    ann: FakeUser,
    general: Channel,
    gateway: FakeOpenAIGateway,
    tmp_path: Path,
    kind: str,
) -> None:
    """The file's content counts, whatever Discord takes it for."""
    content, words = NOT_PICTURES[kind]
    if kind == "film":
        content = await to_thread(sample_video, 1, "96x160")
    async with run_with_gateway():
        picture = ImageFile(content, "kite.png")
        use = await ann.uses("/video", channel=general, prompt="a kite", image=picture)
        told = await use.shows(words)
        assert told.only_for is ann
        await general.until(lambda channel: channel.from_bot == [])
        await ann.uses("/quota", channel=general)
        await ann.sees(f"You can spend {FREE} credits")
    assert not gateway.creates
    kept = tmp_path / "data"
    assert [path for path in kept.rglob("*.*") if "pictur" in str(path) and path.is_file()] == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "HEIF", "AVIF"])
async def test_every_listed_image_format_is_accepted(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, gateway: FakeOpenAIGateway, kind: str
) -> None:
    """Each format of the texts arrives at the gateway, whatever the file's name."""
    content = sample_images.encode_image(sample_images.color_card(1280, 720), kind)
    async with run_with_gateway():
        picture = ImageFile(content, "kite", "application/octet-stream")
        await ann.uses("/video", channel=general, prompt="a kite", image=picture)
        await general.shows_video()
    (job,) = gateway.jobs.values()
    assert job.picture is not None
    with Image.open(BytesIO(job.picture)) as seen:
        assert seen.size == (1280, 720)
