"""End to end: each kind of gateway behind Telegram, with text and photos, in every kind of chat.

The combinations are distributed over the kinds, so that each place gets text and a photo, by
polling and by webhook, and each kind both.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.frontends.telegram import Telegram as FrontEnd
from bot.media.probe import probe
from tests.e2e.telegram.conftest import FAST_RATE_LIMITS
from tests.fakes.gateways.kinds import (
    JIMMY,
    JXINCM,
    MOUNTSEA,
    OPENAI,
    RELAY147,
    ZENLAYER,
    GatewayKind,
)
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.support import sample_images
from tests.support.bot_in_process import running_bot, settings

POST = "the kite festival begins on Sunday"


@dataclass(frozen=True)
class Case:
    """One kind of gateway, how the bot receives updates, and the requests per chat."""

    kind: GatewayKind
    webhook: bool
    asked: tuple[str, ...]
    """Place -> message sent there."""


CASES = [
    Case(
        OPENAI,
        webhook=False,
        asked=("private: words", "private: photo", "group: words"),
    ),
    Case(
        RELAY147,
        webhook=False,
        asked=("group: photo", "topic: words", "topic: photo"),
    ),
    Case(
        JXINCM,
        webhook=False,
        asked=("discussion: words", "discussion: photo"),
    ),
    Case(
        ZENLAYER,
        webhook=True,
        asked=("private: words", "group: photo", "discussion: words"),
    ),
    Case(
        JIMMY,
        webhook=True,
        asked=("private: photo", "topic: words", "discussion: photo"),
    ),
    Case(
        MOUNTSEA,
        webhook=True,
        asked=("group: words", "topic: photo"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind.name)
async def test_every_chat_shows_the_requested_video(case: Case, tmp_path: Path) -> None:
    """Below each request only the video remains, playable; one create each; no rule violated."""
    photo = sample_images.photo(tmp_path / "photo.jpg", 1280, 720)
    async with FakeTelegram() as telegram, case.kind.fake() as gateway:
        own = settings(tmp_path, **environ(case, telegram.url, gateway.url))
        async with running_bot(own, [FrontEnd(own, rules=FAST_RATE_LIMITS)]):
            if case.webhook:
                await telegram.until(lambda: telegram.world.updates.webhook)
            asked = [await _asked(telegram, what, photo) for what in case.asked]
            films = [await _answered(request) for request in asked]
        for request, film in zip(asked, films, strict=True):
            await _check_film(case.kind, request, film)
            assert _stable(telegram, request.chat) == _expected(case.kind, request)
        by_webhook = set(telegram.world.updates.webhook_answers)
    assert by_webhook == ({200} if case.webhook else set())
    assert telegram.violations == []
    assert gateway.violations == []
    assert gateway.creates == Counter(case.asked)


def test_every_combination_is_tested() -> None:
    """Each place has text and a photo, by polling and by webhook; each kind has both."""
    places = ("private", "group", "topic", "discussion")
    every = {f"{place}: {what}" for place in places for what in ("words", "photo")}
    for webhook in (False, True):
        assert {one for case in CASES if case.webhook is webhook for one in case.asked} == every
    for case in CASES:
        assert {one.split()[1] for one in case.asked} == {"words", "photo"}


def environ(case: Case, telegram: str, gateway: str) -> dict[str, str]:
    """The settings of the operator."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        port = it.getsockname()[1]
    return {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": telegram,
        "TELEGRAM_UPLOAD_MB": "50",
        "TELEGRAM_WEBHOOK_SECRET": "a-secret-of-ours" if case.webhook else "",
        "HTTP_PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DAILY_CREDITS": "1000",
        **case.kind.environ(gateway),
    }


# --- actions and observations of the user ------------------------------------------------


async def _asked(telegram: FakeTelegram, what: str, photo: Path) -> Message:
    """Request a video there; the name of the input is also the prompt."""
    place, _, way = what.partition(": ")
    ann = telegram.user("Ann", started=place == "private")
    ben = telegram.user("Ben")
    where: dict[str, Any] = {}
    match place:
        case "group":
            where = {"chat": telegram.group("Friends", [ben, ann])}
        case "topic":
            forum = telegram.supergroup("Club", [ben, ann], forum=True)
            where = {"topic": await forum.topic("Clips")}
        case "discussion":
            talk = telegram.supergroup("Talk", [ben, ann])
            channel = telegram.channel("News", ben, discussion=talk)
            where = {"reply_to": await ben.posts(channel, POST)}
    line = f"/video {what}"
    if way == "photo":
        return await ann.sends_photo(photo, line, **where)
    return await ann.says(line, **where)


async def _answered(request: Message) -> Message:
    """Wait for the video, until its status message has been deleted."""
    film = await request.chat.shows_video()
    await request.chat.until(lambda chat: chat.from_bot == [film])
    return film


async def _check_film(kind: GatewayKind, request: Message, film: Message) -> None:
    assert film.reply_to is request
    assert film.topic is request.topic
    stored = film.video
    assert stored is not None
    assert stored.streaming
    assert stored.thumbnail is not None
    assert (stored.width, stored.height, stored.seconds) == (1280, 720, kind.seconds)
    really = await probe(stored.path)
    assert (really.width, really.height) == (1280, 720)
    assert really.seconds == pytest.approx(kind.seconds, abs=0.3)
    assert really.video_codec == "h264"
    own = [one.kind for one in request.chat.log if one.by_bot]
    assert [one for one in own if one not in {"edited", "action"}] == ["sent", "sent", "deleted"]


def _stable(telegram: FakeTelegram, chat: Chat) -> str:
    return re.sub(r"· [2-9a-z]{8}$", "· TASK", telegram.transcript(chat), flags=re.MULTILINE)


def _expected(kind: GatewayKind, request: Message) -> str:
    """Check all messages of the chat."""
    place, what = request.text.removeprefix("/video ").split(": ")
    named = f"{place}: {what}"
    before, topic, reply, head = "", "", "", "── Ann (private)"
    match place:
        case "group":
            head = "── Friends (group)"
        case "topic":
            head = "── Club (supergroup, forum)"
            topic = " · Clips"
            before = f"Ben{topic}\n  (forum topic created)\n"
        case "discussion":
            head = "── Talk (supergroup)"
            before = f"News\n  {POST}\n"
            reply = f" ↩ News: {POST}"
    photo = "  ⟨photo 1280x720⟩\n" if what == "photo" else ""
    buttons = ["Again", "Change it", "As file"] if kind.remixes else ["Again", "As file"]
    return (
        f"{head}\n{before}"
        f"Ann{topic}{reply}\n{photo}  {request.text}\n"
        f"Reelay{topic} ↩ Ann: {request.text}\n"
        f"  ⟨video 1280x720 {kind.seconds} s⟩\n"
        f"  {named}\n"
        f"  {kind.model}, {kind.seconds} s · TASK\n"
        f"  {' '.join(f'[{one}]' for one in buttons)}\n"
    )
