"""One status message per task: posted once, edited rarely, removed at the end."""

from __future__ import annotations

import asyncio
import re
from weakref import WeakValueDictionary

import discord
import structlog

from bot.chat.background_tasks import repeat
from bot.chat.update_queue import RetryLater
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import ACTIVE, State, Task
from bot.frontends.discord.context import ChatContext
from bot.frontends.discord.interaction_payload import StoredInteraction
from bot.frontends.discord.rendering import embed, keyboard
from bot.frontends.discord.sender import OutgoingMessage
from bot.frontends.discord.target import ChatTarget
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.presentation.task_messages import final_message
from bot.services.queries import task_by_id

_log = structlog.get_logger(__name__)
_CLEANUP_BATCH_SIZE = 50
CLEANUP_INTERVAL_S = 60.0
_MAX_REMEMBERED = 5000
_MAX_SENDS = 2
_PERCENT_STEP = 25
"""Percent between two edits: the countdown in the text runs in the client."""


class StatusMessages:
    """The status messages of one front-end."""

    def __init__(self, context: ChatContext) -> None:
        self._context = context
        self._wanted: dict[str, tuple[Task, str]] = {}
        self._changing: set[str] = set()
        self._shown: dict[str, str] = {}
        self._touched: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Task id -> lock of its message: an edit must not overtake the last one."""

    async def create(self, stored: StoredInteraction, task: Task, text: str) -> bool:
        """Post the status message of an accepted task, to be edited later. Raises `RetryLater`.

        Does nothing (False) for a task that has one. If the outcome of an earlier send is unknown,
        the second message says so.
        """
        interactive = await self._context.interactive_messages.create(
            MessageKind.STATUS, task.user_id, stored.target.channel_only, task_id=task.id
        )
        if interactive.message_ref is not None or interactive.is_closed:
            return False
        try:
            if task.state not in ACTIVE:
                # It took us longer than the gateway.
                if stored.needs_first_response:
                    await self._context.sender.delete_original_response(stored.target)
                return False
            key = await self._first_text(
                stored, interactive, task, _render(stored.target, task, text)
            )
        except DeliveryOutcomeUnknown as error:
            raise RetryLater(str(error)) from None
        except DeliveryError as error:
            if not error.is_permanent:
                raise RetryLater(str(error), error.retry_after) from None
            # The video finds its way without it.
            _log.info("status_send_failed", task=task.id, error=str(error))
            return True
        await self._context.interactive_messages.change(interactive, message=key)
        await self._end_if_over(task)
        return True

    async def _first_text(
        self, stored: StoredInteraction, interactive: InteractiveMessage, task: Task, text: str
    ) -> str:
        times = await self._context.interactive_messages.record_send_attempt(interactive)
        view = self._buttons(interactive, task)
        if stored.needs_first_response:
            # To fill the acknowledgement twice changes nothing.
            return await self._context.sender.edit_original_response(
                stored.target, OutgoingMessage([embed(text)], view)
            )
        if times > _MAX_SENDS:
            raise DeliveryError("send-unclear", is_permanent=True)
        if times > 1:
            text = f"{translate(task.language, 'repeated')} {text}"
        return await self._context.sender.send_followup(
            stored.target, OutgoingMessage([embed(text)], view)
        )

    def show(self, task: Task, text: str) -> None:
        """Edit the status message in the background if it would show something new."""
        if task.state in _BRIEF_STATES or self._shown.get(task.id) == _edit_key(task, text):
            return
        self._wanted[task.id] = (task, text)
        if task.id not in self._changing:
            self._changing.add(task.id)
            self._context.background.run(self._change(task.id))

    async def end(self, task: Task, text: str | None = None) -> bool:
        """Remove the status message, or edit it to its final text.

        Returns whether the final text is shown.
        """
        self._wanted.pop(task.id, None)
        self._shown.pop(task.id, None)
        async with self._lock_for(task.id):
            interactive = await self._context.interactive_messages.of_task(
                task.id, MessageKind.STATUS
            )
            if interactive is None or interactive.message_ref is None:
                return False
            if interactive.is_closed:
                return "said" in interactive.body
            return await self._end(
                interactive, ChatTarget.parse(task.destination.address), task.language, text
            )

    async def end_if_cancelled(self, task: Task) -> None:
        """Show at once that a task is cancelled. Raises `RetryLater`."""
        if task.state is not State.CANCELLED:
            return
        try:
            await self.end(task, final_message(task))
        except (DeliveryError, DeliveryOutcomeUnknown) as error:
            raise RetryLater(str(error)) from None

    async def _end(
        self,
        interactive: InteractiveMessage,
        target: ChatTarget,
        language: str,
        text: str | None = None,
    ) -> bool:
        key = interactive.message_ref or ""
        edited = text is not None and await self._context.sender.edit(
            target, key, OutgoingMessage([embed(text)])
        )
        if edited:
            await self._context.interactive_messages.update_body(interactive, said=True)
        elif text is None and not await self._context.sender.delete(target, key):
            over = embed(translate(language, "status-over"))
            await self._context.sender.edit(target, key, OutgoingMessage([over]))
        await self._context.interactive_messages.close(interactive)
        return edited

    async def cleanup_stale(self) -> None:
        """Remove the status messages that a crash or an outage has left, until cancelled."""
        await repeat(self._remove_stale, self._context.app.clock, CLEANUP_INTERVAL_S)

    async def _remove_stale(self) -> None:
        for interactive in await self._context.interactive_messages.find_stale(_CLEANUP_BATCH_SIZE):
            task = await task_by_id(self._context.app, interactive.task_id or "")
            if task is not None:
                stopped = task.state is State.CANCELLED
                self._context.background.run(
                    self.end(task, final_message(task) if stopped else None)
                )

    def _lock_for(self, task_id: str) -> asyncio.Lock:
        return self._touched.setdefault(task_id, asyncio.Lock())

    async def _end_if_over(self, task: Task) -> None:
        """End the status if the task ended before the message was posted."""
        result = await self._context.interactive_messages.of_task(task.id, MessageKind.RESULT)
        status_text = await task_by_id(self._context.app, task.id)
        posted = result is not None and result.message_ref is not None
        if posted or (status_text is not None and status_text.state not in ACTIVE):
            await self.end(task)

    async def _change(self, task_id: str) -> None:
        """Edit until there is nothing newer to show."""
        try:
            while task_id in self._wanted:
                task, text = self._wanted.pop(task_id)
                async with self._lock_for(task_id):
                    await self._edit(task, text)
        finally:
            self._changing.discard(task_id)

    async def _edit(self, task: Task, text: str) -> None:
        interactive = await self._context.interactive_messages.of_task(task.id, MessageKind.STATUS)
        if interactive is None or interactive.is_closed or interactive.message_ref is None:
            return
        target = ChatTarget.parse(task.destination.address)
        words = OutgoingMessage(
            [embed(_render(target, task, text))], self._buttons(interactive, task)
        )
        await self._context.sender.edit(target, interactive.message_ref, words)
        # Also where it is out of our reach: to ask again and again brings nearer to a ban.
        self._shown[task.id] = _edit_key(task, text)
        while len(self._shown) > _MAX_REMEMBERED:
            del self._shown[next(iter(self._shown))]

    def _buttons(self, interactive: InteractiveMessage, task: Task) -> discord.ui.View:
        label = translate(task.language, "button-cancel")
        return keyboard(interactive, [[(label, "cancel", discord.ButtonStyle.secondary)]])


_BRIEF_STATES = {State.SUBMITTING, State.DELIVERING}
"""States that end before a user has read about them."""
_COUNTDOWN = re.compile(r"<t:\d+:R>")


def _render(target: ChatTarget, task: Task, text: str) -> str:
    """Add a note that the interaction expires soon, if it does."""
    if target.access != "lent":
        return text
    return "\n".join((text, translate(task.language, "status-lent", task=task.id)))


def _edit_key(task: Task, text: str) -> str:
    """Return what must change to be worth an edit; in the queue only the position."""
    if task.state is State.QUEUED:
        return _COUNTDOWN.sub("", text)
    return f"{task.state}:{int((task.percent or 0) // _PERCENT_STEP)}:{task.reason or ''}"
