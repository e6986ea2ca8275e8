"""Groups: where videos may be requested, who pays for them, and who may change that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.parser import parse_command
from bot.credits import ledger
from bot.domain.commands import (
    Cancel,
    ChangeGroup,
    Command,
    CommandRequest,
    MakeVideo,
    Reply,
    ShowQuota,
)
from bot.domain.groups import GroupContext
from bot.domain.tasks import Destination, State
from bot.domain.users import User
from bot.services.dispatcher import handle_request
from bot.services.queries import task_by_id
from bot.store.database import Database
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support.credit_limits import CREDIT_LIMITS
from tests.support.fake_clock import FakeClock

ANN, BOB = User("discord:1"), User("discord:2")
ADMIN = User("console:local", is_admin=True)
GUILD, WALLET = "discord:77", "group:discord:77"
HERE = GroupContext(GUILD, ("5",), ("77", "900"))
MANAGER = replace(HERE, can_manage=True)
VIDEO = MakeVideo("a red kite", seconds=4)
DAY = 86400.0


class Guild:
    """A desk, and what is asked at it from a guild."""

    def __init__(self, stage: EngineHarness) -> None:
        self.stage = stage
        self.desk = stage.app_context()

    async def ask(
        self, command: Command, person: User = ANN, there: GroupContext | None = HERE
    ) -> Reply:
        """The answer."""
        return await handle_request(
            CommandRequest(person, Destination("console"), command, group_context=there), self.desk
        )

    async def admin(self, line: str) -> Reply:
        """The answer to an admin at the console."""
        return await self.ask(parse_command(line), ADMIN, None)

    async def left(self, account: str) -> int:
        """What an account can spend."""
        now = self.desk.clock.now()
        return (
            await self.desk.database.read(
                lambda tx: ledger.balance(tx, account, CREDIT_LIMITS, now)
            )
        ).available


@pytest.fixture
async def guild(database: Database, clock: FakeClock, tmp_path: Path) -> Guild:
    """A guild whose gateway makes every video for four credits."""
    stage = EngineHarness(database, tmp_path / "data", clock)
    stage.use_provider(ScriptedProvider(stage.folder, cancel=True, remix=True))
    await stage.register_providers()
    return Guild(stage)


async def test_wallet_pays_and_is_refunded(guild: Guild) -> None:
    """A wallet that an admin has filled pays, is shown, and gets refunds."""
    await guild.admin("/admin group discord:77 6")
    own = await guild.left(ANN.id)
    made = await guild.ask(VIDEO)
    assert made.task is not None
    assert "shared wallet" in made.text
    assert await guild.left(WALLET) == 6 - made.task.price
    assert await guild.left(ANN.id) == own
    assert "2 of today's 6" in (await guild.ask(ShowQuota())).text
    await guild.ask(Cancel(made.task.id))
    assert await guild.left(WALLET) == 6
    assert await guild.desk.database.read(ledger.verify) == []


async def test_user_pays_when_the_wallet_is_empty(guild: Guild) -> None:
    """When the wallet does not suffice, the user's own credits pay."""
    await guild.admin("/admin group discord:77 4")
    assert "shared wallet" in (await guild.ask(VIDEO)).text
    own = await guild.left(ANN.id)
    second = await guild.ask(VIDEO)
    assert second.ok
    assert "shared wallet" not in second.text
    assert await guild.left(ANN.id) == own - 4


async def test_refusal_names_both_balances(guild: Guild) -> None:
    """Without credits in either, the refusal says so, and when they come back."""
    await guild.admin("/admin group discord:77 3")
    await guild.admin("/admin limit discord:1 2")
    refused = await guild.ask(VIDEO)
    assert not refused.ok
    assert "you have 2 of your own, and may take 3 from the shared wallet" in refused.text
    assert await guild.left(WALLET) == 3


async def test_removed_wallet_leaves_payment_to_the_user(guild: Guild) -> None:
    """`group CHAT 0` removes the wallet: members pay themselves again."""
    await guild.admin("/admin group discord:77 100")
    await guild.admin("/admin group discord:77 0")
    made = await guild.ask(VIDEO)
    assert "shared wallet" not in made.text
    assert "shared wallet" not in (await guild.ask(ShowQuota())).text


async def test_role_allowance_is_a_daily_limit(guild: Guild, clock: FakeClock) -> None:
    """Beyond it the user pays; the next day it is new."""
    await guild.admin("/admin group discord:77 100")
    set_ = await guild.ask(ChangeGroup(role="900", role_allowance=4), there=MANAGER)
    assert "<@&900> 4" in set_.text
    assert "shared wallet" in (await guild.ask(VIDEO)).text
    assert "shared wallet" not in (await guild.ask(VIDEO)).text
    without = replace(HERE, role_ids=("77",))
    assert "shared wallet" not in (await guild.ask(VIDEO, BOB, without)).text
    await clock.advance(DAY)
    assert "shared wallet" in (await guild.ask(VIDEO)).text
    await guild.ask(ChangeGroup(role="900", role_allowance=-1), there=MANAGER)
    assert "shared wallet" in (await guild.ask(VIDEO, BOB, without)).text


async def test_concurrent_requests_never_overdraw_the_wallet(guild: Guild) -> None:
    """The wallet pays for as many as it can."""
    await guild.admin("/admin group discord:77 8")
    people = [User(f"discord:{number}") for number in range(100, 120)]
    replies = await asyncio.gather(*(guild.ask(VIDEO, person) for person in people))
    assert sum("shared wallet" in reply.text for reply in replies) == 2
    assert await guild.left(WALLET) == 0
    assert await guild.desk.database.read(ledger.verify) == []


async def test_requests_outside_the_allowed_channels_are_refused(guild: Guild) -> None:
    """The refusal names the channels; a thread counts as its channel."""
    await guild.ask(ChangeGroup(allow="6"), there=MANAGER)
    refused = await guild.ask(VIDEO)
    assert not refused.ok
    assert "<#6>" in refused.text
    own = await guild.left(ANN.id)
    assert (await guild.ask(VIDEO, there=replace(HERE, channel_ids=("9", "6")))).ok
    assert await guild.left(ANN.id) == own - 4
    await guild.ask(ChangeGroup(forbid="6"), there=MANAGER)
    assert (await guild.ask(VIDEO)).ok
    again = await guild.ask(ChangeGroup(forbid="6"), there=MANAGER)
    assert not again.ok
    assert "<#6> is not among the allowed channels" in again.text


async def test_only_managers_change_the_group(guild: Guild) -> None:
    """Outside of a group there is nothing to change."""
    for there, words in ((HERE, "Only those who manage"), (None, "use it there")):
        refused = await guild.ask(ChangeGroup(spoiler=True), there=there)
        assert not refused.ok
        assert words in refused.text
    half = await guild.ask(ChangeGroup(role="900"), there=MANAGER)
    assert not half.ok
    shown = await guild.ask(ChangeGroup(), there=MANAGER)
    assert "not set" in shown.text


async def test_concurrent_changes_are_all_kept(guild: Guild) -> None:
    """What is set at the same moment is all set."""
    channels = [str(number) for number in range(10, 22)]
    await asyncio.gather(
        *(guild.ask(ChangeGroup(allow=channel), there=MANAGER) for channel in channels)
    )
    shown = await guild.ask(ChangeGroup(), there=MANAGER)
    assert [channel for channel in channels if f"<#{channel}>" not in shown.text] == []


async def test_shared_answers_use_the_chosen_language_or_the_groups(guild: Guild) -> None:
    """Public texts use the user's chosen language or the group's; private ones the app's."""
    await guild.ask(ChangeGroup(language="zh", spoiler=True), there=MANAGER)
    made = await guild.ask(VIDEO, replace(ANN, language="en"))
    assert made.task is not None
    assert made.text.startswith("任务")
    assert made.task.language == "zh"
    refused = await guild.ask(replace(VIDEO, model="none"), replace(ANN, language="en"))
    assert refused.text.isascii()
    assert made.task.order.spoiler is True
    await guild.ask(parse_command("/language en"), ANN)
    assert (await guild.ask(VIDEO, ANN)).text.startswith("Task")
    task = await task_by_id(guild.desk, made.task.id)
    assert task is not None
    assert task.state is State.QUEUED
