"""A person's whole day with the bot in a guild, as text: the golden files beside this one.

`a_day.en.txt` and `a_day.zh.txt` are what the channel shows its person, from the first /start to
the last /forgetme. After a change of sentences or steps, renew them and read them as people would:

    RENEW_GOLDEN_FILES=1 .venv/bin/pytest -n 0 tests/e2e/discord/test_a_day.py

Left out is what differs with the speed of the machine: how far a video is.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord, ImageFile
from tests.fakes.discord.interactions import PRESS, TYPING, Interaction
from tests.fakes.discord.messages import Event, Message
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.support import sample_images

FOLDER = Path(__file__).parent
RENDER = 0.3
ENDLESS = 1e9


@dataclass(frozen=True)
class Words:
    """What one person types, and what stands on the buttons that they press."""

    code: str
    locale: str
    name: str
    kite: str = "a red kite over the sea"
    clouds: str = "the clouds begin to move"
    change: str = "the same at night"
    train: str = "a train crosses a bridge"
    river: str = "a river from its spring to the sea"
    boat: str = "a blue boat under a red kite"
    portrait: str = "portrait"
    remix: str = "Change it"
    again: str = "Again"
    delete: str = "Delete"
    cancel: str = "Cancel"
    language: str = "English"
    forget: str = "Delete all"


PEOPLE = [
    Words("en", "en-US", "Ann"),
    Words(
        code="zh",
        locale="zh-CN",
        name="小安",
        kite="海面上的红色风筝",
        clouds="云朵开始飘动",
        change="换成夜晚",
        train="列车驶过大桥",
        river="一条河从源头流向大海",
        boat="红色风筝下的蓝色小船",
        portrait="竖屏",
        remix="修改",
        again="再来一次",
        delete="删除",
        cancel="取消",
        language="简体中文",
        forget="全部删除",
    ),
]


@pytest.mark.parametrize("words", PEOPLE, ids=lambda words: words.code)
async def test_channel_matches_the_golden_file(
    discord: FakeDiscord, run_bot: RunBot, tmp_path: Path, words: Words
) -> None:
    """Word for word and button for button."""
    person = discord.user(words.name, locale=words.locale)
    general = discord.guild("Kites", [person]).text("general")
    async with (
        FakeOpenAIGateway(deletes_abort=True, render_seconds=RENDER) as gateway,
        run_bot(
            PROVIDERS__OPENAI__API_KEY=KEY,
            PROVIDERS__OPENAI__BASE_URL=gateway.url,
            PROVIDERS__OPENAI__CANCEL="on",
            DAILY_CREDITS="20",
        ),
    ):
        day = Day(person, general, words, gateway)
        await day.morning()
        await day.noon(sample_images.photo(tmp_path / "photo.jpg", 1280, 720))
        await day.evening()
    assert gateway.violations == []
    told = stable(discord, general)
    golden = FOLDER / f"a_day.{words.code}.txt"
    if os.environ.get("RENEW_GOLDEN_FILES"):
        await asyncio.to_thread(golden.write_text, told, encoding="utf-8")
    assert told == await asyncio.to_thread(golden.read_text, encoding="utf-8")


# --- the day -----------------------------------------------------------------------------


@dataclass
class Day:
    """What a person does, each step when the one before it has come to rest."""

    person: FakeUser
    channel: Channel
    words: Words
    gateway: FakeOpenAIGateway

    async def morning(self) -> None:
        """The first steps, and the first video."""
        words = self.words
        await self.uses("/start")
        await self.uses("/help")
        await self.uses("/models")
        await self.uses("/video", prompt=words.kite, duration=8, orientation=words.portrait)
        await self.has_films(1)
        await self.uses("/quota")

    async def noon(self, photo: Path) -> None:
        """A picture, a change, and a video that is not wanted after all."""
        words = self.words
        await self.uses("/video", prompt=words.clouds, image=ImageFile(photo, "photo.jpg"))
        film = await self.has_films(2)
        await self.fills_in(film, words.remix, words.change)
        changed = await self.has_films(3)
        await self.answered(await self.person.presses(changed, words.delete))
        await self.uses("/fetch", task=changed.text.split()[-1])
        # This one would not be ready for years.
        self.gateway.render_seconds = ENDLESS
        await self.uses("/video", prompt=words.train)
        await self.channel.until(lambda _: self.gateway.creates[words.train])
        status = self.channel.from_bot[-1]
        await self.answered(await self.person.presses(status, words.cancel))
        await self.channel.until(lambda _: not status.labels)
        await self.uses("/tasks")

    async def evening(self) -> None:
        """No credits any more; then everything about oneself."""
        words = self.words
        self.gateway.render_seconds = RENDER
        await self.refused("/video", prompt=words.river, duration=12)
        first, second = [message for message in self.channel.from_bot if message.video]
        await self.refused_form(first, words.again)
        await self.fills_in(second, words.again, words.boat)
        await self.has_films(3)
        await self.refused("/video", prompt=words.river)
        await self.uses("/settings")
        await self.uses("/settings", duration=8, orientation=words.portrait)
        await self.uses("/settings", clear="duration")
        await self.uses("/language")
        await self.uses("/language", code=words.language)
        await self.uses("/privacy")
        question = await self.uses("/forgetme")
        await self.person.presses(question, words.forget)
        await self.channel.until(lambda _: not question.labels)
        await self.uses("/tasks")

    # --- one step ------------------------------------------------------------------------

    async def uses(self, line: str, **options: Any) -> Message:
        """A command, and the answer that takes the place of the first one."""
        return await self.filled(await self.person.uses(line, channel=self.channel, **options))

    async def refused(self, line: str, **options: Any) -> None:
        """A command whose answer is for its person alone, although a video would not be."""
        use = await self.person.uses(line, channel=self.channel, **options)
        await self.answered(use)
        await self.channel.until(lambda _: use.original and use.original.deleted)

    async def fills_in(self, message: Message, button: str, prompt: str) -> None:
        """Press a button that opens a form, and send that with other words."""
        form = await (await self.person.presses(message, button)).modal
        await self.filled(await self.person.submits(form, prompt=prompt))

    async def refused_form(self, message: Message, button: str) -> None:
        """The same as it stands there, where the answer is for its person alone."""
        form = await (await self.person.presses(message, button)).modal
        sent = await self.person.submits(form)
        await self.answered(sent)
        await self.channel.until(lambda _: sent.original and sent.original.deleted)

    async def filled(self, use: Interaction) -> Message:
        """The message that stands where the bot seemed to think."""

        def look(_: Channel) -> Message | None:
            one = use.original
            return one if one is not None and not one.thinking else None

        found = await self.channel.until(look)
        assert found is not None
        return found

    async def answered(self, use: Interaction) -> Message:
        """What its person alone is told beside that."""

        def look(_: Channel) -> Message | None:
            mine = [
                message for message in use.messages if message.ephemeral and not message.thinking
            ]
            return mine[-1] if mine else None

        found = await self.channel.until(look)
        assert found is not None
        return found

    async def has_films(self, count: int) -> Message:
        """Wait for this many videos and no status; the newest video."""
        film = await self.channel.shows_video(times=count)
        cancel = self.words.cancel
        await self.channel.until(
            lambda channel: not any(cancel in message.labels for message in channel.from_bot)
        )
        return film


# --- the same on every machine -----------------------------------------------------------


def stable(discord: FakeDiscord, channel: Channel) -> str:
    """The story of a channel without what differs from run to run."""
    events = _in_order(
        [event for event in channel.log if not _says_how_far(event)], discord, channel
    )
    told = discord.event_log(replace(channel, log=events))
    accepted = re.findall(r"(?:Task |任务 )([2-9a-z]{8})(?=[:：])", told)
    for number, task in enumerate(dict.fromkeys(accepted), 1):
        told = told.replace(task, f"task-{number}")
    for pattern, instead in (
        (r"^(✗ deleted: Reelay: ).*(task-\d+)[:：].*$", r"\1(status of \2)"),
        (r"^(✗ deleted: Reelay: @.* · ).*$", r"\1(its id)"),
        (r"‹in [^›]*›", "‹in moments›"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "2026-08-02 00:00"),
    ):
        told = re.sub(pattern, instead, told, flags=re.MULTILINE)
    return told


def _says_how_far(event: Event) -> bool:
    """Whether it tells how far a video was, which no two machines tell alike."""
    return event.kind == "edited" and bool(re.match(r"  │ [2-9a-z]{8}[:：]", event.lines[1]))


def _in_order(events: list[Event], discord: FakeDiscord, channel: Channel) -> list[Event]:
    """Place the answer to a press directly behind it: its effect may have been faster."""
    done = [
        interaction
        for interaction in discord.interactions
        if interaction.channel is channel and interaction.kind != TYPING
    ]
    left = iter(done)
    presses = [interaction for interaction in done if interaction.kind == PRESS]
    found = []
    for event in events:
        if not any(_told_by(event, press) for press in presses):
            found.append(event)
        if event.kind == "used" and (use := next(left)).kind == PRESS:
            found += [one for one in events if _told_by(one, use)]
    return found


def _told_by(event: Event, press: Interaction) -> bool:
    """Whether it is a message that answers a press."""
    message = event.message
    return event.kind == "sent" and message is not None and message.interaction is press
