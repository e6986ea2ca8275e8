"""End to end: each kind of gateway behind Discord, with text and images, in every place.

The combinations are distributed over the kinds, so that each place gets text and an image, and each
kind makes a video of both.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.frontends.discord import Discord as FrontEnd
from bot.media.probe import probe
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord, ImageFile
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.messages import Account, Message
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.kinds import (
    JIMMY,
    JXINCM,
    MOUNTSEA,
    OPENAI,
    RELAY147,
    ZENLAYER,
    GatewayKind,
    prompts_with_image,
)
from tests.support import sample_images
from tests.support.bot_in_process import running_bot, settings

BEFORE = {
    "direct": "── Ann (direct messages)",
    "channel": "── Kites / general (text)",
    "thread": "── Kites / general / Clips (thread)",
    "post": "── Kites / videos / My post (post)\nAnn\n  My post",
    "group": "── Ann, Ben (group)",
    "strangers": "── Strangers / general (text)",
}
"""Content of each place before anybody requests a video."""
LENT = ("group", "strangers")
"""Places in which the app is installed for Ann's account only."""


@dataclass(frozen=True)
class Case:
    """One kind of gateway, and the requests per place."""

    kind: GatewayKind
    asked: tuple[str, ...]
    """Place -> options of `/video` there."""


CASES = [
    Case(OPENAI, ("direct: words", "direct: picture", "channel: words")),
    Case(RELAY147, ("channel: picture", "thread: words", "strangers: picture")),
    Case(JXINCM, ("thread: picture", "post: words")),
    Case(ZENLAYER, ("post: picture", "group: words", "channel: words")),
    Case(JIMMY, ("group: picture", "strangers: words", "channel: picture")),
    Case(MOUNTSEA, ("strangers: picture", "direct: words")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind.name)
async def test_every_place_shows_the_requested_video(case: Case, tmp_path: Path) -> None:
    """In each place only the video remains, playable; one create each; no rule is violated."""
    photo = ImageFile(sample_images.photo(tmp_path / "photo.jpg", 1280, 720), "photo.jpg")
    async with FakeDiscord() as discord, case.kind.fake() as gateway:
        own = settings(tmp_path, **environ(case.kind, discord, gateway.url))
        async with running_bot(own, [FrontEnd(own)]):
            asked = [await _asked(discord, what, photo) for what in case.asked]
            films = [await _answered(use) for use in asked]
        for what, use, film in zip(case.asked, asked, films, strict=True):
            await _check_film(case.kind, use, film)
            assert _stable(discord, use.channel) == _expected(case.kind, what, use.by)
        assert _stood_elsewhere(discord, asked) == []
    assert discord.violations == []
    assert discord.invalid == []
    assert gateway.violations == []
    assert gateway.creates == Counter(case.asked)
    assert prompts_with_image(gateway) == {what for what in case.asked if what.endswith("picture")}


def test_every_combination_is_tested() -> None:
    """Each place has text and an image; each kind has both."""
    every = {f"{place}: {what}" for place in BEFORE for what in ("words", "picture")}
    assert {one for case in CASES for one in case.asked} == every
    for case in CASES:
        assert {one.split()[1] for one in case.asked} == {"words", "picture"}


def environ(kind: GatewayKind, discord: FakeDiscord, gateway: str) -> dict[str, str]:
    """The settings of the operator."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        port = it.getsockname()[1]
    return {
        "DISCORD_BOT_TOKEN": discord.token,
        "DISCORD_API_URL": discord.url,
        "HTTP_PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DAILY_CREDITS": "1000",
        **kind.environ(gateway),
    }


# --- actions and observations of the user ------------------------------------------------


async def _asked(discord: FakeDiscord, what: str, photo: ImageFile) -> Interaction:
    """Request a video there; the name of the input is also the prompt."""
    place, _, way = what.partition(": ")
    ann, ben = discord.user("Ann"), discord.user("Ben")
    options = {"image": photo} if way == "picture" else {}
    channel = _place(discord, place, ann, ben)
    return await ann.uses("/video", channel=channel, prompt=what, options=options)


def _place(discord: FakeDiscord, kind: str, ann: FakeUser, ben: FakeUser) -> Channel:
    if kind in LENT:
        ann.installs()
    match kind:
        case "channel":
            return discord.guild("Kites", [ben, ann]).text("general")
        case "thread":
            return discord.guild("Kites", [ben, ann]).text("general").thread("Clips", by=ann)
        case "post":
            return discord.guild("Kites", [ben, ann]).forum("videos").thread("My post", by=ann)
        case "group":
            return discord.group([ann, ben])
        case "strangers":
            return discord.guild("Strangers", [ben, ann], bot=False).text("general")
    # Every member of a guild of the bot can message it.
    discord.guild("Kites", [ben, ann])
    return ann.dm


async def _answered(use: Interaction) -> Message:
    """Wait for the video, until its status message has been deleted."""
    film = await use.channel.shows_video()
    await use.channel.until(lambda channel: channel.from_bot == [film])
    return film


async def _check_film(kind: GatewayKind, use: Interaction, film: Message) -> None:
    assert film.pings == [use.by]
    assert not film.pings_everyone
    assert not film.ephemeral
    stored = film.video
    assert stored is not None
    assert stored.name == f"{_task(film)}.mp4"
    really = await probe(stored.path)
    assert (really.width, really.height) == (1280, 720)
    assert really.seconds == pytest.approx(kind.seconds, abs=0.3)
    assert really.video_codec == "h264"
    own = [one.kind for one in use.channel.log if one.by_bot]
    assert [one for one in own if one != "edited"] == ["sent", "sent", "deleted"]
    assert [one for one in use.channel.log if one.only_for is not None] == []


def _task(film: Message) -> str:
    return film.text.split()[-1]


def _stood_elsewhere(discord: FakeDiscord, asked: list[Interaction]) -> list[Message]:
    """Return messages of the bot in channels without a request."""
    return [
        message
        for channel in discord.world.channels.values()
        if channel not in {use.channel for use in asked}
        for message in channel.history.values()
        if message.sender is discord.bot
    ]


def _stable(discord: FakeDiscord, channel: Channel) -> str:
    (film,) = channel.from_bot
    return re.sub(rf"\b{_task(film)}\b", "TASK", discord.transcript(channel))


def _expected(kind: GatewayKind, what: str, ann: Account) -> str:
    """Return the expected content of the place."""
    place, _, _ = what.partition(": ")
    buttons = ["Again", "Change it", "Delete"] if kind.remixes else ["Again", "Delete"]
    return (
        f"{BEFORE[place]}\n"
        f"Reelay (pings {ann.name})\n"
        f"  ⟨video TASK.mp4⟩\n"
        f"  @{ann.name}\n"
        f"  │ {what}\n"
        f"  │ — {kind.model}, {kind.seconds} s · TASK\n"
        f"  {' '.join(f'[{one}]' for one in buttons)}\n"
    )
