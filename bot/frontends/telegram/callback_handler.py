"""Handle button presses: each is answered at once, and a second press does no harm."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog
from telegram import CallbackQuery, Message

from bot.chat.interactive_messages import DatabaseError
from bot.chat.update_queue import RetryLater
from bot.commands import parser
from bot.domain.commands import Cancel, ChangeLanguage, ForgetMe, Retry
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import ACTIVE, State
from bot.domain.users import User
from bot.frontends.telegram.context import ChatContext, remember
from bot.frontends.telegram.drafts import Drafts
from bot.frontends.telegram.message_handler import STILL_ASKED, MessageHandler
from bot.frontends.telegram.message_parser import user_from
from bot.frontends.telegram.rendering import (
    MAX_CALLBACK_ANSWER_CHARS,
    escaped,
    parse_callback_data,
    truncate,
)
from bot.frontends.telegram.result_messages import ResultMessages
from bot.frontends.telegram.status_messages import StatusMessages
from bot.frontends.telegram.target import ChatTarget, message_ref, parse_message_ref
from bot.frontends.telegram.video_requests import run_command
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import format_error, translate
from bot.presentation.task_messages import final_message
from bot.services.queries import language_for, task_by_id

_log = structlog.get_logger(__name__)
_MAX_REMEMBERED = 1000


@dataclass(slots=True)
class _Callback:
    """One press by the owner of the message."""

    query: CallbackQuery
    interactive: InteractiveMessage
    verb: str
    user: User
    language: str
    target: ChatTarget
    """Where replies go: below the pressed message."""


class CallbackHandler:
    """Handles the buttons of the bot's messages."""

    def __init__(
        self,
        context: ChatContext,
        status_messages: StatusMessages,
        result_messages: ResultMessages,
        drafts: Drafts,
        message_handler: MessageHandler,
    ) -> None:
        self._context = context
        self._status_messages = status_messages
        self._result_messages = result_messages
        self._drafts = drafts
        self._message_handler = message_handler
        self._answered: dict[str, None] = {}
        """Callback ids that were answered in an earlier attempt."""
        self._kinds = {
            MessageKind.STATUS: self._status,
            MessageKind.RESULT: self._result,
            MessageKind.DRAFT: self._draft,
            MessageKind.CHOICES: self._choices,
        }

    async def handle(self, query: CallbackQuery) -> None:
        """Handle one press by any user. Raises `RetryLater`."""
        user = user_from(query.from_user, self._context.app.settings)
        language = await language_for(self._context.app, user)
        callback_id, verb = parse_callback_data(query.data or "")
        interactive = await self._context.interactive_messages.get(callback_id)
        if interactive is None or interactive.kind not in self._kinds:
            await self._answer_callback(query, translate(language, "press-too-old"), alert=True)
        elif interactive.user_id != user.id:
            await self._answer_callback(query, translate(language, "card-not-yours"), alert=True)
        else:
            interactive = await self._confirm_message_exists(query, interactive)
            callback = _Callback(
                query, interactive, verb, user, language, _reply_target(query, interactive)
            )
            await self._with_error_replies(callback)

    async def _with_error_replies(self, callback: _Callback) -> None:
        try:
            await self._kinds[callback.interactive.kind](callback)
        except Refusal as refused:
            await self._reply(
                callback,
                format_error(callback.language, refused, self._context.app.credit_rules.timezone),
            )
        except DeliveryError as error:
            if not error.is_permanent:
                raise RetryLater(str(error), error.retry_after) from None
        except DeliveryOutcomeUnknown as error:
            raise RetryLater(str(error)) from None
        except (RetryLater, DatabaseError):
            raise
        except Exception:  # noqa: BLE001 - a fault of ours; the person is not to wait for nothing
            _log.exception("callback_handler_failed")
            await self._reply(callback, translate(callback.language, "internal-error"))

    async def _reply(self, callback: _Callback, text: str) -> None:
        """Show a text over the chat, or in the chat if it is too long or too late for that."""
        if not await self._answer_callback(callback.query, text, alert=True):
            await self._context.reply(callback.target, callback.language, text)

    async def _confirm_message_exists(
        self, query: CallbackQuery, interactive: InteractiveMessage
    ) -> InteractiveMessage:
        """A callback proves the message exists: store its id if the send's response was lost."""
        if interactive.message_ref is not None or query.message is None:
            return interactive
        key = message_ref(query.message.chat.id, query.message.message_id)
        await self._context.interactive_messages.change(interactive, message=key)
        return replace(interactive, message_ref=key)

    async def _answer_callback(
        self, query: CallbackQuery, text: str = "", *, alert: bool = False
    ) -> bool:
        """Answer the callback if not yet done. Returns whether it showed the whole text."""
        if query.id in self._answered:
            return False
        remember(self._answered, query.id, None, _MAX_REMEMBERED)
        short = truncate(text, MAX_CALLBACK_ANSWER_CHARS)
        return (
            await self._context.sender.answer_callback(query.id, short, alert=alert)
            and short == text
        )

    # --- by kind -------------------------------------------------------------------------

    async def _status(self, callback: _Callback) -> None:
        task = await task_by_id(self._context.app, callback.interactive.task_id or "")
        if callback.verb != "cancel" or task is None:
            # The card was a draft; its start was pressed twice, or is tried again.
            await self._answer_callback(callback.query, translate(callback.language, "press-done"))
            if task is not None and task.state in ACTIVE:
                self._status_messages.refresh(task)
            return
        update = f"cancel:{callback.query.id}"
        reply = await run_command(
            self._context, callback.user, callback.target, Cancel(task.id), update
        )
        await self._reply(callback, reply.text)
        status_text = await task_by_id(self._context.app, task.id)
        if status_text is not None and status_text.state is State.CANCELLED:
            await self._status_messages.end(status_text, final_message(status_text))

    async def _result(self, callback: _Callback) -> None:
        if callback.verb == "again":
            await self._again(callback)
        elif callback.verb == "remix":
            await self._remix(callback)
        else:
            await self._file(callback)

    async def _again(self, callback: _Callback) -> None:
        interactive, before = callback.interactive, callback.interactive.body.get("again", "")
        last = await task_by_id(self._context.app, str(before)) if before else None
        if (
            last is not None
            and last.state in ACTIVE
            and not await self._result_messages.find_delivered(last)
        ):
            toast = translate(callback.language, "again-under-way", task=last.id)
            await self._answer_callback(callback.query, toast, alert=True)
            return
        # Two presses that race are one, because both know of the same one before them.
        update = f"again:{interactive.callback_id}:{before}"
        command = Retry(interactive.task_id or "", video_seen=True)
        reply = await run_command(self._context, callback.user, callback.target, command, update)
        if reply.task is None or not reply.ok:
            await self._reply(callback, reply.text)
            return
        await self._answer_callback(callback.query)
        await self._status_messages.create(callback.target, reply.task, reply.text)
        await self._context.interactive_messages.update_body(interactive, again=reply.task.id)

    async def _remix(self, callback: _Callback) -> None:
        question = await self._context.interactive_messages.newest(
            MessageKind.QUESTION,
            callback.user.id,
            callback.target.channel_only.address,
            STILL_ASKED,
        )
        if (
            question is not None
            and question.message_ref
            and question.body.get("card") == callback.interactive.callback_id
        ):
            await self._answer_callback(
                callback.query, translate(callback.language, "question-open"), alert=True
            )
            return
        await self._answer_callback(callback.query)
        cause = f"press:{callback.query.id}"
        await self._message_handler.ask_for_change(
            callback.user, _question_target(callback), callback.interactive, cause
        )

    async def _file(self, callback: _Callback) -> None:
        task = await task_by_id(self._context.app, callback.interactive.task_id or "")
        if task is None:
            raise Refusal("press-too-old")
        if self._result_messages.has_file(callback.interactive):
            await self._answer_callback(
                callback.query, translate(callback.language, "file-below"), alert=True
            )
            return
        await self._answer_callback(callback.query)
        await self._result_messages.send_as_document(
            task, callback.interactive, callback.target, callback.language
        )

    async def _draft(self, callback: _Callback) -> None:
        if callback.interactive.is_closed:
            await self._answer_callback(callback.query, translate(callback.language, "press-done"))
            return
        await self._answer_callback(callback.query)
        await self._drafts.press(callback.interactive, callback.verb, callback.user)

    async def _choices(self, callback: _Callback) -> None:
        choices = callback.interactive.body.get("choices", [])
        if (
            callback.interactive.is_closed
            or not callback.verb.isdecimal()
            or int(callback.verb) >= len(choices)
        ):
            await self._answer_callback(callback.query, translate(callback.language, "press-done"))
            return
        await self._answer_callback(callback.query)
        line = choices[int(callback.verb)]
        update = f"choice:{callback.interactive.callback_id}:{callback.verb}"
        if not line:
            await self._close(callback, translate(callback.language, "nothing-done"))
            return
        command = parser.parse_command(line)
        if isinstance(command, ChangeLanguage | ForgetMe):
            reply = await run_command(
                self._context, callback.user, callback.target, command, update
            )
            await self._close(callback, reply.text)
        elif await self._message_handler.run_command(
            callback.user, callback.target, command, update
        ):
            await self._context.interactive_messages.close(callback.interactive)

    async def _close(self, callback: _Callback, text: str) -> None:
        """Replace the choices by their outcome."""
        if callback.interactive.message_ref is not None:
            chat, message = parse_message_ref(callback.interactive.message_ref)
            await self._context.sender.edit(chat, message, escaped(text))
        await self._context.interactive_messages.close(callback.interactive)


def _reply_target(query: CallbackQuery, interactive: InteractiveMessage) -> ChatTarget:
    """Return where the pressed message is now; it may be another chat than the request's."""
    target = ChatTarget.parse(interactive.destination.address)
    if query.message is None:
        return target
    chat, message = query.message.chat.id, query.message.message_id
    return ChatTarget(chat, target.thread if chat == target.chat else None, message)


def _question_target(callback: _Callback) -> ChatTarget:
    """Return where a question opens the user's input field: below their own message."""
    message = callback.query.message
    request = message.reply_to_message if isinstance(message, Message) else None
    if request is None or request.from_user != callback.query.from_user:
        return callback.target
    return replace(callback.target, reply=request.message_id)
