"""The one status message of each task: sent once, changed when the chat can bear it, taken away."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

import structlog

from bot.cards import DatabaseError
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import ACTIVE, Task
from bot.frontends.telegram.kit import Kit, remember
from bot.frontends.telegram.markup import Button, escaped, keyboard
from bot.frontends.telegram.pace import Pace
from bot.frontends.telegram.spot import Spot, message_of
from bot.ports import DeliveryError
from bot.presentation.i18n import translate
from bot.presentation.task_messages import estimate_eta, status_text
from bot.services.queries import task_by_id

_log = structlog.get_logger(__name__)
_TIDIED = 50
TIDY_EVERY = 60.0
_REMEMBERED = 5000
"""Texts that are known to stand in a chat."""
_PAUSE = 2.0
_LONGEST_PAUSE = 60.0
"""After an edit that did not get through, for its chat; doubling."""


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
        card = await cards.open(MessageKind.STATUS, task.user_id, spot.room.address, task=task.id)
        if card.message_ref is None and not card.is_closed:
            markup = keyboard(card, _buttons(task))
            await self._kit.put_up(card, spot, task.language, escaped(text), markup)
            await self._catch_up(task)

    async def take_over(self, draft: InteractiveMessage, task: Task, text: str) -> None:
        """The draft's message becomes the status of the task that it has started."""
        cards = self._kit.cards
        async with self._alone(task):
            known = await cards.of_task(task.id, MessageKind.STATUS)
            if known is None:
                await cards.change(draft, kind=MessageKind.STATUS, task=task.id, body={})
            elif known.callback_id != draft.callback_id:
                return
            if draft.message_ref is None or task.state not in ACTIVE:
                return
            chat, message = message_of(draft.message_ref)
            markup = keyboard(draft, _buttons(task))
            await self._kit.post.edit(chat, message, escaped(text), markup)
        await self._catch_up(task)

    def show(self, task: Task, text: str) -> None:
        """Bring a status up to date, soon. What was wanted before and not shown is forgotten."""
        chat = self._kit.post.now_at(Spot.parse(task.destination.address)).chat
        self._wanted.setdefault(chat, {})[task.id] = (task, text)
        if chat not in self._pumps:
            self._pumps[chat] = asyncio.create_task(self._pump(chat))

    def refresh(self, task: Task) -> None:
        """Bring a status up to date with what is known now."""
        desk = self._kit.desk
        view = estimate_eta(task, desk.catalog, desk.duration_stats, desk.clock.now())
        self.show(task, status_text(task.language, task, view))

    async def end(self, task: Task, text: str | None = None) -> bool:
        """No status any more: take the message away, or let it say its last word.

        Whether such a word stands there.
        """
        self._forget(task)
        async with self._alone(task):
            card = await self._kit.cards.of_task(task.id, MessageKind.STATUS)
            if card is None or card.message_ref is None:
                return False
            if card.is_closed:
                return "said" in card.body
            chat, message = message_of(card.message_ref)
            said = text is not None and await self._kit.post.edit(chat, message, escaped(text))
            if said:
                await self._kit.cards.note(card, said=True)
            elif text is None and not await self._kit.post.delete(chat, message):
                # Older than two days, or in a chat that does not let us.
                over = escaped(translate(task.language, "status-over"))
                await self._kit.post.edit(chat, message, over)
            await self._kit.cards.end(card)
            return said

    def _alone(self, task: Task) -> asyncio.Lock:
        return self._touched.setdefault(task.id, asyncio.Lock())

    async def _catch_up(self, task: Task) -> None:
        """A quick gateway may have gone on before it was known where the status stands."""
        # The video may stand there already and the task not know it yet.
        result = await self._kit.cards.of_task(task.id, MessageKind.RESULT)
        now_is = await task_by_id(self._kit.desk, task.id)
        posted = result is not None and result.message_ref is not None
        if posted or now_is is None or now_is.state not in ACTIVE:
            await self.end(task)
        elif now_is.state is not task.state:
            self.refresh(now_is)

    async def tidy(self) -> None:
        """Take away what a crash or an outage has left standing; again and again."""
        while True:
            try:
                for card in await self._kit.cards.left_behind(_TIDIED):
                    await self._take_away(card)
            except Exception:  # noqa: BLE001 - the next time may go better
                _log.exception("tidying_failed")
            await self._kit.desk.clock.sleep(TIDY_EVERY)

    async def stop(self) -> None:
        """Change nothing more."""
        pumps = list(self._pumps.values())
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _take_away(self, card: InteractiveMessage) -> None:
        chat, message = message_of(card.message_ref or "0:0")
        try:
            if not await self._kit.post.delete(chat, message):
                language = self._kit.desk.settings.default_language
                over = escaped(translate(language, "status-over"))
                await self._kit.post.edit(chat, message, over)
        except DeliveryError as error:
            if not error.is_permanent:
                return
        await self._kit.cards.end(card)

    def _forget(self, task: Task) -> None:
        self._shown.pop(task.id, None)
        for wanted in self._wanted.values():
            wanted.pop(task.id, None)

    # --- edits ---------------------------------------------------------------------------

    async def _pump(self, chat: int) -> None:
        """Change what is to be changed in one chat, one at a time, when it can bear it."""
        wanted, pause = self._wanted[chat], _PAUSE
        try:
            while wanted:
                task, text = next(iter(wanted.values()))
                if self._shown.get(task.id) == text:
                    del wanted[task.id]
                    continue
                wait, failed = await self._shown_or_later(wanted, task.id, chat, pause)
                pause = min(2 * pause, _LONGEST_PAUSE) if failed else _PAUSE
                if wait:
                    await self._kit.desk.clock.sleep(wait)
        finally:
            # With nothing to wait for in between: what is wanted from now on gets its own.
            del self._wanted[chat], self._pumps[chat]

    async def _shown_or_later(
        self, wanted: dict[str, tuple[Task, str]], task: str, chat: int, pause: float
    ) -> tuple[float, bool]:
        """Change one message; else the seconds after which to try again what is wanted then.

        And whether it failed, which is more than that the chat could not bear it.
        """
        this = wanted.pop(task)
        try:
            wait = await self._change(*this, chat)
        except (DeliveryError, DatabaseError) as error:
            _log.info("status_not_shown", why=str(error))
            wanted.setdefault(task, this)
            hint = error.retry_after if isinstance(error, DeliveryError) else None
            return max(hint or 0.0, pause), True
        if wait:
            wanted.setdefault(task, this)
        return wait, False

    async def _change(self, task: Task, text: str, room: int) -> float:
        """0.0: changed, or nothing to change. Else: seconds until the chat can bear it."""
        async with self._alone(task):
            card = await self._kit.cards.of_task(task.id, MessageKind.STATUS)
            if card is None or card.is_closed or card.message_ref is None:
                return 0.0
            # At the last moment, for what counts is when it arrives.
            if (wait := self._pace.try_edit(room)) > 0:
                return wait
            chat, message = message_of(card.message_ref)
            markup = keyboard(card, _buttons(task))
            if await self._kit.post.edit(chat, message, escaped(text), markup, rank=None):
                remember(self._shown, task.id, text, _REMEMBERED)
        return 0.0


def _buttons(task: Task) -> list[list[Button]]:
    return [[(translate(task.language, "button-cancel"), "cancel")]]
