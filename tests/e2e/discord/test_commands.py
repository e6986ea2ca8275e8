"""Commands: who sees the answer, what is refused in which words, and what counts as a picture."""

from __future__ import annotations

from asyncio import to_thread
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.commands.parser import COMMANDS
from tests.e2e.discord.conftest import Running
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import Discord, Picture
from tests.fakes.discord.users import Person
from tests.fakes.gateways.openai import Gateway
from tests.support import sample_images
from tests.support.sample_videos import film

NO_TASK = "You have no task abcdefgh. /tasks shows yours."
FREE = 60


@pytest.fixture
def general(discord: Discord, ann: Person) -> Channel:
    """Where she asks."""
    return discord.guild("Kites", [discord.person("Bob"), ann]).text("general")


async def _is_told(ann: Person, general: Channel, text: str, line: str, **options: Any) -> None:
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
async def test_everybody_reads_what_is_ones_own_business(
    quick: Running, ann: Person, general: Channel, line: str, options: dict[str, Any], words: str
) -> None:
    """These are answered in private, from the first moment on."""
    async with quick():
        use = await ann.uses(line, channel=general, options=options)
        answer = await use.answer
        assert (answer.kind, answer.ephemeral) == ("thinking", True)
        told = await use.shows(words)
        assert told is answer.message
        assert told.only_for is ann
    assert not [event for event in general.log if event.by_bot and event.only_for is not ann]


async def test_a_video_is_announced_to_its_person_alone(
    quick: Running, ann: Person, general: Channel, gateway: Gateway
) -> None:
    """What brings a video is acknowledged for all to see: /video, /remix, /retry."""
    async with quick():
        use = await ann.uses("/video", channel=general, prompt="a red kite", duration=8)
        video = await general.shows_video()
        task = video.text.split()[-1]
        remix = await ann.uses("/remix", channel=general, task=task, prompt="at night")
        await general.shows_video(times=2)
        retry = await ann.uses("/retry", channel=general, task=task.upper())
        await general.shows_video(times=3)
        for one in (use, remix, retry):
            answer = await one.answer
            assert (answer.kind, answer.ephemeral) == ("thinking", False)
        await general.until(lambda channel: len(channel.from_bot) == 3)
    assert gateway.creates == {"a red kite": 2, "at night": 1}
    assert [job.body["seconds"] for job in gateway.jobs.values()] == ["8"] * 3


async def test_discord_offers_other_commands_than_help_tells_of(
    quick: Running, ann: Person, general: Channel
) -> None:
    """Every command of the texts is there, everywhere; admins' are hidden."""
    ann.installs()
    async with quick():
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
async def test_a_refused_video_is_made_or_shown_to_all(
    quick: Running,
    ann: Person,
    general: Channel,
    gateway: Gateway,
    options: dict[str, Any],
    text: str,
) -> None:
    """What cannot be made is told its person alone, and costs nothing."""
    async with quick():
        await _is_told(ann, general, text, "/video", prompt="a red kite", **options)
        await ann.uses("/quota", channel=general)
        await ann.sees(f"You can spend {FREE} credits")
    assert not gateway.creates


@pytest.mark.parametrize("line", ["/cancel", "/fetch", "/retry", "/remix"])
async def test_a_task_of_nobody_is_somebodys(
    discord: Discord, quick: Running, ann: Person, general: Channel, line: str
) -> None:
    """No such task, and somebody else's: the same words, so that nothing is learned by guessing."""
    ben = discord.person("Ben")
    discord.guild("Other", [ben])
    more = {"prompt": "at night"} if line == "/remix" else {}
    async with quick():
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
async def test_discord_lets_nonsense_through(
    quick: Running, ann: Person, general: Channel, options: dict[str, Any]
) -> None:
    """What is out of range never leaves a person's app."""
    async with quick():
        await general.until(lambda _: ann.offered(general))
        with pytest.raises(AssertionError):
            await ann.uses("/video", channel=general, options=options)


# --- pictures ----------------------------------------------------------------------------


def _cut_off() -> bytes:
    whole = sample_images.encoded(sample_images.quarters(640, 480), "PNG")
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
        sample_images.encoded(Image.new("RGB", (3, 3)), "PNG"),
        "The picture is too small to be used: 3 x 3 pixels; at least",
    ),
}


@pytest.mark.parametrize("kind", NOT_PICTURES)
async def test_something_that_is_no_picture_begins_a_video(
    quick: Running, ann: Person, general: Channel, gateway: Gateway, tmp_path: Path, kind: str
) -> None:
    """Whatever Discord takes it for, the file itself tells what it is; nothing is charged."""
    content, words = NOT_PICTURES[kind]
    if kind == "film":
        content = await to_thread(film, 1, "96x160")
    async with quick():
        picture = Picture(content, "kite.png")
        use = await ann.uses("/video", channel=general, prompt="a kite", image=picture)
        told = await use.shows(words)
        assert told.only_for is ann
        await general.until(lambda channel: channel.from_bot == [])
        await ann.uses("/quota", channel=general)
        await ann.sees(f"You can spend {FREE} credits")
    assert not gateway.creates
    kept = tmp_path / "data"
    assert [one for one in kept.rglob("*.*") if "pictur" in str(one) and one.is_file()] == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "HEIF", "AVIF"])
async def test_a_kind_of_picture_is_not_taken(
    quick: Running, ann: Person, general: Channel, gateway: Gateway, kind: str
) -> None:
    """Each kind that the texts name arrives at the gateway as it is to begin, whatever its name."""
    content = sample_images.encoded(sample_images.quarters(1280, 720), kind)
    async with quick():
        picture = Picture(content, "kite", "application/octet-stream")
        await ann.uses("/video", channel=general, prompt="a kite", image=picture)
        await general.shows_video()
    (job,) = gateway.jobs.values()
    assert job.picture is not None
    with Image.open(BytesIO(job.picture)) as seen:
        assert seen.size == (1280, 720)
