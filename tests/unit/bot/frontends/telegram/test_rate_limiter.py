"""Telegram's flood limits: none is exceeded, and no call waits longer than they demand."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.frontends.telegram.rate_limiter import Priority, RateLimiter, RateLimits
from tests.support.fake_clock import FakeClock

PERSON, OTHER, GROUP = 101, 102, -201
LATE = 1.05
SECOND = LATE * RateLimits().overall_window
"""How much longer than the rules say somebody may be made to wait."""


class CountingClock(FakeClock):
    """Counts how often somebody goes to sleep."""

    slept = 0

    async def sleep(self, seconds: float) -> None:
        self.slept += 1
        await super().sleep(seconds)


@dataclass(frozen=True)
class Sent:
    at: float
    """Seconds since the start."""
    chat: int
    rank: Priority
    number: int
    """Of the request, in the order in which they came; -1: an edit that did not wait."""
    asked: float
    step: int


class Crowd:
    """People in chats who want something sent, and what Telegram gets to see of it."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or CountingClock()
        self.start = self.clock.now()
        self.pace = RateLimiter(self.clock)
        self.sent: list[Sent] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.waiting: dict[int, set[tuple[Priority, int]]] = defaultdict(set)
        self.overtaken: list[Sent] = []
        self.held: list[tuple[int, float, float]] = []
        """Chat, from, until."""
        self.step = 0

    def now(self) -> float:
        return self.clock.now() - self.start

    def ask(
        self, chat: int, rank: Priority = Priority.ANSWER, times: int = 1
    ) -> list[asyncio.Task[None]]:
        new = []
        for _ in range(times):
            new.append(asyncio.ensure_future(self._turn(chat, rank, len(self.tasks))))
            self.tasks += new[-1:]
        return new

    async def _turn(self, chat: int, rank: Priority, number: int) -> None:
        asked, mine, others = self.now(), (rank, number), self.waiting[chat]
        others.add(mine)
        try:
            await self.pace.acquire(chat, rank)
            one = Sent(self.now(), chat, rank, number, asked, self.step)
            self.sent.append(one)
            if min(others) != mine:
                self.overtaken.append(one)
        finally:
            others.discard(mine)

    def edit(self, chat: int) -> float:
        again = self.pace.try_acquire_edit(chat)
        if again == 0:
            self.sent.append(Sent(self.now(), chat, Priority.EDIT, -1, self.now(), self.step))
        return again

    def hold(self, chat: int, seconds: float) -> None:
        self.pace.pause(chat, seconds)
        self.held.append((chat, self.now(), self.now() + seconds))

    async def wait(self, seconds: float) -> None:
        await self.clock.advance(0)
        await self.clock.advance(seconds)
        self.step += 1

    def times(self, *chats: int) -> list[float]:
        return [round(call.at, 1) for call in self.sent if not chats or call.chat in chats]

    def ranks(self) -> list[Priority]:
        return [call.rank for call in self.sent]

    def check(self) -> None:
        """No limit was exceeded, nor anybody overtaken in a chat or where all could go."""
        rules = RateLimits()
        for chat in {call.chat for call in self.sent}:
            here = [call for call in self.sent if call.chat == chat]
            edits = [call.at for call in here if call.rank is Priority.EDIT]
            if chat > 0:
                assert most_within(rules.private_every, [call.at for call in here]) <= 1
                assert most_within(rules.edit_every_private, edits) <= 1
            else:
                every = [call.at for call in here]
                assert most_within(rules.group_window, every) <= rules.group_most
                assert most_within(rules.edit_every_group, edits) <= 1
            for held, since, until in self.held:
                assert not [
                    call for call in here if chat == held and since < call.at < until - 1e-5
                ]
        assert most_within(1.0, [call.at for call in self.sent]) <= rules.overall
        assert not self.overtaken
        for one, after in pairwise(call for call in self.sent if call.number >= 0):
            if (one.at, one.step) == (after.at, after.step):
                assert (one.rank, one.number) < (after.rank, after.number)

    def needlessly_late(self) -> list[Sent]:
        """Those that no limit can have held back until they went."""
        return [call for call in self.sent if call.at > call.asked and not self._bound(call)]

    def _bound(self, one: Sent) -> bool:
        before = one.at - 1e-3
        rules, all_before = RateLimits(), [two for two in self.sent if two.at < before]
        here = [two for two in all_before if two.chat == one.chat]
        most = rules.group_most - (rules.group_reserve if one.rank is Priority.EDIT else 0)
        edits = [two.at for two in here if two.rank is Priority.EDIT]
        if one.chat > 0:
            full = since([two.at for two in here], before - LATE * rules.private_every) >= 1
            between = rules.edit_every_private
        else:
            full = since([two.at for two in here], before - LATE * rules.group_window) >= most
            between = rules.edit_every_group
        return (
            full
            or since([two.at for two in all_before], before - SECOND) >= rules.overall
            or (one.rank is Priority.EDIT and since(edits, before - LATE * between) >= 1)
            or any(chat == one.chat and start <= before < end for chat, start, end in self.held)
        )


def since(times: Iterable[float], moment: float) -> int:
    return sum(at > moment for at in times)


def most_within(seconds: float, times: list[float]) -> int:
    """The maximum of calls in any window of this length, its start included."""
    assert times == sorted(times)
    before = [bisect_right(times, at - seconds) for at in times]
    return max((index + 1 - gone for index, gone in enumerate(before)), default=0)


@asynccontextmanager
async def gathering(clock: FakeClock | None = None) -> AsyncIterator[Crowd]:
    crowd = Crowd(clock)
    yield crowd
    for task in crowd.tasks:
        task.cancel()
    await asyncio.gather(*crowd.tasks, return_exceptions=True)


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    async with gathering() as it:
        yield it


# --- the limits --------------------------------------------------------------------------


async def test_private_chat_gets_one_message_a_second(crowd: Crowd) -> None:
    """A private chat takes one message a second, the first at once."""
    crowd.ask(PERSON, times=5)
    await crowd.wait(10)
    assert crowd.times() == pytest.approx([0, 1, 2.1, 3.1, 4.2])
    crowd.check()


async def test_group_gets_at_most_20_messages_a_minute(crowd: Crowd) -> None:
    """20 go at once, and each further one when one of them is a minute old."""
    crowd.ask(GROUP, times=15)
    await crowd.wait(30)
    crowd.ask(GROUP, times=30)
    await crowd.wait(100)
    assert Counter(at // 30 for at in crowd.times()) == {0: 15, 1: 5, 2: 15, 3: 5, 4: 5}
    crowd.check()


async def test_all_chats_together_get_at_most_30_messages_a_second(crowd: Crowd) -> None:
    """30 go at once, the next 30 more than a second later."""
    for person in range(1, 71):
        crowd.ask(person)
    await crowd.wait(10)
    assert list(Counter(crowd.times()).values()) == [30, 30, 10]
    crowd.check()


async def test_windows_include_a_margin_for_travel_time(crowd: Crowd) -> None:
    """Windows are a little longer than the rules say: Telegram counts arrivals."""
    crowd.ask(PERSON, times=2)
    crowd.ask(GROUP, times=21)
    await crowd.wait(100)
    first, second = (call.at for call in crowd.sent if call.chat == PERSON)
    assert 1.01 < second - first < LATE
    assert 61 < crowd.sent[-1].at < 60 * LATE


async def test_second_in_private_chat_starts_at_the_answer(crowd: Crowd) -> None:
    """The next message waits a second from the answer to the one before."""
    crowd.ask(PERSON, times=2)
    await crowd.wait(0.5)
    crowd.pace.mark_delivered(PERSON)
    crowd.pace.mark_delivered(OTHER)
    await crowd.wait(10)
    assert crowd.times(PERSON) == [0, 1.5]


async def test_crowd_needs_no_longer_than_the_limits_demand(crowd: Crowd) -> None:
    """1,000 messages to 550 chats are 34 times 30: 33 windows between them, and little more."""
    for number in range(10):
        for group in range(50):
            crowd.ask(-1 - group, Priority(number % 3))
    for person in range(500):
        crowd.ask(1 + person, Priority(person % 3))
    await crowd.wait(33 * SECOND)
    assert len(crowd.sent) == 1000
    assert crowd.ranks() == sorted(crowd.ranks())
    crowd.check()


# --- who goes first ----------------------------------------------------------------------


async def test_result_goes_before_text_in_its_chat(crowd: Crowd) -> None:
    """By priority first, then in order of arrival."""
    crowd.ask(PERSON, Priority.EDIT)
    crowd.ask(PERSON, Priority.WORD, times=2)
    crowd.ask(PERSON, Priority.ANSWER)
    await crowd.wait(0.5)
    crowd.ask(PERSON, Priority.RESULT)
    await crowd.wait(10)
    assert crowd.ranks() == [
        Priority.ANSWER,
        Priority.RESULT,
        Priority.WORD,
        Priority.WORD,
        Priority.EDIT,
    ]
    crowd.check()


async def test_result_goes_before_answers_in_other_chats(crowd: Crowd) -> None:
    """Where only the overall limit applies, priority decides between chats."""
    for person in range(1, 61):
        crowd.ask(person)
    await crowd.wait(0.1)
    crowd.ask(PERSON, Priority.RESULT)
    await crowd.wait(SECOND)
    assert crowd.sent[30].rank is Priority.RESULT
    await crowd.wait(10)
    assert [call.number for call in crowd.sent] == [*range(30), 60, *range(30, 60)]


async def test_full_group_does_not_delay_other_chats(crowd: Crowd) -> None:
    """Results that wait for a full group do not delay answers elsewhere."""
    crowd.ask(GROUP, Priority.RESULT, times=200)
    await crowd.wait(2)
    crowd.ask(PERSON)
    await crowd.wait(0)
    assert crowd.times(PERSON) == [2]


async def test_newcomer_with_an_earlier_slot_goes_first(crowd: Crowd) -> None:
    """A call that can go earlier than all waiting ones does so at once."""
    crowd.hold(GROUP, 3000)
    crowd.hold(OTHER, 5)
    crowd.ask(GROUP)
    await crowd.wait(1)
    crowd.ask(OTHER)
    await crowd.wait(1)
    crowd.ask(PERSON)
    await crowd.wait(10)
    assert crowd.times() == [2, 5]


# --- edits -------------------------------------------------------------------------------


async def test_edits_keep_their_interval(crowd: Crowd) -> None:
    """Every 2 s for a user, every 5 s in a group; a refused edit learns when to try again."""
    for chat in (PERSON, GROUP):
        for _ in range(6):
            assert crowd.edit(chat) == 0
            again = crowd.edit(chat)
            assert 0 < again <= LATE * (2 if chat > 0 else 5)
            await crowd.wait(again)
    crowd.check()


async def test_edits_leave_six_slots_a_minute_for_messages(crowd: Crowd) -> None:
    """However often edits are tried, six slots of a group's minute stay free for messages."""
    crowd.ask(GROUP, times=10)
    for _ in range(118):
        await crowd.wait(0.5)
        crowd.edit(GROUP)
    assert len(crowd.sent) == 14
    crowd.ask(GROUP, times=7)
    await crowd.wait(0)
    assert crowd.times()[14:] == [59] * 6
    crowd.check()


async def test_edit_counts_as_a_message_in_a_private_chat(crowd: Crowd) -> None:
    """It delays the messages after it, and is delayed by those before it."""
    assert crowd.edit(PERSON) == 0
    crowd.ask(PERSON)
    await crowd.wait(1.5)
    assert crowd.times() == [0, 1]
    again = crowd.edit(PERSON)
    assert 0 < again < 1
    await crowd.wait(again)
    assert crowd.edit(PERSON) == 0
    crowd.check()


async def test_edit_never_takes_the_slot_of_a_waiter_in_its_chat(crowd: Crowd) -> None:
    """It is refused, even where the chat has just become free."""
    crowd.hold(GROUP, 10)
    crowd.ask(GROUP)
    await crowd.wait(9.9)
    assert crowd.edit(GROUP) >= 1
    crowd.ask(PERSON)
    assert crowd.edit(PERSON) == 0  # Nobody waits there yet: the request has not begun.
    await asyncio.sleep(0)
    assert crowd.edit(PERSON) > 0


async def test_edit_never_takes_the_slot_of_a_waiter_elsewhere(crowd: Crowd) -> None:
    """Not while the overall limit delays a call, nor in the moment in which that ends."""
    for person in range(1, 36):
        crowd.ask(person)
    await crowd.wait(1)
    assert crowd.edit(GROUP) >= 1
    await crowd.wait(SECOND - 1)
    assert len(crowd.sent) == 35
    assert crowd.edit(GROUP) == 0


async def test_edits_leave_slots_for_unexpected_messages(crowd: Crowd) -> None:
    """Some slots of each second stay free for messages that come after the edits."""
    allowed = sum(crowd.edit(person) == 0 for person in range(1, 101))
    assert allowed == 20
    for person in range(201, 211):
        crowd.ask(person, Priority.RESULT)
    await crowd.wait(0)
    assert crowd.times() == [0] * 30
    crowd.check()


async def test_edits_leave_slots_for_chats_that_are_free_soon(crowd: Crowd) -> None:
    """28 chats are free in half a second: two edits fit in before them, and no third."""
    for person in range(1, 29):
        crowd.hold(person, 0.5)
        crowd.ask(person)
    await crowd.wait(0)
    allowed = sum(crowd.edit(person) == 0 for person in range(101, 131))
    assert allowed == 2
    await crowd.wait(1)
    assert crowd.times(*range(1, 29)) == [0.5] * 28


async def test_edits_are_limited_only_by_waiters_that_can_go(crowd: Crowd) -> None:
    """Of 28 that wait for one group 20 can go when it is free: edits get ten slots."""
    crowd.hold(GROUP, 0.5)
    crowd.ask(GROUP, times=28)
    await crowd.wait(0)
    assert sum(crowd.edit(person) == 0 for person in range(101, 131)) == 10
    await crowd.wait(1)
    assert crowd.times(GROUP) == [0.5] * 20


@given(st.lists(st.integers(1, 60), min_size=1, max_size=120), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
async def test_edits_never_delay_waiters(tenths: list[int], seed: int) -> None:
    """With edits tried all the time, earlier calls are sent no later than without."""
    ends = []
    for edits in (False, True):
        async with gathering() as crowd:
            for number, tenth in enumerate(tenths):
                chat = -1 - number % 3 if (seed + number) % 4 == 0 else 1 + number % 97
                crowd.hold(chat, tenth / 10)
                crowd.ask(chat, Priority((seed + number) % 3))
            await crowd.wait(0)
            for _ in range(80):
                for chat in range(1000, 1040):
                    if edits:
                        crowd.edit(chat)
                await crowd.wait(0.1)
            await crowd.wait(200)
            crowd.check()
            ends.append(
                [(call.number, round(call.at, 4)) for call in crowd.sent if call.number >= 0]
            )
    assert ends[0] == ends[1]


# --- 429 ---------------------------------------------------------------------------------


async def test_retry_after_holds_one_chat_only(crowd: Crowd) -> None:
    """Nothing goes to that chat for the time, edits included; other chats are not affected."""
    crowd.hold(PERSON, 30)
    for _ in range(3):
        crowd.ask(PERSON, Priority.RESULT)
        crowd.ask(OTHER)
        crowd.ask(GROUP)
    await crowd.wait(29)
    assert crowd.edit(PERSON) > 0
    assert crowd.times(OTHER) == [0, 1, 2.1]
    assert crowd.times(GROUP) == [0, 0, 0]
    await crowd.wait(10)
    assert crowd.times(PERSON) == [30, 31, 32.1]
    crowd.check()


async def test_longest_hold_wins(crowd: Crowd) -> None:
    """It also applies to calls that wait already."""
    crowd.ask(PERSON, times=2)
    await crowd.wait(0.5)
    crowd.hold(PERSON, 60)
    crowd.hold(PERSON, 1)
    crowd.hold(PERSON, -5)
    await crowd.wait(100)
    assert crowd.times() == [0, 60.5]


# --- cancelling, failing -----------------------------------------------------------------


async def test_cancelled_waiter_frees_its_slot(crowd: Crowd) -> None:
    """A call that is cancelled while it waits delays no other."""
    first, *rest = crowd.ask(PERSON, times=5)
    await crowd.wait(0.5)
    for task in rest[:3]:
        task.cancel()
    await crowd.wait(10)
    assert first.done()
    assert crowd.times() == [0, 1]


@pytest.mark.parametrize("turns", range(8))
async def test_cancel_in_the_moment_of_service_serves_the_next(turns: int) -> None:
    """In whichever turn of the loop it happens, the next call is served, one slot later at most."""
    async with gathering() as crowd:
        first, second = crowd.ask(PERSON, times=2)
        for _ in range(turns):
            await asyncio.sleep(0)
        first.cancel()
        await crowd.wait(2)
        assert second.done()
        await second
        assert crowd.edit(PERSON) == 0 or crowd.sent[-1].at > 1


async def test_timer_ends_when_nobody_waits(crowd: Crowd) -> None:
    """No task is left asleep."""
    before = asyncio.all_tasks()
    crowd.ask(GROUP, times=20)
    await crowd.wait(1)
    assert asyncio.all_tasks() == before
    (last,) = crowd.ask(GROUP)
    await crowd.wait(1)
    assert len(asyncio.all_tasks() - before) == 2
    last.cancel()
    await crowd.wait(0)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("turns", range(6))
async def test_cancelled_timer_is_replaced(turns: int) -> None:
    """Whatever cancels it, and whenever, another one takes its place."""
    async with gathering() as crowd:
        ours = {asyncio.current_task(), *crowd.ask(PERSON, times=3)}
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - ours:
            task.cancel()
        await crowd.wait(5)
        assert crowd.times() == [0, 1, 2.1]


class StoppedClock(FakeClock):
    """Cannot sleep until it is mended."""

    broken = True

    async def sleep(self, seconds: float) -> None:
        if self.broken:
            raise OSError("no timer")
        await super().sleep(seconds)


async def test_failing_timer_is_reported_to_waiters() -> None:
    """Waiting calls get the failure, and later ones are served."""
    clock = StoppedClock()
    async with gathering(clock) as crowd:
        tasks = crowd.ask(PERSON, times=3) + crowd.ask(GROUP, times=21)
        await crowd.wait(0)
        assert len(crowd.sent) == 21
        failed = [task for task in tasks if task.exception() is not None]
        assert {str(task.exception()) for task in failed} == {"no timer"}
        assert len(failed) == 3
        clock.broken = False
        crowd.ask(PERSON)
        await crowd.wait(2)
        assert crowd.times(PERSON) == [0, 1]


class CorrectedClock(FakeClock):
    """Can be put back."""

    back = 0.0

    def now(self) -> float:
        return super().now() - self.back


async def test_clock_set_back_neither_blocks_nor_breaks_limits() -> None:
    """Set back by an hour, the clock delays no call by an hour, and every limit holds."""
    clock = CorrectedClock()
    async with gathering(clock) as crowd:
        crowd.ask(PERSON)
        await crowd.wait(0.5)
        clock.back = 3600
        crowd.ask(PERSON)
        await crowd.wait(0.4)
        assert len(crowd.sent) == 1
        await crowd.wait(2)
        assert len(crowd.sent) == 2


# --- cost --------------------------------------------------------------------------------


async def test_quiet_chats_are_forgotten(crowd: Crowd) -> None:
    """Of 2,000 chats nothing is remembered once their windows are over."""
    for chat in range(1, 2001):
        crowd.ask(chat if chat % 2 else -chat)
        crowd.edit(chat * 10_000)
        crowd.hold(-chat * 10_000, chat % 50)
    await crowd.wait(200)
    assert len(crowd.sent) >= 2000
    crowd.edit(PERSON)
    assert len(crowd.pace._chats) == 1  # noqa: SLF001


async def test_hold_outlives_the_windows_of_a_quiet_chat(crowd: Crowd) -> None:
    """What Telegram requested is kept longer than the windows."""
    crowd.hold(PERSON, 5000)
    await crowd.wait(4000)
    assert crowd.edit(OTHER) == 0
    assert crowd.edit(PERSON) == pytest.approx(1000)


async def test_held_chat_forgets_cancelled_waiters(crowd: Crowd) -> None:
    """The queue of a held chat does not grow while calls come and are cancelled."""
    crowd.hold(PERSON, 5000)
    crowd.ask(PERSON, Priority.RESULT)
    for _ in range(300):
        (task,) = crowd.ask(PERSON)
        await crowd.wait(0)
        task.cancel()
    await crowd.wait(0)
    waiting = crowd.pace._chats[PERSON].waiting  # noqa: SLF001
    assert len(waiting) == 1
    assert len(waiting._heap) < 30  # noqa: SLF001


async def test_timer_wakes_once_for_each_free_slot() -> None:
    """It sleeps once for each moment at which a call can go, and not in between."""
    clock = CountingClock()
    async with gathering(clock) as crowd:
        crowd.hold(OTHER, 3600)
        crowd.ask(OTHER)
        crowd.ask(PERSON, times=10)
        crowd.ask(GROUP, times=40)
        await crowd.wait(4000)
        assert len(crowd.sent) == 51
        assert clock.slept <= len({round(call.at, 3) for call in crowd.sent})


async def test_blocked_chats_do_not_wake_the_timer() -> None:
    """While the overall limit blocks every call, nothing else wakes it."""
    clock = CountingClock()
    async with gathering(clock) as crowd:
        for person in range(1, 61):
            crowd.hold(person, 0.0 if person <= 30 else person / 100)
            crowd.ask(person)
        await crowd.wait(10)
        assert list(Counter(crowd.times()).values()) == [30, 30]
        assert clock.slept == 1


async def test_cost_of_a_slot_does_not_grow_with_waiting_chats() -> None:
    """With 100 times as many waiting chats a slot costs about the same."""
    costs = []
    for others in (200, 20_000):
        async with gathering() as crowd:
            for chat in range(others):
                crowd.hold(1000 + chat, 3600)
                crowd.ask(1000 + chat)
            await crowd.wait(0)
            costs.append(min([await cost_of_turns(crowd) for _ in range(5)]))
    assert costs[1] < 10 * costs[0]


async def cost_of_turns(crowd: Crowd) -> float:
    before = time.perf_counter()
    for chat in range(1, 16):  # With the edits no more than go at once: the clock stands still.
        await crowd.pace.acquire(chat, Priority.WORD)
        crowd.pace.try_acquire_edit(-chat)
    cost = time.perf_counter() - before
    await crowd.clock.advance(100)
    return cost


# --- anything at all ---------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "crowd", "edit", "hold", "cancel", "wait", "wait"]),
        st.sampled_from([1, 2, 3, -1, -2]),
        st.sampled_from(Priority),
        st.integers(0, 40),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=150, deadline=None)
async def test_limits_and_priorities_hold_for_any_sequence(
    steps: list[tuple[str, int, Priority, int]],
) -> None:
    """Whatever comes in whatever order, limits and priorities hold, and no call waits in excess."""
    async with gathering() as crowd:
        for step in steps:
            await play(crowd, *step)
        await crowd.wait(20_000)
        assert all(task.done() for task in crowd.tasks)
        served = [call for call in crowd.sent if call.number >= 0]
        assert len(served) == sum(not task.cancelled() for task in crowd.tasks)
        crowd.check()
        assert not crowd.needlessly_late()


async def play(crowd: Crowd, word: str, chat: int, rank: Priority, number: int) -> None:
    match word:
        case "ask":
            crowd.ask(chat, rank, number // 2)
        case "crowd":
            for person in range(number):
                crowd.ask(1000 + person, rank)
        case "edit":
            crowd.edit(chat)
        case "hold":
            crowd.hold(chat, number)
        case "cancel":
            for task in crowd.tasks[number::41]:
                task.cancel()
        case _:
            await crowd.wait(number / 7 if number < 35 else number)
