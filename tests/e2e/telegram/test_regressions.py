"""What people met once and must not meet again: words lost, said too often, or of no effect."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import ColumnElement, select

from bot.app import Components
from bot.domain.interactive import MessageKind
from bot.domain.tasks import State
from bot.store.schema import cards, tasks
from tests.e2e.telegram.conftest import RunBot
from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.telegram.api_caller import picture
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.messages import Message

QUICK = "--duration 1 --size 480x854"
STILL = "/video a [stuck] kite"


def _task(message: Message) -> str:
    """Whose video it is."""
    return message.text.split()[-1]


async def _until(parts: Components, *of_a_task: ColumnElement[bool]) -> None:
    """Return when this is written down of a task; nobody in a chat can tell."""
    query = select(tasks.c.id).where(*of_a_task)
    async with asyncio.timeout(PATIENCE_S):
        while not await parts.database.read(lambda tx: tx.execute(query).first()):
            await asyncio.sleep(0.02)


# --- an answer of Telegram is lost -------------------------------------------------------


@pytest.mark.parametrize("kind", ["video", "document"])
async def test_unclear_fetch_is_repeated_once_and_marked(
    telegram: FakeTelegram, run_bot: RunBot, kind: str
) -> None:
    """A video or a file whose responses are lost is sent twice, the second time marked."""
    ann = telegram.user("Ann")
    async with run_bot() as parts:
        await ann.says(f"/video a red kite {QUICK}")
        video = await ann.chat.shows_video()
        await _until(parts, tasks.c.state == State.DONE)
        method = f"send{kind.capitalize()}"
        telegram.faults.add(method, "dropped-after", times=4)
        if kind == "video":
            await ann.says(f"/fetch {_task(video)}")
        else:
            await ann.presses(video, "As file")
        await ann.says("/quota")
        await ann.chat.shows("You can spend")
        sent = [
            message
            for message in ann.chat.from_bot
            if message is not video and getattr(message, kind)
        ]
        assert ["(repeated)" in message.text for message in sent] == [False, True]
        telegram.faults.clear()
        await ann.says(f"/fetch {_task(video)}")
        last = await ann.chat.shows_video(times=2 if kind == "document" else 4)
    assert "(repeated)" not in last.text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/video", "What should the video show?"),
        ("/language", "Which language?"),
        ("/forgetme", "This deletes"),
    ],
)
async def test_unclear_question_is_repeated_once_and_marked(
    telegram: FakeTelegram, run_bot: RunBot, line: str, words: str
) -> None:
    """An interactive message whose responses are lost is sent twice."""
    ann = telegram.user("Ann")
    async with run_bot():
        telegram.faults.add("sendMessage", "dropped-after", times=4)
        await ann.says(line)
        await ann.says("/quota")
        await ann.chat.shows("You can spend")
    asked = [message.text for message in ann.chat.from_bot if words in message.text]
    assert ["(repeated)" in text for text in asked] == [False, True]


async def test_answers_are_not_repeated_while_telegram_is_silent(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """A text that may have been posted is not sent again and again."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("/quota")
        await ann.chat.shows("You can spend")
        telegram.faults.add("*", "dropped-after", times=None)
        await ann.says("/models")
        await telegram.until(lambda: len(telegram.calls_to("getMe")) >= 4)
        telegram.faults.clear()
        await ann.says("/privacy")
        await ann.chat.shows("What is kept")
    said = [message.text for message in ann.chat.from_bot if "Models:" in message.text]
    assert ["(repeated)" in text for text in said] == [False, True]


# --- a call fails ------------------------------------------------------------------------


async def test_refused_press_is_explained_in_the_chat(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """When the toast fails."""
    ann = telegram.user("Ann")
    async with run_bot(DAILY_CREDITS="1"):
        await ann.says(f"/video a red kite {QUICK}")
        video = await ann.chat.shows_video()
        telegram.faults.add("answerCallbackQuery", "500")
        await ann.presses(video, "Again")
        said = await ann.chat.shows("This needs 1 credit")
    assert said.reply_to is video


async def test_words_for_an_image_change_its_draft_later(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """When the draft could not be edited at once; there is no second draft."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.sends_photo(picture(200, 300))
        card = await ann.chat.shows("What should the video show?")
        telegram.faults.add("editMessageText", "500")
        await ann.says("it flies")
        await ann.chat.until(lambda _: "Price:" in card.text)
    assert ann.chat.from_bot == [card]
    assert card.text.startswith("it flies\n")


async def test_started_draft_offers_no_second_start(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """A start whose edit failed is shown later, also while the task does not change."""
    ann = telegram.user("Ann")
    async with run_bot(PROVIDERS__SANDBOX__MAX_CONCURRENT="1"):
        await ann.says(STILL)
        await ann.chat.shows("42 %")
        await ann.says("a kite")
        draft = await ann.chat.shows("Price:")
        telegram.faults.add("editMessageText", "500")
        await ann.presses(draft, "Start")
        await ann.chat.until(lambda _: draft.labels == ["Cancel"])
        assert "waiting in line" in draft.text


async def test_forgetme_card_reports_what_it_deleted(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Its own message is kept until it has said so."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("/forgetme")
        card = await ann.chat.shows("This deletes")
        telegram.faults.add("editMessageText", "500")
        await ann.presses(card, "Delete all")
        await ann.chat.until(lambda _: "to delete but your settings" in card.text)
    assert card.labels == []


# --- statuses ----------------------------------------------------------------------------


async def test_cancel_is_announced_when_the_status_was_deleted(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """A user who cleared the chat still gets the final message."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(STILL)
        status = await ann.chat.shows("42 %")
        await ann.deletes(status)
        await ann.says(f"/cancel {status.text.partition(':')[0]}")
        await ann.chat.shows("You got 4 credits back.")


async def test_final_message_is_sent_once(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """The status says that it is cancelled, and no message repeats it."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(STILL)
        status = await ann.chat.shows("42 %")
        await ann.presses(status, "Cancel")
        await ann.chat.until(lambda _: "is cancelled" in status.text)
        await ann.says("/quota")
        quota = await ann.chat.shows("You can spend 60 credits")
    assert ann.chat.from_bot == [status, quota]


async def test_quick_task_leaves_no_status(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """A change during the send of the status is applied once it is posted."""
    ann = telegram.user("Ann")
    async with run_bot() as parts:
        telegram.faults.add("sendMessage", "held-after")
        await ann.says(STILL)
        status = await ann.chat.shows("Task")
        await _until(parts, tasks.c.percent > 40)
        telegram.faults.release()
        await ann.chat.until(lambda _: "being made, 42 %" in status.text)


# --- buttons -----------------------------------------------------------------------------


async def test_used_try_again_button_is_answered(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Pressed once more after the retry, it says that it was done."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video a [fail] kite {QUICK}")
        word = await ann.chat.shows("made no video")
        assert (await (await ann.presses(word, "Try again")).answer).text == ""
        await ann.chat.shows("made no video", times=2)
        assert "done already" in (await (await ann.presses(word, "Try again")).answer).text


async def test_impatient_again_is_charged_once(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Again, pressed while the second video is uploaded, makes no third."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video a red kite {QUICK}")
        video = await ann.chat.shows_video()
        await ann.chat.until(lambda chat: chat.from_bot == [video])
        telegram.faults.add("sendVideo", "held")
        await (await ann.presses(video, "Again")).answer
        await telegram.until(lambda: telegram.faults.hanging)
        second = await (await ann.presses(video, "Again")).answer
        telegram.faults.release()
        assert "already being made" in second.text
        await ann.chat.shows_video(times=2)
        await ann.says("/quota")
        await ann.chat.shows("You can spend 58 credits")


async def test_refused_prompt_offers_no_useless_choices(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """No option helps a prompt that is too long."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("kite " * 500)
        draft = await ann.chat.shows("takes at most 2,000")
    assert draft.labels == ["Drop it"]


async def test_retried_final_message_opens_one_card(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """However often its chat was throttled."""
    ann = telegram.user("Ann")
    async with run_bot() as parts:
        telegram.faults.add(
            "sendMessage", "500", times=3, when=lambda told: "no video" in told["text"]
        )
        await ann.says(f"/video a [fail] kite {QUICK}")
        await ann.chat.shows("made no video")
        query = select(cards.c.token).where(cards.c.kind == MessageKind.CHOICES)
        kept = await parts.database.read(lambda tx: tx.execute(query).all())
    assert len(kept) == 1
