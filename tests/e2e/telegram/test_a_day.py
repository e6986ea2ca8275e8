"""A person's whole day with the bot, as text: the golden files beside this one.

`a_day.en.txt` and `a_day.zh.txt` are what the chat shows from the first /start to the last
/forgetme. After a change of sentences or steps, renew them and read them as a person would:

    RENEW_GOLDEN_FILES=1 .venv/bin/pytest -n 0 tests/e2e/telegram/test_a_day.py

Left out is what differs with the speed of the machine: how far a video is, and "sending a video".
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.telegram.conftest import RunBot
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.messages import Event, Message
from tests.fakes.telegram.users import FakeUser
from tests.support import sample_images

FOLDER = Path(__file__).parent
RENDER = 0.3
ENDLESS = 1e9


@dataclass(frozen=True)
class Words:
    """What one person writes, and what stands on the buttons that they press."""

    code: str
    name: str
    kite: str = "a red kite over the sea"
    clouds: str = "the clouds begin to move"
    change: str = "the same at night"
    lighthouse: str = "a lighthouse in a storm"
    train: str = "a train crosses a bridge"
    river: str = "a river from its spring to the sea"
    seconds: str = "4 s"
    more_seconds: str = "8 s"
    portrait: str = "portrait"
    landscape: str = "landscape"
    start: str = "Start"
    remix: str = "Change it"
    drop: str = "Drop it"
    cancel: str = "Cancel"
    language: str = "English"
    forget: str = "Delete all"


PEOPLE = [
    Words("en", "Ann"),
    Words(
        code="zh",
        name="小安",
        kite="海面上的红色风筝",
        clouds="云朵开始飘动",
        change="换成夜晚",
        lighthouse="暴风雨中的灯塔",
        train="列车驶过大桥",
        river="一条河从源头流向大海",
        seconds="4 秒",
        more_seconds="8 秒",
        portrait="竖屏",
        landscape="横屏",
        start="开始",
        remix="修改",
        drop="放弃",
        cancel="取消",
        language="简体中文",
        forget="全部删除",
    ),
]


@pytest.mark.parametrize("words", PEOPLE, ids=lambda words: words.code)
async def test_chat_matches_the_golden_file(
    telegram: FakeTelegram, run_bot: RunBot, tmp_path: Path, words: Words
) -> None:
    """Word for word and button for button."""
    async with (
        FakeOpenAIGateway(deletes_abort=True, render_seconds=RENDER) as gateway,
        run_bot(
            PROVIDERS__OPENAI__API_KEY=KEY,
            PROVIDERS__OPENAI__BASE_URL=gateway.url,
            PROVIDERS__OPENAI__CANCEL="on",
            DAILY_CREDITS="20",
        ),
    ):
        person = telegram.user(words.name, language=words.code)
        day = Day(person, words, gateway)
        await day.morning()
        await day.noon(sample_images.photo(tmp_path / "photo.jpg", 1280, 720))
        await day.evening()
    assert gateway.violations == []
    told = stable(telegram, person.chat)
    golden = FOLDER / f"a_day.{words.code}.txt"
    if os.environ.get("RENEW_GOLDEN_FILES"):
        await asyncio.to_thread(golden.write_text, told, encoding="utf-8")
    assert told == await asyncio.to_thread(golden.read_text, encoding="utf-8")


# --- the day -----------------------------------------------------------------------------


@dataclass
class Day:
    """What a person does, each step when the one before it has come to rest."""

    person: FakeUser
    words: Words
    gateway: FakeOpenAIGateway

    async def morning(self) -> None:
        """The first steps, and the first video."""
        words = self.words
        await self.writes("/start")
        await self.writes("/help")
        draft = await self.writes(words.kite)
        await self.presses(draft, words.seconds, words.more_seconds)
        await self.presses(draft, words.landscape, words.portrait)
        await self.presses(draft, words.start)
        await self.has_films(1)
        await self.writes("/quota")

    async def noon(self, photo: Path) -> None:
        """A picture, a change, and two things that are not wanted after all."""
        words = self.words
        draft = await self.answer_to(await self.person.sends_photo(photo))
        await self.person.says(words.clouds)
        await self.chat.until(lambda _: words.start in "".join(draft.labels))
        await self.presses(draft, words.start)
        film = await self.has_films(2)
        press = await self.person.presses(film, words.remix)
        question = await self.chat.until(
            lambda chat: [message for message in chat.from_bot if message.asks]
        )
        await press.answer
        await self.person.says(words.change, reply_to=question[0])
        await self.has_films(3)
        await self.presses(await self.writes(words.lighthouse), words.drop)
        # This one would not be ready for years.
        self.gateway.render_seconds = ENDLESS
        status = await self.writes(f"/video {words.train}")
        await self.gateway_has(words.train)
        press = await self.person.presses(status, words.cancel)
        await press.answer
        await self.chat.until(lambda _: not status.labels)
        await self.writes("/tasks")

    async def evening(self) -> None:
        """No credits any more; then everything about oneself."""
        words = self.words
        self.gateway.render_seconds = RENDER
        await self.writes(f"/video --duration 12 {words.river}")
        draft = await self.writes(words.river)
        await self.presses(draft, words.seconds, words.more_seconds, words.start)
        await self.presses(draft, words.more_seconds, words.seconds, words.start)
        await self.has_films(4)
        draft = await self.writes(words.lighthouse)
        await self.presses(draft, words.start)
        # Once more: there is nothing new to say.
        await (await self.person.presses(draft, words.start)).answer
        await self.presses(draft, words.drop)
        await self.writes("/settings")
        await self.writes("/settings orientation portrait")
        await self.presses(await self.writes("/language"), words.language)
        await self.writes("/privacy")
        await self.presses(await self.writes("/forgetme"), words.forget)
        await self.writes("/tasks")

    # --- one step ------------------------------------------------------------------------

    @property
    def chat(self) -> Chat:
        return self.person.chat

    async def writes(self, text: str) -> Message:
        """The bot's answer to that."""
        return await self.answer_to(await self.person.says(text))

    async def answer_to(self, message: Message) -> Message:
        """The first message of the bot after it."""

        def look(chat: Chat) -> Message | None:
            return next((later for later in chat.from_bot if later.id > message.id), None)

        found = await self.chat.until(look)
        assert found is not None
        return found

    async def presses(self, message: Message, *buttons: str) -> None:
        """Press them one after the other, each when the message says what came of the last."""
        for button in buttons:
            before = len(message.edits)
            press = await self.person.presses(message, button)
            await press.answer
            await self.chat.until(lambda _, before=before: len(message.edits) > before)  # type: ignore[misc]

    async def has_films(self, count: int) -> Message:
        """Wait for this many videos and no status; the newest video."""
        film = await self.chat.shows_video(times=count)
        cancel = self.words.cancel
        await self.chat.until(
            lambda chat: not any(cancel in message.labels for message in chat.from_bot)
        )
        return film

    async def gateway_has(self, prompt: str) -> None:
        """The gateway has accepted it; statuses tell of that."""
        await self.chat.until(lambda _: self.gateway.creates[prompt])


# --- the same on every machine -----------------------------------------------------------


def stable(telegram: FakeTelegram, chat: Chat) -> str:
    """The story of a chat without what differs from run to run."""
    told = telegram.event_log(
        replace(chat, log=_in_order([event for event in chat.log if _stays(event)]))
    )
    accepted = re.findall(r"(?:Task |任务 )([2-9a-z]{8})(?=[:：])", told)
    for number, task in enumerate(dict.fromkeys(accepted), 1):
        told = told.replace(task, f"task-{number}")
    for pattern, instead in (
        (r"^(✗ deleted: \S+: ).*(task-\d+).*$", r"\1(status of \2)"),
        (r"about \d+ (s|min|h)\b", "about 2 min"),
        (r"约 \d+ (秒|分钟|小时)", "约 2 分钟"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "2026-08-02 00:00"),
    ):
        told = re.sub(pattern, instead, told, flags=re.MULTILINE)
    return told


def _stays(event: Event) -> bool:
    """Whether it happens on every machine: not how far a video was, nor how often that was told."""
    how_far = event.kind == "edited" and re.match(r"[2-9a-z]{8}[:：]", event.text) and event.labels
    return event.kind != "action" and not how_far


def _in_order(events: list[Event]) -> list[Event]:
    """Each answer to a press directly behind it: what came of it may be faster."""
    answers = [one for one in events if one.kind == "answered"]
    found = []
    for event in events:
        if event.kind != "answered":
            found.append(event)
        if event.kind == "pressed":
            answer = next(
                event_answered
                for event_answered in answers
                if event_answered.message is event.message
            )
            answers.remove(answer)
            found.append(answer)
    return found
