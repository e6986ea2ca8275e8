"""All users read their own language: texts, buttons, errors, toasts and captions."""

from __future__ import annotations

import re

import pytest

from bot.presentation.i18n import translate
from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.fakes.telegram.users import FakeUser

ENGLISH = re.compile(r"\b[a-z']+ [a-z']+ [a-z']+")
"""Three words in a row: no name of a model, no command."""
CHINESE = re.compile(r"[\u4e00-\u9fff]")
NAMES = re.compile(r"sora[- ]2([- ]pro)?|KITE|English|\u7b80\u4f53\u4e2d\u6587", re.IGNORECASE)
"""What is the same in every language."""
PROMPT = "KITE"
US = "@reelay_standin_bot"


def _is(language: str, text: str) -> bool:
    """Whether nothing but this language stands there."""
    return bool(CHINESE.search(text)) is (language == "zh") and not (
        language == "zh" and ENGLISH.search(text)
    )


def _all_said(chat: Chat) -> list[str]:
    """All that the bot ever showed in a chat, with its buttons and toasts."""
    said = []
    for event in chat.log:
        if event.kind == "answered" or (event.by_bot and event.kind in {"sent", "edited"}):
            said += [event.text, *event.labels]
    return [text for text in said if text and text != "(asks for a reply)"]


@pytest.mark.parametrize(
    ("code", "default", "language"),
    [
        ("en", "zh", "en"),
        ("en-GB", "zh", "en"),
        ("zh", "en", "zh"),
        ("zh-hans", "en", "zh"),
        ("zh-Hant-TW", "en", "zh"),
        ("de", "en", "en"),
        ("de", "zh", "zh"),
        ("", "en", "en"),
        ("", "zh", "zh"),
    ],
)
async def test_answers_use_the_language_of_the_app(
    telegram: FakeTelegram, run_bot: RunBot, code: str, default: str, language: str
) -> None:
    """A user with an unsupported language gets the default one."""
    ann = telegram.user("Ann", language=code)
    async with run_bot(DEFAULT_LANGUAGE=default):
        await ann.says("/start")
        await ann.chat.until(lambda chat: chat.from_bot)
        await ann.says("/vidoe")
        await ann.chat.until(lambda chat: len(chat.from_bot) == 2)
        await ann.says(PROMPT)
        await ann.chat.until(lambda chat: len(chat.from_bot) == 3)
    greeting, error, draft = ann.chat.from_bot
    assert greeting.text == translate(language, "start")
    assert error.text == translate(language, "command-unknown", name="vidoe", nearest="/video")
    assert draft.labels[-1] == translate(language, "button-drop")


async def _everything(person: FakeUser, chat: Chat) -> None:
    """Most of what somebody can do, each step when the bot has answered the one before."""

    async def writes(line: str, reply_to: Message | None = None) -> Message:
        asked = await person.says(line, chat=chat, reply_to=reply_to)

        def look(chat: Chat) -> Message | None:
            return next((message for message in chat.from_bot if message.id > asked.id), None)

        found = await chat.until(look)
        assert found is not None
        return found

    for name in ("start", "help", "quota", "models", "tasks", "settings", "privacy", "admin"):
        await writes(f"/{name}")
    for name in ("cancel", "retry", "fetch", "remix"):
        await writes(f"/{name}")
    for line in (
        "/cancel abcdefgh",
        "/settings colour red",
        "/video KITE --modle x",
        "/video KITE --duration 99",
        "/language xx",
        "/forgetme",
    ):
        await writes(line)
    question = await writes("/video")
    assert question.asks
    status = await writes("KITE", reply_to=question)
    video = await chat.shows_video()
    await chat.until(lambda _: status.deleted)
    await (await person.presses(status, status.labels[0], late=True)).answer
    await (await person.presses(video, video.labels[0])).answer
    await chat.shows_video(times=2)
    await person.presses(video, video.labels[1])
    await chat.until(lambda chat: len([message for message in chat.from_bot if message.asks]) == 2)
    await (await person.presses(video, video.labels[1])).answer
    draft = await writes(f"{US} KITE")
    for number, button in enumerate((1, 0, -1), 1):
        await person.presses(draft, draft.labels[button])
        await chat.until(lambda _, number=number: len(draft.edits) == number)  # type: ignore[misc]
    await writes("/video KITE !failed")
    await chat.until(lambda chat: "KITE" not in chat.from_bot[-1].text and chat.from_bot[-1].labels)
    for line in ("/tasks", "/quota", "/remix"):
        await writes(line, reply_to=video)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_conversation_is_in_one_language(
    telegram: FakeTelegram, run_with_gateway: RunBot, language: str
) -> None:
    """All that a user sees in a long conversation."""
    person = telegram.user("Ann", language=language)
    other = {"en": "zh-hans", "zh": "en"}[language]
    group = telegram.supergroup("Films", [person, telegram.user("Ben", language=other)])
    async with run_with_gateway(DEFAULT_LANGUAGE=other[:2]):
        await _everything(person, group)
    said = _all_said(group)
    assert len(said) > 40
    for text in said:
        words = NAMES.sub("", text)
        if re.search(r"[A-Za-z]{3}|[\u4e00-\u9fff]", words):
            assert _is(language, words), text


async def test_chosen_language_overrides_the_app(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """/language counts for texts, buttons, errors, toasts, captions, and after a restart."""
    ann = telegram.user("Ann", language="en")
    ben = telegram.user("Ben", language="zh-hans")
    group = telegram.supergroup("Films", [ann, ben])
    async with run_with_gateway():
        await ann.says("/language zh_CN")
        await ann.chat.shows("\u4ece\u73b0\u5728\u8d77")
        await ben.says("/language", chat=group)
        choice = await group.shows("Which language?")
        assert "\u4f7f\u7528\u54ea\u79cd\u8bed\u8a00" in choice.text
        refused = await (await ann.presses(choice, "English")).answer
        assert refused.text == translate("zh", "card-not-yours")
        await ben.presses(choice, "English")
        await group.until(lambda _: choice.text == translate("en", "language-changed"))
    async with run_with_gateway():
        await ann.says(f"{US} {PROMPT}", chat=group)
        draft = await group.shows("\u4ef7\u683c")
        assert draft.labels[-1] == translate("zh", "button-drop")
        toast = await (await ben.presses(draft, draft.labels[0])).answer
        assert toast.text == translate("en", "card-not-yours")
        await ann.presses(draft, draft.labels[0])
        video = await group.shows_video()
        assert video.labels == [
            translate("zh", f"button-{verb}") for verb in ("again", "remix", "file")
        ]
        assert translate("zh", "caption-facts", model="sora-2", seconds=4) in video.text
        await ann.says("/vidoe", chat=ann.chat)
        await ann.chat.shows(translate("zh", "command-unknown", name="vidoe", nearest="/video"))
        await ben.says("/video KITE --modle x", chat=group)
        await group.shows("Did you mean --model?")


async def test_fetched_video_uses_the_new_language(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """Fetched after a change of language, its caption and buttons are in the new one."""
    ann = telegram.user("Ann")
    async with run_with_gateway():
        await ann.says("/video KITE")
        video = await ann.chat.shows_video()
        await ann.says("/language zh")
        await ann.says(f"/fetch {video.text.split()[-1]}")
        again = await ann.chat.shows_video(times=2)
    assert again.labels[0] == translate("zh", "button-again")
    assert translate("zh", "caption-facts", model="sora-2", seconds=4) in again.text


async def test_press_of_an_unknown_button_is_answered_in_the_users_language(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """And a press of a button that is done."""
    an = telegram.user("\u5b89", language="zh-hans")
    async with run_with_gateway():
        await an.says(PROMPT)
        draft = await an.chat.shows(PROMPT)
        drop = translate("zh", "button-drop")
        await an.presses(draft, drop)
        await an.chat.until(lambda _: draft.text == translate("zh", "draft-dropped"))
        draft.markup = {
            "inline_keyboard": [
                [{"text": drop, "callback_data": f"{_token(draft)}.drop"}],
                [{"text": "?", "callback_data": "nobody-knows.drop"}],
            ]
        }
        done = await (await an.presses(draft, drop)).answer
        assert done.text == translate("zh", "press-done")
        old = await (await an.presses(draft, "?")).answer
        assert (old.text, old.alert) == (translate("zh", "press-too-old"), True)


def _token(message: Message) -> str:
    """Of the card, from the buttons that it had."""
    return message.edits[-1].buttons[0][0].data.partition(".")[0]
