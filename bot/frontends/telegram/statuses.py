"""The one status message of each task: sent once, changed when the chat can bear it, taken away."""

from __future__ import annotations

import asyncio
import contextlib
from weakref import WeakValueDictionary

import structlog

from bot.cards import DatabaseError
from bot.frontends.telegram.kit import Kit
from bot.frontends.telegram.markup import Button, escaped, keyboard
from bot.frontends.telegram.pace import Pace
from bot.frontends.telegram.spot import Spot, message_of
from bot.handlers import task_by_id
from bot.model import ACTIVE, Card, CardKind, Task
from bot.ports import DeliveryError
from bot.replies import say

_log = structlog.get_logger(__name__)
_TIDIED = 50
TIDY_EVERY = 60.0
_REMEMBERED = 5000
"""Texts that are known to stand in a chat."""


class Statuses:
    """The status messages of one front-end."""

    def __init__(self, kit: Kit, pace: Pace) -> None:
        self._kit = kit
        self._pace = pace
        self._wanted: dict[int, dict[str, tuple[Task, str]]] = {}
        """Chat -> task -> what its status should say."""
        self._pumps: dict[int, asyncio.Task[None]] = {}
        self._shown: dict[str, str] = {}
        self._touched: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Task -> held while its message is changed: an edit must not overtake the last one."""

    async def announce(self, spot: Spot, task: Task, text: str) -> None:
        """Tell that a task was taken in, in a message that will show how it goes.

        Again for the same task it does nothing, and where a send has left it open whether the
        message is there, the second one says so. Raises `Later`.
        """
        if task.state not in ACTIVE:
            return
        cards = self._kit.cards
        card = await cards.open(CardKind.STATUS, task.person, spot.room.address, task=task.id)
        if card.message is None and not card.gone:
            markup = keyboard(card, _buttons(task))
            await self._kit.put_up(card, spot, task.language, escaped(text), markup)
            await self._end_if_over(task)

    async def take_over(self, draft: Card, task: Task, text: str) -> None:
        """The draft's message becomes the status of the task that it has started."""
        cards = self._kit.cards
        known = await cards.of_task(task.id, CardKind.STATUS)
        if known is None:
            await cards.change(draft, kind=CardKind.STATUS, task=task.id, body={})
        elif known.token != draft.token:
            return
        if draft.message is not None and task.state in ACTIVE:
            chat, message = message_of(draft.message)
            markup = keyboard(draft, _buttons(task))
            await self._kit.post.edit(chat, message, escaped(text), markup)
            await self._end_if_over(task)

    def show(self, task: Task, text: str) -> None:
        """Bring a status up to date, soon. What was wanted before and not shown is forgotten."""
        chat = self._kit.post.now_at(Spot.parse(task.place.address)).chat
        self._wanted.setdefault(chat, {})[task.id] = (task, text)
        if chat not in self._pumps:
            pump = asyncio.create_task(self._pump(chat))
            self._pumps[chat] = pump
            pump.add_done_callback(lambda _: self._pumps.pop(chat, None))

    async def end(self, task: Task, text: str | None = None) -> None:
        """No status any more: take the message away, or let it say its last word."""
        self._forget(task)
        async with self._alone(task):
            card = await self._kit.cards.of_task(task.id, CardKind.STATUS)
            if card is None or card.gone or card.message is None:
                return
            chat, message = message_of(card.message)
            if text is not None:
                await self._kit.post.edit(chat, message, escaped(text))
            elif not await self._kit.post.delete(chat, message):
                # Older than two days, or in a chat that does not let us.
                over = escaped(say(task.language, "status-over"))
                await self._kit.post.edit(chat, message, over)
            await self._kit.cards.end(card)

    def _alone(self, task: Task) -> asyncio.Lock:
        return self._touched.setdefault(task.id, asyncio.Lock())

    async def _end_if_over(self, task: Task) -> None:
        """A quick gateway may have been done before it was known where the status stands."""
        # The video may stand there already and the task not know it yet.
        result = await self._kit.cards.of_task(task.id, CardKind.RESULT)
        now_is = await task_by_id(self._kit.desk, task.id)
        posted = result is not None and result.message is not None
        if posted or (now_is is not None and now_is.state not in ACTIVE):
            await self.end(task)

    async def tidy(self) -> None:
        """Take away what a crash or an outage has left standing; again and again."""
        while True:
            with contextlib.suppress(DatabaseError):
                for card in await self._kit.cards.left_behind(_TIDIED):
                    await self._take_away(card)
            await self._kit.desk.clock.sleep(TIDY_EVERY)

    async def stop(self) -> None:
        """Change nothing more."""
        pumps = list(self._pumps.values())
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _take_away(self, card: Card) -> None:
        chat, message = message_of(card.message or "0:0")
        try:
            if not await self._kit.post.delete(chat, message):
                language = self._kit.desk.settings.default_language
                over = escaped(say(language, "status-over"))
                await self._kit.post.edit(chat, message, over)
        except DeliveryError as error:
            if not error.permanent:
                return
        await self._kit.cards.end(card)

    def _forget(self, task: Task) -> None:
        self._shown.pop(task.id, None)
        for wanted in self._wanted.values():
            wanted.pop(task.id, None)

    # --- edits ---------------------------------------------------------------------------

    async def _pump(self, chat: int) -> None:
        """Change what is to be changed in one chat, one at a time, when it can bear it."""
        wanted = self._wanted[chat]
        try:
            while wanted:
                task, text = next(iter(wanted.values()))
                if self._shown.get(task.id) == text:
                    wanted.pop(task.id, None)
                    continue
                wait = self._pace.try_edit(chat)
                if wait > 0:
                    await self._kit.desk.clock.sleep(wait)
                    continue
                await self._change(*wanted.pop(task.id))
        except (DeliveryError, DatabaseError) as error:
            _log.info("status_not_shown", why=str(error))
        finally:
            if not wanted:
                self._wanted.pop(chat, None)

    async def _change(self, task: Task, text: str) -> None:
        async with self._alone(task):
            card = await self._kit.cards.of_task(task.id, CardKind.STATUS)
            if card is None or card.gone or card.message is None:
                return
            chat, message = message_of(card.message)
            markup = keyboard(card, _buttons(task))
            if await self._kit.post.edit(chat, message, escaped(text), markup, rank=None):
                self._shown[task.id] = text
                while len(self._shown) > _REMEMBERED:
                    del self._shown[next(iter(self._shown))]


def _buttons(task: Task) -> list[list[Button]]:
    return [[(say(task.language, "button-cancel"), "cancel")]]
