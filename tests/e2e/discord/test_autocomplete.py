"""What Discord offers while a user types, and the language in which it shows commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.commands.parser import COMMANDS
from bot.presentation.i18n import translate
from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.users import FakeUser
from tests.support.catalog_files import model_toml, write_file

MOST = 25
LOCALES = {"en-US": "en", "en-GB": "en", "zh-CN": "zh", "zh-TW": "zh"}
NOT_WORDS = {"English", "简体中文", "charge", "refund", "attach", "on", "off", "drain"}
"""Choices that are what people would type, or the name of a language in itself."""
OFFERS = '[{ kind = "openai", model = "sora-2" }]'


@pytest.fixture
def general(discord: FakeDiscord, ann: FakeUser) -> Channel:
    """Where she types."""
    return discord.guild("Kites", [discord.user("Bob"), ann]).text("general")


def _catalogue(folder: Path) -> str:
    """Forty models of one kind, and one that is different."""
    plain = [model_toml(name=f'"kite-{number:02}"', offers=OFFERS) for number in range(40)]
    other = model_toml(
        name='"boat"',
        title='"The Boat"',
        durations="[5, 15, 25]",
        sizes='[{ name = "512x512", price = 1 }]',
        styles='["stormy", "calm"]',
        offers=OFFERS,
    )
    return str(write_file(folder, "\n".join([*plain, other])))


# --- while somebody types ----------------------------------------------------------------


async def test_autocomplete_finds_models_beyond_the_first_25(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, tmp_path: Path
) -> None:
    """Of forty models 25 are offered; typing finds the others, the best match first."""
    async with run_with_gateway(CATALOG_FILE=_catalogue(tmp_path)):

        async def offered(typed: str) -> list[str]:
            choices = await ann.types("/video", channel=general, prompt="x", model=typed)
            return [str(choice.value) for choice in choices]

        assert await offered("") == [f"kite-{number:02}" for number in range(MOST)]
        assert await offered("KITE-3") == [f"kite-{number}" for number in range(30, 40)]
        assert await offered("39") == ["kite-39"]
        assert await offered("the b") == ["boat"]
        assert await offered("nothing of the kind") == []
        assert len(await offered("x" * 100)) == 0


async def test_autocomplete_offers_what_the_chosen_model_can_do(
    run_with_gateway: RunBot, ann: FakeUser, general: Channel, tmp_path: Path
) -> None:
    """Durations, sizes and styles are those of the chosen model, else of all models."""
    async with run_with_gateway(CATALOG_FILE=_catalogue(tmp_path)):
        for option, own, another in (
            ("duration", [5, 15, 25], 4),
            ("size", ["512x512"], "1280x720"),
            ("style", ["stormy", "calm"], "calm"),
        ):
            chosen = {"prompt": "x", "model": "BOAT", option: ""}
            choices = await ann.types("/video", channel=general, options=chosen)
            assert [choice.value for choice in choices] == own
            del chosen["model"]
            choices = await ann.types("/video", channel=general, options=chosen)
            assert {*own, another} <= {choice.value for choice in choices}
        choices = await ann.types("/settings", channel=general, duration="25")
        assert [choice.value for choice in choices] == [25]


async def test_autocomplete_offers_only_tasks_of_the_user(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, general: Channel
) -> None:
    """The newest first, at most 25, found by words of the prompt, in the user's language."""
    an = discord.user("安", locale="zh-CN")
    assert general.guild is not None
    general.guild.add(an)
    async with run_with_gateway(DAILY_CREDITS="1000", MAX_ACTIVE_PER_USER="100"):
        for number in range(MOST + 3):
            prompt = f"kite {number:02} {'over the sea ' * 20}"
            await ann.uses("/video", channel=ann.dm, prompt=prompt)
        await ann.dm.shows_video(times=MOST + 3)
        for word in ("/cancel", "/fetch", "/retry", "/remix"):
            more = {"prompt": "x"} if word == "/remix" else {}
            assert await an.types(word, channel=general, options=more | {"task": ""}) == []
        choices = await ann.types("/fetch", channel=general, task="")
        assert len(choices) == MOST
        assert " kite 27 over the sea" in choices[0].name
        assert all(len(choice.name) <= 100 for choice in choices)
        (first,) = await ann.types("/fetch", channel=general, task="KITE 00")
        assert first.name.startswith(f"{first.value} (done) kite 00 over")
        fetch = await ann.uses("/fetch", channel=general, task=first.value)
        assert (await fetch.shows("kite 00")).video
        await an.uses("/video", channel=general, prompt="风筝")
        await general.shows_video()
        (own,) = await an.types("/fetch", channel=general, task="")
        # It is done as soon as it is noted that the video stands there.
        states = [translate("zh", f"state-{state}") for state in ("delivering", "done")]
        assert own.name in [f"{own.value} ({state}) 风筝" for state in states]


# --- what the commands are called --------------------------------------------------------


def _all_of(commands: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each command, option and choice, with its path."""
    for command in commands:
        yield command["name"], command
        for name, inner in _all_of(
            [*(command.get("options") or []), *(command.get("choices") or [])]
        ):
            yield f"{command['name']} {name}", inner


async def test_every_option_and_choice_is_localized(
    discord: FakeDiscord, run_with_gateway: RunBot
) -> None:
    """Options, choices and descriptions exist in every language; command names are words."""
    async with run_with_gateway():
        await discord.until(lambda: discord.world.commands.syncs)
    (sync,) = discord.world.commands.syncs
    seen = 0
    for path, one in _all_of([dict(command) for command in sync.asked]):
        if "value" in one and not (one.get("name_localizations") or {}):
            # What is chosen is what it is called everywhere.
            assert one["name"] in {*NOT_WORDS, str(one["value"])}, path
            continue
        described = one.get("description_localizations") or {}
        named = one.get("name_localizations") or {}
        is_command = one.get("type") == 1
        for told in ([] if is_command else [named], [described] if "description" in one else []):
            for texts in told:
                if texts or one.get("description"):
                    assert set(texts) == set(LOCALES), path
                    seen += 1
                    assert texts["zh-CN"] == texts["zh-TW"]
                    assert not texts["zh-CN"].isascii() or path.endswith("-"), path
                    assert texts["en-US"].isascii()
    assert seen > 60


async def test_chinese_app_shows_localized_names(
    discord: FakeDiscord, run_with_gateway: RunBot
) -> None:
    """Names of options, choices and menus as an app in Chinese shows them."""
    an = discord.user("安", locale="zh-CN")
    general = discord.guild("Kites", [an]).text("general")
    async with run_with_gateway():
        use = await an.uses(
            "/video", channel=general, prompt="风筝", orientation="竖屏", duration=8
        )
        video = await general.shows_video()
        menu = await (await an.uses_menu("修改这个视频", video)).modal
    assert use.words == "uses /video 提示词: 风筝, 方向: 竖屏, 时长: 8"
    assert menu.title == translate("zh", "form-remix")
    (sync,) = discord.world.commands.syncs
    told = {command["name"]: command for command in sync.asked}
    for word in COMMANDS:
        described = told[word.name]["description_localizations"]
        assert described["zh-CN"] == translate("zh", f"help-{word.name}")
        assert told[word.name]["description"] == translate("en", f"help-{word.name}")
