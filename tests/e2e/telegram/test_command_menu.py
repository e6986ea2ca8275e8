"""The menus of commands, by place, person and language, and what Telegram shows of the bot."""

from __future__ import annotations

from bot.commands.parser import COMMANDS
from bot.presentation.i18n import LANGUAGES, say
from tests.e2e.telegram.conftest import Running
from tests.fakes.telegram.fake import Telegram

EVERY = [word.name for word in COMMANDS]
SAID = ("setMyCommands", "deleteMyCommands", "setMyDescription", "setMyShortDescription")
PLACES = 3
"""By default, in private chats, in groups."""
TEXTS = 2


def said(telegram: Telegram) -> int:
    """How often something was said of menus and the bot."""
    return sum(len(telegram.called(method)) for method in SAID)


async def announced(telegram: Telegram, times: int = len(LANGUAGES) * (PLACES + TEXTS)) -> None:
    """Wait until so much was said."""
    await telegram.until(lambda: said(telegram) >= times)


async def test_a_person_sees_commands_that_they_cannot_read(
    telegram: Telegram, bot: Running
) -> None:
    """Each sees all commands in their own language; who speaks neither, in English."""
    ann = telegram.person("Ann", language="en")
    an = telegram.person("安", language="zh-hans")
    anna = telegram.person("Anna", language="de")
    async with bot():
        await announced(telegram)
    english, chinese = telegram.menu(ann), telegram.menu(an)
    assert list(english) == list(chinese) == EVERY
    assert telegram.menu(anna) == english
    assert english["video"] == "make a video"
    assert chinese["video"] == "生成视频"
    assert all(english[name] == say("en", f"help-{name}") for name in EVERY)
    assert all(chinese[name] == say("zh", f"help-{name}") for name in EVERY)


async def test_a_group_gets_a_menu_as_long_as_a_private_chat(
    telegram: Telegram, bot: Running
) -> None:
    """What fits there, for members and the group's own admins alike; never a word for ours."""
    ann, ben = telegram.person("Ann"), telegram.person("Ben", language="zh")
    group = telegram.supergroup("Friends", [ann, ben])
    async with bot(ADMINS=f"telegram:{ben.id}"):
        await announced(telegram)
        await ben.says("/start")
        await telegram.until(lambda: "admin" in telegram.menu(ben))
    assert list(telegram.menu(ann, group)) == list(telegram.menu(ben, group))
    assert {"video", "cancel", "help"} < set(telegram.menu(ann, group)) < set(EVERY)
    assert telegram.menu(ben, group)["video"] == "生成视频"


async def test_telegram_shows_nothing_of_what_the_bot_is(telegram: Telegram, bot: Running) -> None:
    """Before the first word, and in the bot's profile, in both languages."""
    async with bot():
        await announced(telegram)
    for language, code in (("en", ""), ("zh", "zh")):
        about = telegram.world.about
        assert about["description", code] == say(language, "about")
        assert about["short_description", code] == say(language, "about-short")


async def test_each_start_says_everything_anew(telegram: Telegram, bot: Running) -> None:
    """What Telegram was told once it is not told again, nor is what an admin's /start repeats."""
    ben = telegram.person("Ben")
    async with bot(ADMINS=f"telegram:{ben.id}"):
        await announced(telegram)
        await ben.says("/start")
        await telegram.until(lambda: "admin" in telegram.menu(ben))
    before = said(telegram)
    async with bot(ADMINS=f"telegram:{ben.id}"):
        await ben.says("/start")
        await ben.chat.shows("/help", times=2)
    assert said(telegram) == before


async def test_an_outage_at_the_start_leaves_old_menus_for_ever(
    telegram: Telegram, bot: Running
) -> None:
    """What could not be said is said again, until it is."""
    telegram.faults.add("setMyCommands", "500")
    telegram.faults.add("setMyDescription", "429")
    ann = telegram.person("Ann")
    async with bot():
        await telegram.until(lambda: len(telegram.world.about) == TEXTS * len(LANGUAGES))
    assert list(telegram.menu(ann)) == EVERY
    assert len(telegram.faults.suffered) == 2


async def test_an_admin_does_not_find_their_commands(telegram: Telegram, bot: Running) -> None:
    """They have their own menu once there is a chat with them; nobody else has."""
    ann = telegram.person("Ann")
    ben, bo = telegram.person("Ben"), telegram.person("博", language="zh")
    async with bot(ADMINS=f"telegram:{ben.id},telegram:{bo.id}"):
        await announced(telegram)
        assert "admin" not in telegram.menu(ben)
        await ann.says("/start")
        for admin in (ben, bo):
            await admin.says("/start")
            await telegram.until(lambda admin=admin: "admin" in telegram.menu(admin))  # type: ignore[misc]
    assert list(telegram.menu(ben)) == [*EVERY, "admin"]
    assert telegram.menu(ben)["admin"] == say("en", "menu-admin")
    assert telegram.menu(bo)["admin"] == say("zh", "menu-admin")
    assert list(telegram.menu(ann)) == EVERY


async def test_who_is_an_admin_no_more_keeps_the_menu(telegram: Telegram, bot: Running) -> None:
    """It goes at the next start, in every language; who is one still keeps it."""
    ben, bo = telegram.person("Ben"), telegram.person("博", language="zh")
    cleo = telegram.person("Cleo")
    async with bot(ADMINS=f"telegram:{ben.id},telegram:{bo.id},telegram:{cleo.id}"):
        for admin in (ben, bo, cleo):
            await admin.says("/start")
            await telegram.until(lambda admin=admin: "admin" in telegram.menu(admin))  # type: ignore[misc]
    async with bot(ADMINS=f"telegram:{cleo.id}"):
        await telegram.until(lambda: "admin" not in {*telegram.menu(ben), *telegram.menu(bo)})
    assert telegram.menu(bo)["video"] == "生成视频"
    assert "admin" in telegram.menu(cleo)
    before = said(telegram)
    async with bot(ADMINS=f"telegram:{cleo.id}"):
        await cleo.says("/start")
        await cleo.chat.shows("/help", times=2)
    assert said(telegram) == before


async def test_an_admin_who_has_blocked_the_bot_stops_the_menus_of_all(
    telegram: Telegram, bot: Running
) -> None:
    """Nothing can be set where the bot has no chat any more; everybody else gets what is new."""
    ben, cleo = telegram.person("Ben"), telegram.person("Cleo")
    admins = f"telegram:{ben.id},telegram:{cleo.id}"
    async with bot(ADMINS=admins):
        await ben.says("/start")
        await telegram.until(lambda: "admin" in telegram.menu(ben))
        ben.chat.started = False
        await cleo.says("/start")
        await telegram.until(lambda: "admin" in telegram.menu(cleo))
