"""One status message per task: posted once, edited as the rate limit allows, removed at the end."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

import structlog

from bot.chat.background_tasks import repeat
from bot.chat.interactive_messages import DatabaseError
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import ACTIVE, Task
from bot.frontends.telegram.context import ChatContext, remember
from bot.frontends.telegram.rate_limiter import RateLimiter
from bot.frontends.telegram.rendering import Button, escaped, keyboard
from bot.frontends.telegram.target import ChatTarget, parse_message_ref
from bot.ports import DeliveryError
from bot.presentation.i18n import translate
from bot.presentation.task_messages import estimate_eta, status_text
from bot.services.queries import task_by_id

_log = structlog.get_logger(__name__)
_CLEANUP_BATCH_SIZE = 50
CLEANUP_INTERVAL_S = 60.0
_MAX_REMEMBERED = 5000
"""How many texts are remembered as shown."""
_EDIT_PAUSE_S = 2.0
_MAX_EDIT_PAUSE_S = 60.0
"""Pause of a chat after a failed edit; doubling."""


class StatusMessages:
    """The status messages of one front-end."""

    def __init__(self, context: ChatContext, rate_limiter: RateLimiter) -> None:
        self._context = context
        self._rate_limiter = rate_limiter
        self._wanted: dict[int, dict[str, tuple[Task, str]]] = {}
        """Chat id -> task id -> the text that its status should show."""
        self._pumps: dict[int, asyncio.Task[None]] = {}
        self._shown: dict[str, str] = {}
        self._touched: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Task id -> lock of its message: an edit must not overtake the last one."""

    async def create(self, target: ChatTarget, task: Task, text: str) -> None:
        """Post the status message of an accepted task, to be edited later. Raises `RetryLater`.

        Does nothing for a task that has one. If the outcome of an earlier send is unknown, the
        second message says so.
        """
        if task.state not in ACTIVE:
            return
        interactive_messages = self._context.interactive_messages
        interactive = await interactive_messages.create(
            MessageKind.STATUS, task.user_id, target.channel_only.address, task_id=task.id
        )
        if interactive.message_ref is None and not interactive.is_closed:
            markup = keyboard(interactive, _buttons(task))
            await self._context.send(interactive, target, task.language, escaped(text), markup)
            await self._sync_with_task(task)

    async def convert_draft(self, draft: InteractiveMessage, task: Task, text: str) -> None:
        """Turn the message of a draft into the status message of the task that it started."""
        interactive_messages = self._context.interactive_messages
        async with self._lock_for(task):
            existing = await interactive_messages.of_task(task.id, MessageKind.STATUS)
            if existing is None:
                await interactive_messages.change(
                    draft, kind=MessageKind.STATUS, task=task.id, body={}
                )
            elif existing.callback_id != draft.callback_id:
                return
            if draft.message_ref is None or task.state not in ACTIVE:
                return
            chat, message = parse_message_ref(draft.message_ref)
            markup = keyboard(draft, _buttons(task))
            await self._context.sender.edit(chat, message, escaped(text), markup)
        await self._sync_with_task(task)

    def show(self, task: Task, text: str) -> None:
        """Edit the status message in the background; older texts not yet shown are dropped."""
        chat = self._context.sender.resolve_chat(ChatTarget.parse(task.destination.address)).chat
        self._wanted.setdefault(chat, {})[task.id] = (task, text)
        if chat not in self._pumps:
            self._pumps[chat] = asyncio.create_task(self._edit_loop(chat))

    def refresh(self, task: Task) -> None:
        """Edit the status message to the task's present state."""
        app = self._context.app
        view = estimate_eta(task, app.catalog, app.duration_stats, app.clock.now())
        self.show(task, status_text(task.language, task, view))

    async def end(self, task: Task, text: str | None = None) -> bool:
        """Remove the status message, or edit it to its final text.

        Returns whether the final text is shown.
        """
        self._forget(task)
        async with self._lock_for(task):
            interactive = await self._context.interactive_messages.of_task(
                task.id, MessageKind.STATUS
            )
            if interactive is None or interactive.message_ref is None:
                return False
            if interactive.is_closed:
                return "said" in interactive.body
            chat, message = parse_message_ref(interactive.message_ref)
            edited = text is not None and await self._context.sender.edit(
                chat, message, escaped(text)
            )
            if edited:
                await self._context.interactive_messages.update_body(interactive, said=True)
            elif text is None and not await self._context.sender.delete(chat, message):
                # Older than two days, or in a chat that does not let us.
                over = escaped(translate(task.language, "status-over"))
                await self._context.sender.edit(chat, message, over)
            await self._context.interactive_messages.close(interactive)
            return edited

    def _lock_for(self, task: Task) -> asyncio.Lock:
        return self._touched.setdefault(task.id, asyncio.Lock())

    async def _sync_with_task(self, task: Task) -> None:
        """Follow what happened to the task before its status message was posted."""
        # The video may stand there already and the task not know it yet.
        result = await self._context.interactive_messages.of_task(task.id, MessageKind.RESULT)
        now_is = await task_by_id(self._context.app, task.id)
        posted = result is not None and result.message_ref is not None
        if posted or now_is is None or now_is.state not in ACTIVE:
            await self.end(task)
        elif now_is.state is not task.state:
            self.refresh(now_is)

    async def cleanup_stale(self) -> None:
        """Remove the status messages that a crash or an outage has left, until cancelled."""
        await repeat(self._remove_stale, self._context.app.clock, CLEANUP_INTERVAL_S)

    async def _remove_stale(self) -> None:
        for interactive in await self._context.interactive_messages.find_stale(_CLEANUP_BATCH_SIZE):
            await self._remove(interactive)

    async def stop(self) -> None:
        """Stop all edits."""
        pumps = list(self._pumps.values())
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _remove(self, interactive: InteractiveMessage) -> None:
        chat, message = parse_message_ref(interactive.message_ref or "0:0")
        try:
            if not await self._context.sender.delete(chat, message):
                task = await task_by_id(self._context.app, interactive.task_id or "")
                default = self._context.app.settings.default_language
                language = task.language if task is not None else default
                over = escaped(translate(language, "status-over"))
                await self._context.sender.edit(chat, message, over)
        except DeliveryError as error:
            if not error.is_permanent:
                return
        await self._context.interactive_messages.close(interactive)

    def _forget(self, task: Task) -> None:
        self._shown.pop(task.id, None)
        for wanted in self._wanted.values():
            wanted.pop(task.id, None)

    # --- edits ---------------------------------------------------------------------------

    async def _edit_loop(self, chat: int) -> None:
        """Edit the status messages of one chat, one at a time, when the rate limit allows."""
        wanted, pause = self._wanted[chat], _EDIT_PAUSE_S
        try:
            while wanted:
                task, text = next(iter(wanted.values()))
                if self._shown.get(task.id) == text:
                    del wanted[task.id]
                    continue
                wait, failed = await self._shown_or_later(wanted, task.id, chat, pause)
                pause = min(2 * pause, _MAX_EDIT_PAUSE_S) if failed else _EDIT_PAUSE_S
                if wait:
                    await self._context.app.clock.sleep(wait)
        finally:
            # With nothing to wait for in between: what is wanted from now on gets its own.
            del self._wanted[chat], self._pumps[chat]

    async def _shown_or_later(
        self, wanted: dict[str, tuple[Task, str]], task_id: str, chat: int, pause: float
    ) -> tuple[float, bool]:
        """Edit one message. Returns the seconds after which to try again, and whether it failed.

        A failure is more than a rate limit that does not allow the edit now.
        """
        text = wanted.pop(task_id)
        try:
            wait = await self._change(*text, chat)
        except (DeliveryError, DatabaseError) as error:
            _log.info("status_edit_failed", error=str(error))
            wanted.setdefault(task_id, text)
            hint = error.retry_after if isinstance(error, DeliveryError) else None
            return max(hint or 0.0, pause), True
        if wait:
            wanted.setdefault(task_id, text)
        return wait, False

    async def _change(self, task: Task, text: str, room: int) -> float:
        """Return 0.0 if the message is up to date, else the seconds until an edit is allowed."""
        async with self._lock_for(task):
            interactive = await self._context.interactive_messages.of_task(
                task.id, MessageKind.STATUS
            )
            if interactive is None or interactive.is_closed or interactive.message_ref is None:
                return 0.0
            # At the last moment, for what counts is when it arrives.
            if (wait := self._rate_limiter.try_acquire_edit(room)) > 0:
                return wait
            chat, message = parse_message_ref(interactive.message_ref)
            markup = keyboard(interactive, _buttons(task))
            if await self._context.sender.edit(chat, message, escaped(text), markup, rank=None):
                remember(self._shown, task.id, text, _MAX_REMEMBERED)
        return 0.0


def _buttons(task: Task) -> list[list[Button]]:
    return [[(translate(task.language, "button-cancel"), "cancel")]]
