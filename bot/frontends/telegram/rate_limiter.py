"""Telegram's flood limits, kept on our side before Telegram answers with a 429.

The limits: about one message a second in a private chat, 20 a minute in a group, 30 a second in all
chats together (https://core.telegram.org/bots/faq). Edits count as messages do.

Each chat with waiting messages is in one of two queues: `_ready`, by priority and arrival, if only
the limit over all chats holds it back; `_later`, by time, if its own limits do. So nothing is ever
searched, and a full or paused chat delays no other. A chat without waiting messages stays in
`_idle` until its limits no longer apply, and is then forgotten. While messages wait, one task (the
timer) sleeps until the next one may go.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import Generic, TypeVar

from bot.ports import Clock

_GAP_SHARE = 0.02
_JITTER = 0.02
"""Telegram counts on arrival, and latency varies.

So every window is longer than the rule by this share and these seconds.
"""
_MAX_LATE_S = 120.0
"""How late in seconds a result may come back: the engine's longest delay."""
_NEVER = -math.inf
_MAX_STALE_ENTRIES = 16
"""Stale entries that a heap may always contain."""

_T = TypeVar("_T", bound=Hashable)
_Key = tuple[float, int]
"""A priority or a time, and a tie-breaker."""


class Priority(IntEnum):
    """Priority of a message: results, replies, other messages, edits.

    An edit that must be made waits for its slot; one that may be dropped uses `try_acquire_edit`.
    """

    RESULT = 0
    ANSWER = 1
    WORD = 2
    EDIT = 3


@dataclass(frozen=True)
class RateLimits:
    """How much a bot may send; times in seconds."""

    overall: int = 30
    """Messages and edits per `overall_window`, over all chats."""
    overall_window: float = 1.25
    """One second, plus the spread with which simultaneous messages may arrive."""
    private_every: float = 1.0
    """Between two messages or edits in a private chat."""
    group_most: int = 20
    """Messages and edits per `group_window` in a group."""
    group_window: float = 60.0
    group_reserve: int = 6
    """How many of these edits leave to messages."""
    edit_every_group: float = 5.0
    """Between two edits in a group, whichever messages they change."""
    edit_every_private: float = 2.0
    overall_reserve: int = 10
    """How many of `overall` `try_acquire_edit` leaves to messages not yet known."""


class RateLimiter:
    """Delays messages and edits until Telegram accepts them. For one event loop."""

    def __init__(self, clock: Clock, rules: RateLimits = RateLimits()) -> None:
        self._clock = clock
        self._rules = rules
        self._latest = clock.now()
        self._behind = 0.0
        """Seconds that the clock was set back since the start."""
        self._order = count()
        self._overall = _Window(rules.overall, rules.overall_window)
        self._chats: dict[int, _Chat] = {}
        self._ready: _PriorityQueue[int] = _PriorityQueue()
        self._later: _PriorityQueue[int] = _PriorityQueue()
        self._idle: _PriorityQueue[int] = _PriorityQueue()
        self._timer: asyncio.Task[None] | None = None
        self._rings = _NEVER
        """When the timer fires."""

    async def acquire(self, chat: int, priority: Priority) -> None:
        """Wait until one message may be sent to this chat, and take its slot.

        Ids above 0 are private chats. Served by rank, then first come first served: in the chat,
        and among the chats where only the overall limit holds them back. Who is cancelled gives
        the place back; whoever was served already has used the slot.
        """
        now = self._now()
        chat_state = self._chat_state(chat, now)
        served: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        chat_state.waiting.put(served, (priority, next(self._order)))
        self._place(chat, now)
        self._set_timer()
        try:
            await served
        finally:
            if chat_state.waiting.drop(served):
                self._place(chat, self._now())
                self._set_timer()

    def wait(self, chat: int, priority: Priority) -> float:
        """Return the seconds until this chat's own limits allow one more; 0.0: now."""
        now = self._now()
        return max(self._chat_state(chat, now).next_free_at(priority) - now, 0.0)

    def reserve_for_retry(self, chat: int, seconds: float) -> None:
        """Reserve a slot for a result that comes back in some seconds: edits must not take it."""
        now = self._now()
        chat_state = self._chat_state(chat, now)
        chat_state.expected = max(chat_state.expected, now + seconds + _MAX_LATE_S)
        self._place(chat, now)

    def try_acquire_edit(self, chat: int) -> float:
        """Take a slot for an edit and return 0.0, or return the seconds until it is worth asking.

        An edit delays nobody who already waits, in this chat or another.
        """
        now = self._now()
        chat_state = self._chat_state(chat, now)
        moment = max(
            chat_state.next_free_at(Priority.EDIT),
            self._overall.next_free_at(self._rules.overall_reserve),
        )
        if chat_state.waiting or self._ready or self._would_delay(now):
            return max(moment - now, self._overall.seconds)
        if moment > now:
            return moment - now
        self._take(chat, Priority.EDIT, now)
        return 0.0

    def mark_delivered(self, chat: int) -> None:
        """Record that Telegram answered: the message counts from now at the latest.

        However slow it was, the next one in a private chat stays one second behind it.
        """
        chat_state = self._chats.get(chat)
        if chat_state is not None:
            now = self._now()
            chat_state.messages.arrived(now)
            self._place(chat, now)

    def pause(self, chat: int, seconds: float) -> None:
        """Send nothing to this chat for some seconds, as a 429 demands.

        Telegram's time runs from its response, ours from when we read it, so no margin is needed.
        """
        now = self._now()
        chat_state = self._chat_state(chat, now)
        chat_state.held = max(chat_state.held, now + seconds)
        self._place(chat, now)

    # --- what is known of chats ----------------------------------------------------------

    def _now(self) -> float:
        """Return UNIX seconds that never decrease: a clock set back must not block the bot."""
        clock_time = self._clock.now()
        self._latest = max(clock_time + self._behind, self._latest)
        self._behind = self._latest - clock_time
        return self._latest

    def _chat_state(self, chat: int, now: float) -> _Chat:
        while self._idle and self._idle.first()[0][0] <= now:
            _, quiet = self._idle.first()
            self._idle.drop(quiet)
            del self._chats[quiet]
        if chat not in self._chats:
            self._chats[chat] = _Chat(self._rules, group=chat <= 0)
            self._place(chat, now)
        return self._chats[chat]

    def _place(self, chat: int, now: float) -> None:
        """Update the position of a chat after a change."""
        chat_state = self._chats[chat]
        if not chat_state.waiting:
            queue, key = self._idle, (chat_state.is_idle(), chat)
        else:
            (priority, number), _ = chat_state.waiting.first()
            moment = chat_state.next_free_at(priority)
            if moment <= now:
                queue, key = self._ready, (priority, number)
            else:
                queue, key = self._later, (moment, number)
        for other in (self._ready, self._later, self._idle):
            if other is not queue:
                other.drop(chat)
        queue.put(chat, key)

    def _take(self, chat: int, priority: float, now: float) -> None:
        self._chats[chat].take(priority, now)
        self._overall.take(now)
        self._place(chat, now)

    def _would_delay(self, now: float) -> bool:
        """Whether an edit now could delay a message whose chat is free within its second."""
        end = now + self._overall.seconds
        taken = 1
        for (moment, _), chat in self._later.until(end, self._rules.overall):
            chat_state = self._chats[chat]
            taken += min(len(chat_state.waiting), chat_state.messages.available_at(end))
            if taken > self._overall.available_at(moment):
                return True
        return False

    # --- serving -------------------------------------------------------------------------

    def _serve(self) -> None:
        """Release everything that may go, and set the timer for the next."""
        now = self._now()
        while self._later and self._later.first()[0][0] <= now:
            self._place(self._later.first()[1], now)
        while self._ready and self._overall.next_free_at() <= now:
            (priority, _), chat = self._ready.first()
            waiting = self._chats[chat].waiting
            _, served = waiting.first()
            waiting.drop(served)
            if served.done():
                # Cancelled a moment ago, and has not had time to leave.
                self._place(chat, now)
            else:
                served.set_result(None)
                self._take(chat, priority, now)
        self._set_timer()

    def _set_timer(self) -> None:
        """Set the timer to when the next message may go; none if nothing waits."""
        if self._ready:
            moment = self._overall.next_free_at()
        elif self._later:
            moment = max(self._later.first()[0][0], self._overall.next_free_at())
        else:
            self._cancel_timer()
            return
        if self._timer is not None and self._rings <= moment:
            return
        self._cancel_timer()
        self._rings = moment
        self._timer = asyncio.create_task(self._run_timer(moment))
        self._timer.add_done_callback(self._timer_done)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    async def _run_timer(self, moment: float) -> None:
        # A task even where nothing is to be waited for: of those who come at once, the first in
        # rank goes first.
        left = moment - self._now()
        if left > 0:
            await self._clock.sleep(left)
        self._timer = None
        self._serve()

    def _timer_done(self, timer: asyncio.Task[None]) -> None:
        """Keep serving however the timer ended."""
        if timer is self._timer:
            self._timer = None
        error = None if timer.cancelled() else timer.exception()
        if error is not None:
            for chat_state in self._chats.values():
                for served in chat_state.waiting:
                    if not served.done():
                        served.set_exception(error)
        elif self._timer is None:
            # Cancelled by others; who still waits needs a new one.
            self._set_timer()


class _Window:
    """At most N events in any window of given length, plus the margin."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most = most
        self.seconds = seconds * (1 + _GAP_SHARE) + _JITTER
        self._times: deque[float] = deque(maxlen=most)

    def next_free_at(self, reserve: int = 0) -> float:
        """Return when one more fits and `reserve` stay free."""
        usable = max(self.most - reserve, 1)
        return self._times[-usable] + self.seconds if len(self._times) >= usable else _NEVER

    def available_at(self, moment: float) -> int:
        """Return how many more fit at that time."""
        return self.most - len(self._times) + bisect_right(self._times, moment - self.seconds)

    def take(self, now: float) -> None:
        self._times.append(now)

    def arrived(self, now: float) -> None:
        """Count the latest event from now; no other can have been added since."""
        if self.most == 1 and self._times:
            self._times[-1] = now


class _Chat:
    """What was recently sent to a chat, and what waits for it."""

    def __init__(self, rules: RateLimits, *, group: bool) -> None:
        self._reserve = rules.group_reserve if group else 0
        if group:
            self.messages = _Window(rules.group_most, rules.group_window)
        else:
            self.messages = _Window(1, rules.private_every)
        self._edits = _Window(1, rules.edit_every_group if group else rules.edit_every_private)
        self.held = _NEVER
        """Until when Telegram has asked to pause."""
        self.expected = _NEVER
        """Until when a result may come back; see `RateLimiter.reserve_for_retry`."""
        self.waiting: _PriorityQueue[asyncio.Future[None]] = _PriorityQueue()

    def next_free_at(self, priority: float) -> float:
        """Return when this chat accepts a message or an edit."""
        if priority != Priority.EDIT:
            return max(self.held, self.messages.next_free_at())
        soonest = max(self.held, self.expected)
        return max(soonest, self.messages.next_free_at(self._reserve), self._edits.next_free_at())

    def take(self, priority: float, now: float) -> None:
        if priority == Priority.EDIT:
            self._edits.take(now)
        self.messages.take(now)

    def is_idle(self) -> float:
        """Return from when nothing about this chat must be remembered."""
        empty = self.messages.next_free_at(self.messages.most - 1)
        return max(self.held, self.expected, empty, self._edits.next_free_at())


class _PriorityQueue(Generic[_T]):
    """A priority queue with changeable keys. All keys are distinct."""

    def __init__(self) -> None:
        self._entries: dict[_T, tuple[_Key, _T]] = {}
        self._heap: list[tuple[_Key, _T]] = []
        """Includes stale entries: those that are not in `_entries`."""

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[_T]:
        return iter(self._entries)

    def put(self, item: _T, key: _Key) -> None:
        """Insert, or change the key."""
        existing = self._entries.get(item)
        if existing is not None and existing[0] == key:
            return
        self._entries[item] = entry = (key, item)
        heapq.heappush(self._heap, entry)
        self._compact()

    def drop(self, item: _T) -> bool:
        """Remove. Returns False if it was not there."""
        gone = self._entries.pop(item, None) is not None
        if gone:
            self._compact()
        return gone

    def first(self) -> tuple[_Key, _T]:
        """Return the smallest key and its item."""
        return self._heap[0]

    def until(self, limit: float, max_entries: int) -> list[tuple[_Key, _T]]:
        """Return items whose keys start with at most `limit`, in order, at most `max_entries`."""
        entries: list[tuple[_Key, _T]] = []
        places = [0]
        while places and len(entries) < max_entries:
            place = places.pop()
            if place < len(self._heap) and self._heap[place][0][0] <= limit:
                if self._is_live(self._heap[place]):
                    entries.append(self._heap[place])
                places += (2 * place + 1, 2 * place + 2)
        return sorted(entries)

    def _is_live(self, entry: tuple[_Key, _T]) -> bool:
        return self._entries.get(entry[1]) is entry

    def _compact(self) -> None:
        """Keep a live entry at the front and stale entries fewer than live ones."""
        while self._heap and not self._is_live(self._heap[0]):
            heapq.heappop(self._heap)
        if len(self._heap) > 2 * len(self._entries) + _MAX_STALE_ENTRIES:
            self._heap = list(self._entries.values())
            heapq.heapify(self._heap)
