"""What one chat, one person or one fault once did to others, and must not do again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.app import Components
from bot.frontends.telegram import Telegram as FrontEnd
from bot.ports import DeliveryError
from bot.store import tasks
from tests.e2e.telegram.conftest import FAST_RATE_LIMITS, RunBot
from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.support.bot_in_process import running_bot, settings

QUICK = "--duration 1 --size 480x854"
WIDTH = 16
"""Results that the engine posts at a time."""


@asynccontextmanager
async def _front_end(
    telegram: FakeTelegram, folder: Path, **environ: str
) -> AsyncIterator[tuple[FrontEnd, Components]]:
    """Reelay at work, and the part of it that speaks to Telegram."""
    own = settings(folder, TELEGRAM_BOT_TOKEN=TOKEN, TELEGRAM_API_URL=telegram.url, **environ)
    front_end = FrontEnd(own, rules=FAST_RATE_LIMITS)
    async with running_bot(own, [front_end]) as parts:
        yield front_end, parts


async def test_silenced_chat_does_not_delay_other_chats(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """It has more results waiting than are posted at a time."""
    crowd = [telegram.user(f"Person {number}") for number in range(WIDTH + 1)]
    bob = telegram.user("Bob")
    group = telegram.supergroup("Films", crowd)
    async with run_bot():
        telegram.faults.add(
            "sendVideo", "429", retry_after=25, when=lambda told: told["chat_id"] == group.id
        )
        for person in crowd:
            await person.says(f"/video a kite {QUICK}", chat=group)
        await group.until(lambda _: len(group.from_bot) == WIDTH + 1)
        await telegram.until(lambda: telegram.calls_to("sendVideo"))
        await bob.says(f"/video a bird {QUICK}")
        await bob.chat.shows_video()
        assert not [message for message in group.from_bot if message.video]


async def test_delayed_final_message_is_sent_once(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Its chat is silenced for longer than a lease."""
    ann = telegram.user("Ann")
    async with run_bot(LEASE_SECONDS="6"):
        telegram.faults.add(
            "sendMessage", "429", retry_after=13, when=lambda told: "no video" in told["text"]
        )
        await ann.says(f"/video a [fail] kite {QUICK}")
        await ann.chat.shows("made no video")
        await ann.says("/quota")
        await ann.chat.shows("You can spend")
    assert len([message for message in ann.chat.from_bot if "made no video" in message.text]) == 1


async def test_anonymous_admins_of_two_groups_do_not_wait_for_each_other(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """They share one account of Telegram, and are different users."""
    ann = telegram.user("Ann")
    full, other = (telegram.supergroup(title, [ann]) for title in ("Full", "Other"))
    async with run_bot(SHUTDOWN_GRACE_SECONDS="1"):
        telegram.faults.add("sendMessage", "429", retry_after=20)
        await ann.says("/quota", chat=full, anonymous=True)
        await telegram.until(lambda: telegram.calls_to("sendMessage"))
        await ann.says("/quota", chat=other, anonymous=True)
        await other.shows("I cannot tell who you are")


async def test_stop_waits_once_for_all_hanging_work(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """An answer and a result that both hang share the grace period."""
    ann, bob = telegram.user("Ann"), telegram.user("Bob")
    async with run_bot(SHUTDOWN_GRACE_SECONDS="6"):
        telegram.faults.add("sendVideo", "hanging")
        await bob.says(f"/video a red kite {QUICK}")
        await telegram.until(lambda: telegram.faults.hanging == 1)
        telegram.faults.add("sendMessage", "hanging")
        await ann.says("/quota")
        await telegram.until(lambda: telegram.faults.hanging == 2)
        began = time.monotonic()
    # Twice would be 12 s. A busy machine needs some time for the rest.
    assert time.monotonic() - began < 11


async def test_failed_edit_does_not_delay_other_edits(
    telegram: FakeTelegram, tmp_path: Path
) -> None:
    """Other statuses of its chat are edited at once, its own a little later."""
    ann = telegram.user("Ann")
    async with _front_end(telegram, tmp_path) as (front_end, parts):
        await ann.says("/video a [stuck] kite")
        await ann.says("/video a [stuck] bird")
        await ann.chat.until(
            lambda chat: sum("42 %" in message.text for message in chat.from_bot) == 2
        )
        first, second = ann.chat.from_bot
        telegram.faults.add("editMessageText", "500")
        for status, text in ((first, "one"), (second, "two")):
            number = status.text.partition(":")[0]
            task = await parts.database.read(lambda tx, number=number: tasks.get(tx, number))  # type: ignore[misc]
            assert task is not None
            await front_end.update_status(task, text)
        await ann.chat.until(lambda _: second.text == "two")
        await ann.chat.until(lambda _: first.text == "one")


async def _alert(front_end: FrontEnd, text: str) -> None:
    """Alert the admins as the engine does: again while the bot has not started."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await front_end.alert_admins(text)
            except DeliveryError as error:
                if error.reason != "unreachable":
                    raise
                await asyncio.sleep(0.01)
            else:
                return


async def test_alert_reaches_each_admin_once(telegram: FakeTelegram, tmp_path: Path) -> None:
    """It counts as sent when one admin has it; a failing one gets no repeat for ever."""
    ann, bob = (telegram.user(name, started=True) for name in ("Ann", "Bob"))
    admins = ",".join(f"telegram:{person.id}" for person in (ann, bob))
    async with _front_end(telegram, tmp_path, ADMINS=admins) as (front_end, _):
        telegram.faults.add(
            "sendMessage", "dropped-before", when=lambda told: told["chat_id"] == bob.id
        )
        await _alert(front_end, "look out")
        await _alert(front_end, "look\n" * 1000)
    words = [message.text for message in ann.chat.from_bot]
    assert words[0] == "look out"
    assert sum(word.count("look") for word in words[1:]) == 1000


async def test_press_after_an_upgrade_changes_the_right_message(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """In the supergroup, the old message id belongs to another message."""
    ann = telegram.user("Ann")
    group = telegram.group("Films", [ann])
    async with run_bot():
        await ann.says(f"@{telegram.bot.username} a kite", chat=group)
        draft = await group.shows("Price:")
        telegram.world.updates.allowed = frozenset()
        new = await group.upgrades()
        telegram.world.updates.allowed = frozenset({"message", "callback_query"})
        other = _of_the_same_number(telegram, new, draft)
        await (await ann.presses(draft, "4 s")).answer
        await ann.says("/quota")
        await ann.chat.shows("You can spend")
    assert other.edits == []
    assert telegram.calls_to("editMessageText") != []


def _of_the_same_number(telegram: FakeTelegram, chat: object, message: Message) -> Message:
    """A message of the bot that has the same number in its chat."""
    chat.next_id = message.id  # type: ignore[attr-defined]
    return telegram.world.put(chat, telegram.bot, text="something else")  # type: ignore[arg-type]
