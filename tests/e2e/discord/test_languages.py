"""All users read their own language: texts, buttons, forms, choices, errors and captions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bot.presentation.i18n import translate
from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord, ImageFile
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.messages import Message
from tests.fakes.discord.users import FakeUser

ENGLISH = re.compile(r"\b[a-z']+ [a-z']+ [a-z']+")
"""Three words in a row: no name of a model, no command."""
CHINESE = re.compile(r"[\u4e00-\u9fff]")
NAMES = re.compile(
    r"Sora 2( Pro)?|sora-2(-pro)?|KITE|English|\u7b80\u4f53\u4e2d\u6587|<t:\d+:R>|in moments"
)
"""What is the same in every language."""
PROMPT = "KITE"


@pytest.mark.parametrize(
    ("locale", "default", "language"),
    [
        ("en-US", "zh", "en"),
        ("en-GB", "zh", "en"),
        ("zh-CN", "en", "zh"),
        ("zh-TW", "en", "zh"),
        ("de", "en", "en"),
        ("de", "zh", "zh"),
        ("pt-BR", "zh", "zh"),
    ],
)
async def test_answers_use_the_language_of_the_app(
    discord: FakeDiscord, run_with_gateway: RunBot, locale: str, default: str, language: str
) -> None:
    """Not of the guild; an app in an unsupported language gets the default one."""
    ann = discord.user("Ann", locale=locale)
    other = "zh-CN" if language == "en" else "en-US"
    general = discord.guild("Kites", [ann], locale=other).text("general")
    async with run_with_gateway(DEFAULT_LANGUAGE=default):
        answer = await ann.uses("/start", channel=general)
        await answer.shows(translate(language, "start"))
        error = await ann.uses("/cancel", channel=general, task="abcdefgh")
        await error.shows(translate(language, "task-unknown", task="abcdefgh"))
        await ann.uses("/video", channel=general, prompt="a kite !stuck")
        status = await general.until(lambda channel: [o for o in channel.from_bot if o.labels])
        assert status[0].labels == [translate(language, "button-cancel")]
        question = await (await ann.uses("/forgetme", channel=general)).shows(
            translate(language, "forgetme-choose")
        )
        assert question.labels == [
            translate(language, f"button-{verb}") for verb in ("forget", "keep")
        ]


# --- nothing of the other language -------------------------------------------------------


async def _everything(person: FakeUser, channel: Channel, words: str) -> list[str]:
    """Most of what somebody can do; all titles, labels and choices that no message shows."""
    beside: list[str] = []

    async def uses(line: str, **options: Any) -> Message:
        return await _told(await person.uses(line, channel=channel, options=options))

    for name in ("start", "help", "quota", "models", "tasks", "settings", "privacy", "language"):
        await uses(f"/{name}")
    for name in ("cancel", "fetch"):
        await uses(f"/{name}", task="abcdefgh")
    await uses("/video", prompt=PROMPT, duration=99)
    await uses("/video", prompt=PROMPT, style="noir")
    await uses("/video", prompt=PROMPT, image=ImageFile(b"x" * 99, "x.png"))
    await uses("/remix", task="abcdefgh", prompt=PROMPT)
    await uses("/settings", model="sora-2", duration=8)
    await uses("/settings", clear="model")
    video = await _video(person, channel)
    for label in video.labels[:2]:
        form = await (await person.presses(video, label)).modal
        beside += [form.title, *(field.label for field in form.fields)]
    await _told(await person.presses(video, video.labels[-1]))
    await uses("/video", prompt=f"{PROMPT} !failed")
    word = await channel.until(
        lambda it: [message for message in it.from_bot if len(message.labels) == 1]
    )
    await person.presses(word[0], word[0].labels[0])
    await channel.until(lambda it: len([o for o in it.from_bot if len(o.labels) == 1]) == 2)
    await uses("/video", prompt=f"{PROMPT} !stuck")
    status = channel.from_bot[-1]
    await _told(await person.presses(status, status.labels[0]))
    said = await person.says("look", channel=channel)
    for menu in ("menu-picture", "menu-remix"):
        beside.append((await (await person.uses_menu(translate(words, menu), said)).answer).text)
    question = await uses("/forgetme")
    await person.presses(question, question.labels[1])
    await channel.until(lambda _: not question.labels)
    choices = await person.types("/fetch", channel=channel, task="")
    return beside + [choice.name.split(") ")[0].split(" (")[1] for choice in choices]


async def _video(person: FakeUser, channel: Channel) -> Message:
    await person.uses("/video", channel=channel, prompt=PROMPT)
    video = await channel.shows_video()
    await channel.until(lambda it: it.from_bot == [video])
    return video


async def _told(use: Interaction) -> Message:
    """The last that an interaction brings: the answer for its person alone, or for all."""

    def look(_: Channel) -> Message | None:
        mine = [message for message in use.said if not message.thinking]
        private = [message for message in mine if message.ephemeral]
        found = private or [message for message in mine if message.labels]
        return found[-1] if found else None

    found = await use.channel.until(look)
    assert found is not None
    return found


def _all_said(channel: Channel) -> list[str]:
    """All that the bot ever showed there, line by line, without what frames it."""
    lines = [line for event in channel.log if event.by_bot for line in event.lines[1:]]
    return [line.strip(" │—") for line in lines if "(thinking" not in line and "⟨" not in line]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_conversation_is_in_one_language(
    discord: FakeDiscord, run_with_gateway: RunBot, language: str
) -> None:
    """All that a user sees in a long conversation."""
    locale, other = {"en": ("en-US", "zh"), "zh": ("zh-CN", "en")}[language]
    person = discord.user("Ann", locale=locale)
    elsewhere = {"en": "en-US", "zh": "zh-CN"}[other]
    general = discord.guild("Kites", [person], locale=elsewhere).text("general")
    async with run_with_gateway(DEFAULT_LANGUAGE=other):
        beside = await _everything(person, general, language)
    said = [*_all_said(general), *beside]
    assert len(said) > 60
    for text in said:
        words = re.sub(r"[2-9a-z]{8}", "", NAMES.sub("", text))
        if language == "zh":
            assert not ENGLISH.search(words), text
            assert CHINESE.search(words) or not re.search(r"[a-z]{4}", words), text
        else:
            assert not CHINESE.search(words), text


# --- what somebody has chosen ------------------------------------------------------------


async def test_chosen_language_overrides_the_app(
    discord: FakeDiscord, run_with_gateway: RunBot
) -> None:
    """/language counts for answers, buttons, forms, choices, errors, captions; after a restart."""
    discord.gateway.identify_seconds = 0
    ann, bob = discord.user("Ann"), discord.user("Bob", locale="zh-CN")
    general = discord.guild("Kites", [bob, ann]).text("general")
    async with run_with_gateway():
        chosen = await ann.uses("/language", channel=general, code="简体中文")
        await chosen.shows(translate("zh", "language-changed"))
        chosen = await bob.uses("/language", channel=general, code="English")
        await chosen.shows(translate("en", "language-changed"))
    async with run_with_gateway():
        video = await _video(ann, general)
        assert video.labels == [
            translate("zh", f"button-{verb}") for verb in ("again", "remix", "delete")
        ]
        assert translate("zh", "caption-facts", model="sora-2", seconds=4) in video.text
        form = await (await ann.presses(video, video.labels[0])).modal
        assert form.title == translate("zh", "form-again")
        assert form.fields[0].label == translate("zh", "form-prompt")
        for label in video.labels:
            await (await bob.presses(video, label)).shows(translate("en", "card-not-yours"))
        menu = await (await bob.uses_menu(translate("zh", "menu-remix"), video)).answer
        assert menu.text == translate("en", "card-not-yours")
        (choice,) = await ann.types("/fetch", channel=general, task="")
        assert translate("zh", "state-done") in choice.name
        error = await ann.uses("/video", channel=general, prompt=PROMPT, duration=99)
        facts: dict[str, Any] = {"model": "sora-2", "asked": 99, "allowed": "4, 8, 12, 16, 20"}
        await error.shows(translate("zh", "duration-not-allowed", **facts))
        task = video.text.split()[-1]
        deleted = await ann.presses(video, video.labels[-1])
        await deleted.shows(translate("zh", "result-deleted", task=task))


async def test_fetched_video_uses_the_new_language(
    discord: FakeDiscord, run_with_gateway: RunBot
) -> None:
    """Fetched after a change of language, its caption and buttons are in the new one."""
    ann = discord.user("Ann")
    discord.guild("Kites", [ann])
    async with run_with_gateway():
        await ann.uses("/video", prompt=PROMPT)
        video = await ann.dm.shows_video()
        await (await ann.uses("/language", code="简体中文")).shows(
            translate("zh", "language-changed")
        )
        fetch = await ann.uses("/fetch", task=video.text.split()[-1])
        again = await fetch.shows(PROMPT)
    assert again.labels[0] == translate("zh", "button-again")
    assert translate("zh", "caption-facts", model="sora-2", seconds=4) in again.text
