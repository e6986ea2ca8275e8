"""Credits: nothing is spent twice, lost, or created."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from bot.credits import ledger
from bot.credits.ledger import CreditRules
from bot.domain.errors import Refusal
from bot.domain.tasks import Destination, Order
from bot.domain.users import Balance
from bot.services import accept_task
from bot.services.accept_task import NewTask
from bot.store import accounts, schema
from bot.store.accounts import LedgerEntry
from bot.store.database import Database, Tx

UTC_ZONE = ZoneInfo("UTC")


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


DAY = 86400.0


WHO = "console:a"


def rules(daily: int = 10, zone: ZoneInfo = UTC_ZONE) -> CreditRules:
    return CreditRules(daily, zone)


async def order(database: Database, price: int, now: float = NOW, daily: int = 10) -> str:
    made = Order(model="m", prompt="p", seconds=1)
    draft = NewTask(accept_task.new_task_id(), WHO, Destination("console"), "en", made, price)
    taken = await database.transact(
        lambda tx: accept_task.accept_task(tx, draft, rules(daily), 1000, now)
    )
    return taken.task.id


async def balance(database: Database, now: float = NOW, daily: int = 10) -> Balance:
    return await database.read(lambda tx: ledger.balance(tx, WHO, rules(daily), now))


async def grant(database: Database, amount: int) -> int:
    def give(tx: Tx) -> int:
        accounts.ensure_account(tx, WHO, NOW)
        return ledger.grant(tx, WHO, amount, "console:local", NOW)

    return await database.transact(give)


async def sound(database: Database) -> bool:
    return await database.read(accounts.unbalanced_accounts) == []


async def test_one_of_200_concurrent_requests_gets_the_last_credits(database: Database) -> None:
    """The other 199 are refused with the reason."""
    results = await asyncio.gather(
        *(order(database, 10) for _ in range(200)), return_exceptions=True
    )
    refusals = [result for result in results if isinstance(result, Refusal)]
    assert len(refusals) == 199
    assert {refusal.text_key for refusal in refusals} == {"no-credits"}
    assert refusals[0].params["needed"] == 10
    assert refusals[0].params["have"] == 0
    assert (await balance(database)).held == 10
    assert await sound(database)


async def test_hold_ends_exactly_once(database: Database) -> None:
    """A hold is settled or released exactly once, whatever is called and how often."""
    first, second = await order(database, 3), await order(database, 4)
    assert await database.transact(lambda tx: ledger.settle(tx, first, NOW)) == 3
    assert await database.transact(lambda tx: ledger.release(tx, first, NOW)) == 0
    assert await database.transact(lambda tx: ledger.release(tx, second, NOW)) == 4
    assert await database.transact(lambda tx: ledger.settle(tx, second, NOW)) == 0
    now = await balance(database)
    assert (now.daily, now.held) == (7, 0)
    assert await sound(database)


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "hold", "daily": -1, "held": 1},
        {"kind": "settle", "held": -3},
        {"kind": "release", "daily": 3, "held": -3},
    ],
)
async def test_tables_refuse_a_second_hold_or_settlement(
    database: Database, entry: dict[str, int]
) -> None:
    """The constraints alone refuse a second hold or a second ending."""
    task = await order(database, 3)
    await database.transact(lambda tx: ledger.settle(tx, task, NOW))
    wrong = LedgerEntry(WHO, NOW, task_id=task, **entry)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError):
        await database.transact(lambda tx: accounts.post_entry(tx, wrong))
    assert await sound(database)


@pytest.mark.parametrize("column", ["daily", "granted", "held"])
async def test_tables_refuse_a_negative_balance(database: Database, column: str) -> None:
    """The tables refuse a negative balance of any kind."""
    await grant(database, 1)
    with pytest.raises(IntegrityError):
        await database.transact(lambda tx: tx.execute(update(schema.accounts).values({column: -1})))


async def test_verify_finds_wrong_balances_and_missing_holds(database: Database) -> None:
    """An account that is not the sum of its entries, and a task without a hold."""
    task = await order(database, 3)
    assert await database.read(ledger.verify) == []
    await database.transact(lambda tx: tx.execute(update(schema.accounts).values(granted=5)))
    await database.transact(
        lambda tx: tx.execute(
            update(schema.tasks).values(state="cancelled").where(schema.tasks.c.id == task)
        )
    )
    lines = await database.read(ledger.verify)
    assert len(lines) == 2
    assert WHO in lines[0]
    assert task in lines[1]


async def test_daily_credits_are_spent_before_granted_credits(database: Database) -> None:
    """Granted credits stay over midnight."""
    await grant(database, 5)
    await order(database, 12)
    now = await balance(database)
    assert (now.daily, now.granted, now.held) == (0, 3, 12)
    tomorrow = await balance(database, NOW + DAY)
    assert (tomorrow.daily, tomorrow.granted) == (10, 3)


async def test_daily_credits_released_after_midnight_expire(database: Database) -> None:
    """Granted ones come back; no credit is created."""
    await grant(database, 5)
    task = await order(database, 12)
    await order(database, 1, NOW + DAY)
    await database.transact(lambda tx: ledger.release(tx, task, NOW + DAY))
    now = await balance(database, NOW + DAY)
    assert (now.daily, now.granted, now.held) == (9, 5, 1)
    assert await sound(database)


async def test_clock_set_back_does_not_refill_twice(database: Database) -> None:
    """A day is refilled once, even when the clock goes back over midnight and on again."""
    await order(database, 10)
    with pytest.raises(Refusal, match="no-credits"):
        await order(database, 1, NOW - DAY)
    with pytest.raises(Refusal, match="no-credits"):
        await order(database, 1)


async def test_limit_of_zero_removes_daily_credits(database: Database) -> None:
    """A limit of 0 applies at once; a higher one gives what is left of it today."""

    async def limit(amount: int) -> None:
        await database.transact(
            lambda tx: ledger.set_daily_limit(tx, WHO, amount, rules(), NOW, "console:local")
        )

    await order(database, 4)
    await limit(0)
    assert (await balance(database)).available == 0
    assert (await balance(database, NOW + DAY)).available == 0
    await limit(20)
    assert (await balance(database)).daily_limit == 20
    assert await sound(database)


async def test_granted_credits_can_be_taken_back_down_to_zero(database: Database) -> None:
    """Granted credits can be taken back down to zero, not below."""
    await grant(database, 5)
    assert await grant(database, -9) == -5
    assert (await balance(database)).granted == 0


_MOVES = st.lists(
    st.tuples(
        st.sampled_from(["order", "settle", "release", "grant", "limit", "day"]),
        st.integers(0, 15),
    ),
    max_size=25,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=_MOVES)
async def test_balances_equal_their_entries_after_any_sequence(
    database: Database, moves: list[tuple[str, int]]
) -> None:
    """Whatever is done in whatever order, balances are the sums of the entries."""
    now, held = NOW, []
    for move, number in moves:
        if move == "day":
            now += DAY
        elif move == "order":
            try:
                held.append(await order(database, number, now))
            except Refusal:
                continue
        elif move == "grant":
            await grant(database, number - 5)
        elif move == "limit":

            def limit(tx: Tx, number: int = number, now: float = now) -> None:
                accounts.ensure_account(tx, WHO, now)
                ledger.set_daily_limit(tx, WHO, number, rules(), now, "x")

            await database.transact(limit)
        elif held:
            task = held[number % len(held)]
            ending = ledger.settle if move == "settle" else ledger.release

            def end(tx: Tx, task: str = task, now: float = now) -> int:
                return ending(tx, task, now)  # noqa: B023 - run at once

            await database.transact(end)
        assert await sound(database)
