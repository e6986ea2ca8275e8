"""Command menus by chat, user and language, and the bot's profile texts."""

from __future__ import annotations

from bot.commands.parser import COMMANDS
from bot.presentation.i18n import LANGUAGES, translate
from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.fake import FakeTelegram

EVERY = [word.name for word in COMMANDS]
SAID = ("setMyCommands", "deleteMyCommands", "setMyDescription", "setMyShortDescription")
PLACES = 3
"""By default, in private chats, in groups."""
TEXTS = 2


def said(telegram: FakeTelegram) -> int:
    """How often something was said of menus and the bot."""
    return sum(len(telegram.calls_to(method)) for method in SAID)


async def announced(telegram: FakeTelegram, times: int = len(LANGUAGES) * (PLACES + TEXTS)) -> None:
    """Wait until so much was said."""
    await telegram.until(lambda: said(telegram) >= times)


async def test_menu_uses_the_language_of_the_user(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """All commands; users of unsupported languages get English."""
    ann = telegram.user("Ann", language="en")
    an = telegram.user("安", language="zh-hans")
    anna = telegram.user("Anna", language="de")
    async with run_bot():
        await announced(telegram)
    english, chinese = telegram.menu(ann), telegram.menu(an)
    assert list(english) == list(chinese) == EVERY
    assert telegram.menu(anna) == english
    assert english["video"] == "make a video"
    assert chinese["video"] == "生成视频"
    assert all(english[name] == translate("en", f"help-{name}") for name in EVERY)
    assert all(chinese[name] == translate("zh", f"help-{name}") for name in EVERY)


async def test_group_menu_has_only_group_commands(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """For members and the group's own admins alike; no admin command of the bot."""
    ann, ben = telegram.user("Ann"), telegram.user("Ben", language="zh")
    group = telegram.supergroup("Friends", [ann, ben])
    async with run_bot(ADMINS=f"telegram:{ben.id}"):
        await announced(telegram)
        await ben.says("/start")
        await telegram.until(lambda: "admin" in telegram.menu(ben))
    assert list(telegram.menu(ann, group)) == list(telegram.menu(ben, group))
    assert {"video", "cancel", "help"} < set(telegram.menu(ann, group)) < set(EVERY)
    assert telegram.menu(ben, group)["video"] == "生成视频"


async def test_profile_texts_are_set_in_both_languages(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Before the first message, and in the bot's profile."""
    async with run_bot():
        await announced(telegram)
    for language, code in (("en", ""), ("zh", "zh")):
        about = telegram.world.about
        assert about["description", code] == translate(language, "about")
        assert about["short_description", code] == translate(language, "about-short")


async def test_restart_does_not_set_menus_again(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Nor does an admin's repeated /start."""
    ben = telegram.user("Ben")
    async with run_bot(ADMINS=f"telegram:{ben.id}"):
        await announced(telegram)
        await ben.says("/start")
        await telegram.until(lambda: "admin" in telegram.menu(ben))
    before = said(telegram)
    async with run_bot(ADMINS=f"telegram:{ben.id}"):
        await ben.says("/start")
        await ben.chat.shows("/help", times=2)
    assert said(telegram) == before


async def test_menus_are_set_after_an_outage(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """They are tried again until they are set."""
    telegram.faults.add("setMyCommands", "500")
    telegram.faults.add("setMyDescription", "429")
    ann = telegram.user("Ann")
    async with run_bot():
        await telegram.until(lambda: len(telegram.world.about) == TEXTS * len(LANGUAGES))
    assert list(telegram.menu(ann)) == EVERY
    assert len(telegram.faults.suffered) == 2


async def test_admin_menu_is_set_for_admins_only(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Once there is a chat with them."""
    ann = telegram.user("Ann")
    ben, bo = telegram.user("Ben"), telegram.user("博", language="zh")
    async with run_bot(ADMINS=f"telegram:{ben.id},telegram:{bo.id}"):
        await announced(telegram)
        assert "admin" not in telegram.menu(ben)
        await ann.says("/start")
        for admin in (ben, bo):
            await admin.says("/start")
            await telegram.until(lambda admin=admin: "admin" in telegram.menu(admin))  # type: ignore[misc]
    assert list(telegram.menu(ben)) == [*EVERY, "admin"]
    assert telegram.menu(ben)["admin"] == translate("en", "menu-admin")
    assert telegram.menu(bo)["admin"] == translate("zh", "menu-admin")
    assert list(telegram.menu(ann)) == EVERY


async def test_removed_admin_loses_the_menu(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """At the next start, in every language; current admins keep it."""
    ben, bo = telegram.user("Ben"), telegram.user("博", language="zh")
    cleo = telegram.user("Cleo")
    async with run_bot(ADMINS=f"telegram:{ben.id},telegram:{bo.id},telegram:{cleo.id}"):
        for admin in (ben, bo, cleo):
            await admin.says("/start")
            await telegram.until(lambda admin=admin: "admin" in telegram.menu(admin))  # type: ignore[misc]
    async with run_bot(ADMINS=f"telegram:{cleo.id}"):
        await telegram.until(lambda: "admin" not in {*telegram.menu(ben), *telegram.menu(bo)})
    assert telegram.menu(bo)["video"] == "生成视频"
    assert "admin" in telegram.menu(cleo)
    before = said(telegram)
    async with run_bot(ADMINS=f"telegram:{cleo.id}"):
        await cleo.says("/start")
        await cleo.chat.shows("/help", times=2)
    assert said(telegram) == before


async def test_blocked_admin_does_not_stop_other_menus(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Their own menu cannot be set any more."""
    ben, cleo = telegram.user("Ben"), telegram.user("Cleo")
    admins = f"telegram:{ben.id},telegram:{cleo.id}"
    async with run_bot(ADMINS=admins):
        await ben.says("/start")
        await telegram.until(lambda: "admin" in telegram.menu(ben))
        ben.chat.started = False
        await cleo.says("/start")
        await telegram.until(lambda: "admin" in telegram.menu(cleo))
