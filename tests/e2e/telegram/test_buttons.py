"""Buttons: a press is answered once, a second one harms nothing, and nobody presses another's."""

from __future__ import annotations

import pytest

from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.messages import Button, Message
from tests.fakes.telegram.users import FakeUser

QUICK = "--duration 1 --size 480x854"


async def _tasks(person: FakeUser) -> int:
    """How many tasks somebody has."""
    asked = await person.says("/tasks")
    listed = await person.chat.shows("Your newest tasks:", after=asked)
    return len(listed.text.splitlines()) - 1


@pytest.mark.parametrize("kind", ["group", "supergroup"])
async def test_buttons_of_another_user_are_refused(
    telegram: FakeTelegram, run_bot: RunBot, kind: str
) -> None:
    """Drafts, statuses and results in a group belong to their user."""
    ann, bob = telegram.user("Ann"), telegram.user("Bob", language="zh-hans")
    group = getattr(telegram, kind)("Films", [ann, bob])
    async with run_bot():
        await ann.says(f"@{telegram.bot.username} a [stuck] kite", chat=group)
        draft = await group.shows("Price:")
        for label in draft.labels:
            answer = await (await bob.presses(draft, label)).answer
            assert answer.alert
            assert "/video" in answer.text
            assert not answer.text.isascii()
        await ann.presses(draft, "Start")
        status = await group.shows("being made")
        answer = await (await bob.presses(status, "Cancel")).answer
        assert answer.alert
        await ann.presses(status, "Cancel")
        await group.shows("is cancelled")
        await ann.says(f"/video a red kite {QUICK}", chat=group)
        video = await group.shows_video()
        for label in video.labels:
            assert (await (await bob.presses(video, label)).answer).alert
        await ann.says("/quota", chat=group)
        await group.shows("You can spend 59 credits")
    assert telegram.uploads["document"] == 0


async def test_double_press_of_again_makes_one_more_video(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Pressed later, Again makes one more."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video a red kite {QUICK}")
        video = await ann.chat.shows_video()
        presses = [await ann.presses(video, "Again") for _ in range(3)]
        answers = [await press.answer for press in presses]
        assert [answer.alert for answer in answers] == [False, True, True]
        assert "already being made" in answers[1].text
        second = await ann.chat.shows_video(times=2)
        assert second.reply_to is video
        await ann.chat.until(lambda chat: chat.from_bot == [video, second])
        await ann.presses(video, "Again")
        await ann.chat.shows_video(times=3)
        assert await _tasks(ann) == 3


async def test_double_press_of_as_file_uploads_once(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """The second press is told where the file is."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video a red kite {QUICK}")
        video = await ann.chat.shows_video()
        presses = [await ann.presses(video, "As file") for _ in range(2)]
        assert [(await press.answer).alert for press in presses] == [False, True]
        await ann.says("/quota")
        await ann.chat.shows("You can spend")
        files = [message for message in ann.chat.from_bot if message.document]
        assert len(files) == 1
        assert files[0].reply_to is video
        assert files[0].document is not None
        assert files[0].document.name.endswith(".mp4")
    assert telegram.uploads["document"] == 1


async def test_buttons_work_after_a_restart(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Cancel, Again, Change it and As file of an earlier process."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video a red kite {QUICK}")
        video = await ann.chat.shows_video()
        await ann.says("/video a [stuck] kite")
        status = await ann.chat.shows("42 %")
    pressed = [await ann.presses(status, "Cancel"), await ann.presses(video, "Again")]
    async with run_bot():
        assert "asked to stop" in (await pressed[0].answer).text
        assert not (await pressed[1].answer).alert
        await ann.chat.shows_video(times=2)
        await ann.chat.shows("is cancelled")
        await ann.presses(video, "As file")
        await ann.chat.until(lambda chat: any(message.document for message in chat.from_bot))
        await ann.presses(video, "Change it")
        await ann.chat.shows("What should be different")


async def test_unknown_button_is_answered_and_does_nothing(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """An unknown callback id, or an action that its message does not have."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("a red kite")
        draft = await ann.chat.shows("Price:")
        token = draft.buttons[0][0].data.partition(".")[0]
        for data in ("nobody-knows.start", "", "....", token, f"{token}.99", f"{token}.fly"):
            press = await ann.presses(_forged(draft, data), "Forged")
            await press.answer
        await ann.presses(draft, "Drop it")
        await ann.chat.shows("Dropped")
    assert telegram.calls_to("sendVideo") == []


def _forged(message: Message, data: str) -> Message:
    """The message as an app shows it that was tampered with."""
    forged = Message(chat=message.chat, id=message.id, date=message.date, sender=message.sender)
    button = Button("Forged", data or " ")
    forged.markup = {"inline_keyboard": [[{"text": button.text, "callback_data": button.data}]]}
    return forged


async def test_late_press_of_cancel_is_answered(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """The status is gone when its Cancel arrives: the answer tells the state."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video a red kite {QUICK}")
        status = await ann.chat.shows("Task")
        await ann.chat.shows_video()
        await ann.chat.until(lambda _: status.deleted)
        answer = await (await ann.presses(status, "Cancel", late=True)).answer
        assert "no longer under way" in answer.text
        assert answer.alert
    assert len(ann.chat.from_bot) == 1


async def test_draft_with_a_deleted_message_does_not_block_updates(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """It cannot be edited; later updates are handled."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("a red kite")
        draft = await ann.chat.shows("Price:")
        await ann.deletes(draft)
        await (await ann.presses(draft, "4 s", late=True)).answer
        await (await ann.presses(draft, "Drop it", late=True)).answer
        await ann.says("/quota")
        await ann.chat.shows("You can spend")


async def test_repeated_press_is_answered_once(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Delivered again, it starts nothing new."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video a red kite {QUICK}")
        video = await ann.chat.shows_video()
        press = await ann.presses(video, "Again")
        await press.answer
        await ann.chat.shows_video(times=2)
        telegram.redeliver_update(telegram.updates[-1])
        assert await _tasks(ann) == 2
    assert len(telegram.calls_to("answerCallbackQuery")) == 1
