"""The one status message of each task: told once, changed seldom, taken away."""

from __future__ import annotations

import asyncio
import contextlib
import re
from weakref import WeakValueDictionary

import discord
import structlog

from bot.cards import DatabaseError
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import ACTIVE, State, Task
from bot.frontends.discord.asked import Asked
from bot.frontends.discord.kit import Kit
from bot.frontends.discord.markup import embed, keyboard
from bot.frontends.discord.post import Words
from bot.frontends.discord.spot import Spot
from bot.inbox import Later
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.presentation.task_messages import final_message
from bot.services.queries import task_by_id

_log = structlog.get_logger(__name__)
_TIDIED = 50
TIDY_EVERY = 60.0
_REMEMBERED = 5000
_SENDS = 2
_STEP = 25
"""Percent between two edits: the countdown in the text goes on by itself."""


class Statuses:
    """The status messages of one front-end."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._wanted: dict[str, tuple[Task, str]] = {}
        self._changing: set[str] = set()
        self._shown: dict[str, str] = {}
        self._touched: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Task -> held while its message is changed: an edit must not overtake the last one."""

    async def announce(self, asked: Asked, task: Task, text: str) -> bool:
        """Tell that a task was taken in, in a message that will show how it goes. Raises `Later`.

        Again for the same task it does nothing, which is False, and where a send has left it open
        whether the message is there, the second one says so.
        """
        card = await self._kit.cards.open(
            MessageKind.STATUS, task.user_id, asked.spot.room, task=task.id
        )
        if card.message_ref is not None or card.is_closed:
            return False
        try:
            if task.state not in ACTIVE:
                # It took us longer than the gateway.
                if asked.fresh:
                    await self._kit.post.take_back(asked.spot)
                return False
            key = await self._told(asked, card, task, _for(asked.spot, task, text))
        except DeliveryOutcomeUnknown as error:
            raise Later(str(error)) from None
        except DeliveryError as error:
            if not error.is_permanent:
                raise Later(str(error), error.retry_after) from None
            # The video finds its way without it.
            _log.info("status_not_told", task=task.id, why=str(error))
            return True
        await self._kit.cards.change(card, message=key)
        await self._end_if_over(task)
        return True

    async def _told(self, asked: Asked, card: InteractiveMessage, task: Task, text: str) -> str:
        times = await self._kit.cards.begin(card)
        view = self._buttons(card, task)
        if asked.fresh:
            # To fill the acknowledgement twice changes nothing.
            return await self._kit.post.fill(asked.spot, Words([embed(text)], view))
        if times > _SENDS:
            raise DeliveryError("send-unclear", is_permanent=True)
        if times > 1:
            text = f"{translate(task.language, 'repeated')} {text}"
        return await self._kit.post.follow(asked.spot, Words([embed(text)], view))

    def show(self, task: Task, text: str) -> None:
        """Bring a status up to date, soon, if it would show something new."""
        if task.state in _BRIEF or self._shown.get(task.id) == _stage(task, text):
            return
        self._wanted[task.id] = (task, text)
        if task.id not in self._changing:
            self._changing.add(task.id)
            self._kit.beside(self._change(task.id))

    async def end(self, task: Task, text: str | None = None) -> bool:
        """No status any more: take the message away, or let it say its last word.

        Whether such a word stands there.
        """
        self._wanted.pop(task.id, None)
        self._shown.pop(task.id, None)
        async with self._alone(task.id):
            card = await self._kit.cards.of_task(task.id, MessageKind.STATUS)
            if card is None or card.message_ref is None:
                return False
            if card.is_closed:
                return "said" in card.body
            return await self._end(card, Spot.parse(task.destination.address), task.language, text)

    async def end_if_cancelled(self, task: Task) -> None:
        """A cancelled task's status says so at once. Raises `Later`."""
        if task.state is not State.CANCELLED:
            return
        try:
            await self.end(task, final_message(task))
        except (DeliveryError, DeliveryOutcomeUnknown) as error:
            raise Later(str(error)) from None

    async def _end(
        self, card: InteractiveMessage, spot: Spot, language: str, text: str | None = None
    ) -> bool:
        key = card.message_ref or ""
        said = text is not None and await self._kit.post.edit(spot, key, Words([embed(text)]))
        if said:
            await self._kit.cards.note(card, said=True)
        elif text is None and not await self._kit.post.delete(spot, key):
            over = embed(translate(language, "status-over"))
            await self._kit.post.edit(spot, key, Words([over]))
        await self._kit.cards.end(card)
        return said

    async def tidy(self) -> None:
        """Take away what a crash or an outage has left standing; again and again."""
        while True:
            with contextlib.suppress(DatabaseError):
                for card in await self._kit.cards.left_behind(_TIDIED):
                    task = await task_by_id(self._kit.desk, card.task_id or "")
                    if task is not None:
                        stopped = task.state is State.CANCELLED
                        self._kit.beside(self.end(task, final_message(task) if stopped else None))
            await self._kit.desk.clock.sleep(TIDY_EVERY)

    def _alone(self, task: str) -> asyncio.Lock:
        return self._touched.setdefault(task, asyncio.Lock())

    async def _end_if_over(self, task: Task) -> None:
        """A quick gateway may have been done before it was known where the status stands."""
        result = await self._kit.cards.of_task(task.id, MessageKind.RESULT)
        now_is = await task_by_id(self._kit.desk, task.id)
        posted = result is not None and result.message_ref is not None
        if posted or (now_is is not None and now_is.state not in ACTIVE):
            await self.end(task)

    async def _change(self, task_id: str) -> None:
        """Show what is wanted until nothing newer is."""
        try:
            while task_id in self._wanted:
                task, text = self._wanted.pop(task_id)
                async with self._alone(task_id):
                    await self._edit(task, text)
        finally:
            self._changing.discard(task_id)

    async def _edit(self, task: Task, text: str) -> None:
        card = await self._kit.cards.of_task(task.id, MessageKind.STATUS)
        if card is None or card.is_closed or card.message_ref is None:
            return
        spot = Spot.parse(task.destination.address)
        words = Words([embed(_for(spot, task, text))], self._buttons(card, task))
        await self._kit.post.edit(spot, card.message_ref, words)
        # Also where it is out of our reach: to ask again and again brings nearer to a ban.
        self._shown[task.id] = _stage(task, text)
        while len(self._shown) > _REMEMBERED:
            del self._shown[next(iter(self._shown))]

    def _buttons(self, card: InteractiveMessage, task: Task) -> discord.ui.View:
        label = translate(task.language, "button-cancel")
        return keyboard(card, [[(label, "cancel", discord.ButtonStyle.secondary)]])


_BRIEF = {State.SUBMITTING, State.DELIVERING}
"""States that are over before somebody has read of them."""
_MOMENT = re.compile(r"<t:\d+:R>")


def _for(spot: Spot, task: Task, text: str) -> str:
    """With word of how little time there is, where that is so."""
    if spot.right != "lent":
        return text
    return "\n".join((text, translate(task.language, "status-lent", task=task.id)))


def _stage(task: Task, text: str) -> str:
    """What of a task is worth an edit; in line only its place is."""
    if task.state is State.QUEUED:
        return _MOMENT.sub("", text)
    return f"{task.state}:{int((task.percent or 0) // _STEP)}:{task.reason or ''}"
