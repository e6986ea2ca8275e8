"""Admins: all their commands, here and in groups; nobody else's; and whom they can name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from itertools import product
from typing import Any

import pytest

from bot.commands.admin_parser import ADMIN_COMMANDS
from tests.e2e.telegram.conftest import RunBot
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.fakes.telegram.users import FakeUser

US = "@reelay_standin_bot"
ENDLESS = 1e9
WORDS = {word.name: word for word in ADMIN_COMMANDS}


@pytest.fixture
def root(telegram: FakeTelegram) -> FakeUser:
    """The admin."""
    return telegram.user("Root", username="root_of_all")


@pytest.fixture
def ben(telegram: FakeTelegram) -> FakeUser:
    """Somebody with a name to be called by."""
    return telegram.user("Ben", username="Ben_Boat")


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """One that lists no jobs, so that a create without an answer is for admins to judge."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=ENDLESS, dialect="relay147") as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def run_with_admin(run_bot: RunBot, root: FakeUser, gateway: FakeOpenAIGateway) -> RunBot:
    """Run a bot with one admin."""
    return partial(
        run_bot,
        ADMINS=f"telegram:{root.id}",
        PROVIDERS__LOCAL__KIND="relay147",
        PROVIDERS__LOCAL__API_KEY=KEY,
        PROVIDERS__LOCAL__BASE_URL=gateway.url,
    )


async def _answer(person: FakeUser, line: str, chat: Chat, reply_to: Message | None = None) -> str:
    """What the bot answers to it, in reply to it."""
    asked = await person.says(line, chat=chat, reply_to=reply_to)

    def look(chat: Chat) -> Message | None:
        return next((message for message in chat.from_bot if message.reply_to is asked), None)

    found = await chat.until(look)
    assert found is not None
    return found.text


# --- the words ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["private", "group"])
async def test_every_admin_command_works(
    telegram: FakeTelegram, run_with_admin: RunBot, root: FakeUser, ben: FakeUser, place: str
) -> None:
    """Each command, by whom and where it may be used."""
    group = telegram.supergroup("Films", [root, ben])
    chat = group if place == "group" else root.chat
    person = f"telegram:{ben.id}"
    async with run_with_admin():
        await ben.says("/video a kite !drop-after", chat=group)
        word = await group.shows("the gateway stopped answering")
        review = word.text.split()[1].rstrip(":")
        await ben.says("/video a boat", chat=group)
        running = (await group.shows("being made")).text.split(":")[0]
        said = {
            "grant": (f"{person} 7", f"Granted to {person}: 7. To spend now: 59."),
            "limit": (f"{person} 9", f"Daily credits of {person}: 9."),
            "user": (person, f"{person}: to spend"),
            "ban": (f"{person} too loud", f"{person} can make no new videos: too loud"),
            "unban": (person, f"{person} can make videos again."),
            "group": (f"telegram:{group.id} 30", "shares in a day: 30. To spend now: 30."),
            "tasks": ("review", f"{review}  review"),
            "task": (review, f"task: {review}, review, 4 credits, user {person}"),
            "requeue": (running, f"{running} is taken up now."),
            "resolve": (f"{review} refund", f"{review} is closed; its person got 4 credits back."),
            "providers": ("", "local"),
            "provider": ("local drain", "local takes nothing new. 1 of its jobs are running"),
            "reload": ("", "The catalogue is as it was."),
            "audit": ("", f"resolve {review}"),
        }
        assert set(said) == set(WORDS)
        for name, (rest, answer) in said.items():
            asked = f"/admin{US}" if place == "group" else "/admin"
            told = await _answer(root, f"{asked} {name} {rest}".strip(), chat)
            assert answer in told, (name, told)
        told = await _answer(root, "/admin", chat)
        assert all(f"/admin {name}" in told for name in WORDS)
        assert "/admin shows your commands" in await _answer(root, "/help", chat)
        for text in ("An admin has closed the review.", "You got 4 credits back."):
            assert (await group.shows(text)).reply_to is not None


@pytest.mark.parametrize("place", ["private", "group"])
async def test_admin_commands_are_refused_to_others(
    telegram: FakeTelegram, run_with_admin: RunBot, root: FakeUser, ben: FakeUser, place: str
) -> None:
    """Whatever follows the command, nothing is done; no help mentions it."""
    group = telegram.supergroup("Films", [ben, root])
    chat = group if place == "group" else ben.chat
    async with run_with_admin():
        mine = await root.says("/quota", chat=group)
        for name in ["", *WORDS]:
            for rest in ("", f"telegram:{ben.id} 100"):
                told = await _answer(ben, f"/admin {name} {rest}".strip(), chat)
                assert "admin" in told
                assert "Granted" not in told
        for line in (f"/admin grant telegram:{ben.id} 100", "/admin providers", "/admin"):
            assert (await _answer(ben, line, chat)).startswith("This command is for admins.")
        refused = await _answer(ben, "/admin user", group, reply_to=mine)
        assert "to spend" not in refused
        assert "/admin" not in await _answer(ben, "/help", chat)
        assert "You can spend 60 credits" in await _answer(ben, "/quota", chat)
        assert (await _answer(root, "/admin audit", root.chat)).startswith("Nothing yet.")


async def test_anonymous_group_admin_is_no_admin(
    telegram: FakeTelegram, run_with_admin: RunBot, root: FakeUser, ben: FakeUser
) -> None:
    """A message as the group or as a channel is never an admin's."""
    group = telegram.supergroup("Films", [root, ben])
    channel = telegram.channel("News", root, discussion=group)
    async with run_with_admin():
        lines = ["/admin providers", "/admin grant telegram:1 5", "/video a kite", "/start"]
        ways: list[dict[str, Any]] = [{"anonymous": True}, {"as_channel": channel}]
        for way, line in product(ways, lines):
            asked = await root.says(line, chat=group, **way)
            told = await group.shows("I cannot tell who you are", after=asked)
            assert told.reply_to is asked
            await root.says("thanks", chat=group, reply_to=told, **way)
            refused = await _answer(root, "/admin user", group, reply_to=asked)
            assert refused.startswith("Whom?")
        assert (await _answer(root, "/admin audit", group)).startswith("Nothing yet.")
        assert await _answer(root, "/admin tasks", group) == "No tasks."


# --- whom they mean ----------------------------------------------------------------------


async def test_admin_can_name_a_user_by_reply_name_or_mention(
    telegram: FakeTelegram, run_with_admin: RunBot, root: FakeUser, ben: FakeUser
) -> None:
    """Each way finds the same user."""
    cleo = telegram.user("Cleo Kite")
    group = telegram.supergroup("Films", [root, ben, cleo])
    async with run_with_admin():
        bens = await ben.says("/quota", chat=group)
        cleos = await cleo.says("hello", chat=group)
        await group.shows("You can spend")
        for line in (
            "/admin grant @Ben_Boat 1",
            "/admin grant @ben_boat 1",
            f"/admin{US} grant @BEN_BOAT 1",
            f"/admin grant telegram:{ben.id} 1",
        ):
            assert f"Granted to telegram:{ben.id}: 1." in await _answer(root, line, group)
        replied = await _answer(root, "/admin grant 1", group, reply_to=bens)
        assert f"Granted to telegram:{ben.id}: 1. To spend now: 65." in replied
        replied = await _answer(root, "/admin grant 5", group, reply_to=cleos)
        assert f"Granted to telegram:{cleo.id}: 5." in replied
        named = await root.says(
            "/admin ban Cleo Kite for noise", chat=group, mentions={"Cleo Kite": cleo}
        )
        told = await group.shows(f"telegram:{cleo.id} can make no new videos: for noise")
        assert told.reply_to is named
        other = await _answer(root, f"/admin user telegram:{ben.id}", group, reply_to=cleos)
        assert other.startswith(f"telegram:{ben.id}:")
        other = await _answer(root, "/admin user @ben_boat", group, reply_to=cleos)
        assert other.startswith(f"telegram:{ben.id}:")
        assert "Banned: for noise" in await _answer(root, "/admin user", group, reply_to=cleos)
        refused = await _answer(cleo, "/video a kite", group)
        assert refused == "You cannot make videos here: for noise"


async def test_unknown_or_reassigned_names_are_refused(
    telegram: FakeTelegram, run_with_admin: RunBot, root: FakeUser, ben: FakeUser
) -> None:
    """Unknown names, the bot's own messages, and a name that changed hands."""
    cleo = telegram.user("Cleo")
    group = telegram.supergroup("Films", [root, ben, cleo])
    async with run_with_admin():
        unseen = await _answer(root, "/admin ban @ben_boat", group)
        assert "I have never seen @\u2060ben_boat" in unseen
        quota = await ben.says("/quota", chat=group)
        ours = await group.shows("You can spend")
        assert (await _answer(root, "/admin ban", group, reply_to=ours)).startswith("Whom?")
        assert (await _answer(root, "/admin user", group)).startswith("Whom?")
        ben.username, cleo.username = "", "Ben_Boat"
        await _answer(cleo, "/quota", group)
        told = await _answer(root, "/admin user @ben_boat", group)
        assert told.startswith(f"telegram:{cleo.id}:")
        told = await _answer(root, "/admin ban loud", group, reply_to=quota)
        assert told == f"telegram:{ben.id} can make no new videos: loud"
        told = await _answer(root, "/admin unban @ben_boat", root.chat)
        assert told == f"telegram:{cleo.id} can make videos again."


async def test_repeated_update_grants_once(
    telegram: FakeTelegram, run_with_admin: RunBot, root: FakeUser, ben: FakeUser
) -> None:
    """Delivered again, also to the next process, it was done already."""
    line = f"/admin grant telegram:{ben.id} 5"
    async with run_with_admin():
        assert "To spend now: 65." in await _answer(root, line, root.chat)
        granted = telegram.updates[-1]
        telegram.redeliver_update(granted)
        await _answer(root, "/quota", root.chat)
    async with run_with_admin():
        telegram.redeliver_update(granted)
        assert "to spend 65" in await _answer(root, f"/admin user telegram:{ben.id}", root.chat)
    assert len(telegram.calls_to("sendMessage")) == 3


async def test_removed_admin_is_refused_and_new_one_served(
    run_with_admin: RunBot, root: FakeUser, ben: FakeUser
) -> None:
    """The current settings count."""
    async with run_with_admin():
        assert "local" in await _answer(root, "/admin providers", root.chat)
    async with run_with_admin(ADMINS=f"telegram:{ben.id}"):
        refused = await _answer(root, "/admin providers", root.chat)
        assert refused.startswith("This command is for admins.")
        assert "local" in await _answer(ben, "/admin providers", ben.chat)
