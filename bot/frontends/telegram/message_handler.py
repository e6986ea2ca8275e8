"""Handle messages: run a command, show a draft, take an answer, or ignore it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import structlog
from telegram import ForceReply, Message

from bot.chat.interactive_messages import DatabaseError
from bot.chat.update_queue import RetryLater
from bot.commands import parser
from bot.commands.tokens import split_first_word
from bot.domain.commands import AdminCommand, Command, Fetch, MakeVideo, Remix, Retry
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import State, Task
from bot.domain.users import User
from bot.frontends.telegram import user_mentions
from bot.frontends.telegram.command_menu import CommandMenu
from bot.frontends.telegram.context import ChatContext
from bot.frontends.telegram.drafts import Drafts
from bot.frontends.telegram.message_parser import (
    ImageAttachment,
    IncomingMessage,
    RepliedMessage,
    is_anonymous_sender,
    is_from_channel,
    parse_message,
    target_of,
)
from bot.frontends.telegram.rendering import escaped, keyboard
from bot.frontends.telegram.result_messages import ResultMessages
from bot.frontends.telegram.status_messages import StatusMessages
from bot.frontends.telegram.target import ChatTarget, message_ref
from bot.frontends.telegram.video_requests import VideoRequestDraft, order_video, run_command
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import LANGUAGES, format_error, translate
from bot.presentation.task_messages import final_message
from bot.services.queries import language_for, task_by_id
from bot.services.videos import can_remix

_log = structlog.get_logger(__name__)
STILL_ASKED = 600.0
"""Seconds in which a question is not asked again and text may be its answer."""
_OF_TASKS = {"cancel", "retry", "fetch", "remix"}
_DEEP_LINK = "task_"
_MAKING = (MakeVideo, Remix, Retry)


class MessageHandler:
    """Handles what users write."""

    def __init__(
        self,
        context: ChatContext,
        status_messages: StatusMessages,
        result_messages: ResultMessages,
        drafts: Drafts,
        command_menu: CommandMenu,
    ) -> None:
        self._context = context
        self._status_messages = status_messages
        self._result_messages = result_messages
        self._drafts = drafts
        self._command_menu = command_menu

    async def handle(self, message: Message) -> None:
        """Handle one message of any sender. Raises `RetryLater`."""
        if message.migrate_to_chat_id or message.migrate_from_chat_id:
            await self._migrated(message)
            return
        user, me = message.from_user, self._context.me
        if me is None or is_from_channel(message) or user is None:
            return
        incoming = parse_message(message, me, self._context.app.settings)
        if incoming is None:
            return
        if is_anonymous_sender(message):
            # Credits belong to persons, and nobody can tell who this is.
            language = self._context.app.settings.default_language
            await self._context.reply(target_of(message), language, translate(language, "nobody"))
        elif not user.is_bot:
            await user_mentions.store_username(self._context.app, incoming)
            await self._with_error_replies(incoming)

    async def _migrated(self, message: Message) -> None:
        old, new = message.migrate_from_chat_id, message.migrate_to_chat_id
        here = message.chat.id
        await self._context.sender.chat_migrated(old or here, new or here)

    async def _with_error_replies(self, incoming: IncomingMessage) -> None:
        """Run the handler.

        Reply with the error text on `Refusal`; raise `RetryLater` on transient errors.
        """
        try:
            await self._route(incoming)
        except Refusal as refused:
            await self._refuse(incoming, refused)
        except DeliveryError as error:
            if not error.is_permanent:
                raise RetryLater(str(error), error.retry_after) from None
        except DeliveryOutcomeUnknown as error:
            raise RetryLater(str(error)) from None
        except (RetryLater, DatabaseError):
            raise
        except Exception:  # noqa: BLE001 - a fault of ours; the person is not to wait for nothing
            _log.exception("message_handler_failed")
            await self._refuse(incoming, Refusal("internal-error"))

    async def _refuse(self, incoming: IncomingMessage, refused: Refusal) -> None:
        language = await language_for(self._context.app, incoming.user)
        text = format_error(language, refused, self._context.app.credit_rules.timezone)
        await self._context.reply(incoming.target, language, text)

    async def _route(self, incoming: IncomingMessage) -> None:
        interactive = await self._replied_interactive(incoming)
        own = (
            interactive
            if interactive is not None and interactive.user_id == incoming.user.id
            else None
        )
        if incoming.command is not None:
            await self._command(incoming, interactive)
        elif self._is_side_conversation(interactive, incoming):
            return
        elif own is not None and own.kind is MessageKind.QUESTION and incoming.text:
            await self._answer_to(own, incoming)
        elif own is not None and own.kind is MessageKind.RESULT and incoming.text:
            # It may be no more than thanks: nothing is ordered before its person says so.
            request = await self._follow_up(own, MakeVideo(incoming.text))
            await self._drafts.create(incoming, request)
        else:
            await self._free_text(incoming)

    @staticmethod
    def _is_side_conversation(
        interactive: InteractiveMessage | None, incoming: IncomingMessage
    ) -> bool:
        """Whether a reply in a group is talk between members and not meant for the bot."""
        others = interactive is not None and interactive.user_id != incoming.user.id
        return others and incoming.trigger == "answer"

    async def _replied_interactive(self, incoming: IncomingMessage) -> InteractiveMessage | None:
        """Return the interactive message that the message replies to, or None."""
        answered = incoming.answered
        if answered is None or not answered.ours:
            return None
        interactive = (
            await self._context.interactive_messages.get(answered.token) if answered.token else None
        )
        return interactive or await self._context.interactive_messages.by_message(answered.key)

    # --- commands ------------------------------------------------------------------------

    async def _command(
        self, incoming: IncomingMessage, interactive: InteractiveMessage | None
    ) -> None:
        name = incoming.command or ""
        if name == "video":
            await self._video(incoming, interactive)
            return
        line = incoming.text
        if name == "start":
            await self._start(incoming)
            return
        if name in _OF_TASKS and interactive is not None and interactive.task_id is not None:
            line = _add_task_argument(interactive.task_id, line)
        if name == "admin":
            line = await user_mentions.resolve_user_argument(self._context.app, incoming)
        if name in {"language", "forgetme"} and not split_first_word(split_first_word(line)[1])[0]:
            await self._offer_choices(incoming, name)
            return
        try:
            command = parser.parse_command(line)
        except Refusal as refused:
            if refused.text_key == "command-unknown" and not incoming.target.is_private:
                # In a group it may be another bot's.
                return
            raise
        await self.run_command(incoming.user, incoming.target, command, _update_key(incoming))

    async def run_command(
        self, user: User, target: ChatTarget, command: Command, update: str
    ) -> bool:
        """Run a command and reply. Returns whether it created a task. Raises as `_route` does."""
        reply = await run_command(self._context, user, target, command, update)
        language = await language_for(self._context.app, user)
        if isinstance(command, Fetch) and reply.video is not None and reply.task is not None:
            await self._result_messages.resend(reply.task, target, language)
        elif isinstance(command, _MAKING) and reply.ok and reply.task is not None:
            await self._status_messages.create(target, reply.task, reply.text)
            return True
        else:
            await self._context.reply(target, language, reply.text)
            if reply.ok and reply.task is not None and not isinstance(command, AdminCommand):
                await self._refresh_status(reply.task)
        return False

    async def _refresh_status(self, task: Task) -> None:
        status_text = await task_by_id(self._context.app, task.id)
        if status_text is not None and status_text.state is State.CANCELLED:
            await self._status_messages.end(status_text, final_message(status_text))

    async def _start(self, incoming: IncomingMessage) -> None:
        """Handle `/start`, with the payload of a link if there is one."""
        _, payload = split_first_word(incoming.text)
        task = None
        if payload.startswith(_DEEP_LINK):
            task = await task_by_id(self._context.app, payload.removeprefix(_DEEP_LINK))
        if task is not None and task.user_id == incoming.user.id:
            await self.run_command(
                incoming.user, incoming.target, Fetch(task.id), _update_key(incoming)
            )
            return
        self._command_menu.user_started(incoming.user)
        await self.run_command(
            incoming.user, incoming.target, parser.parse_command("/start"), _update_key(incoming)
        )

    async def _offer_choices(self, incoming: IncomingMessage, name: str) -> None:
        """Offer the values of a command as buttons."""
        user, target = incoming.user, incoming.target
        language = await language_for(self._context.app, user)
        if name == "language":
            choices = [f"/language {code}" for code in LANGUAGES]
            labels = list(LANGUAGES.values())
            # Who reads none of it must find the way all the same.
            text = " / ".join(translate(code, "language-choose") for code in LANGUAGES)
        else:
            choices = ["/forgetme yes", ""]
            labels = [translate(language, "button-forget"), translate(language, "button-keep")]
            text = translate(language, "forgetme-choose")
        body = {"choices": choices}
        interactive = await self._context.get_or_create(
            MessageKind.CHOICES, user, target, body, _update_key(incoming)
        )
        markup = keyboard(interactive, [[(label, str(n)) for n, label in enumerate(labels)]])
        if interactive.message_ref is None:
            await self._context.send(interactive, target, language, escaped(text), markup)

    # --- videos --------------------------------------------------------------------------

    async def _video(
        self, incoming: IncomingMessage, interactive: InteractiveMessage | None
    ) -> None:
        """Handle `/video`, with text and image here or in the replied message."""
        command = parser.parse_command(incoming.text)
        if not isinstance(command, MakeVideo):
            raise Refusal("not-a-command", nearest="")
        answered = incoming.answered
        own = interactive is not None and interactive.user_id == incoming.user.id
        if (
            own
            and interactive is not None
            and interactive.kind is MessageKind.RESULT
            and incoming.image is None
        ):
            if command.prompt:
                request = await self._follow_up(interactive, command)
                await self._order(incoming.user, incoming.target, request, _update_key(incoming))
            else:
                await self.ask_for_change(
                    incoming.user, incoming.target, interactive, _update_key(incoming)
                )
            return
        draft = await self._drafts.of_album(incoming)
        self._drafts.is_handled(incoming.album)
        image = incoming.image or (answered.image if answered else None)
        if draft is not None:
            image = VideoRequestDraft.from_json(draft.body).image
        if not command.prompt and answered is not None:
            command = replace(command, prompt=_prompt_of(answered))
        request = _request_of(command, image, incoming)
        if command.prompt:
            await self._order(incoming.user, incoming.target, request, _update_key(incoming), draft)
        elif draft is None:
            await self._ask_for_prompt(incoming, request)

    async def _order(
        self,
        user: User,
        target: ChatTarget,
        request: VideoRequestDraft,
        update: str,
        draft: InteractiveMessage | None = None,
    ) -> bool:
        """Order the video; the album's draft becomes its status.

        Returns whether it was accepted.
        """
        reply = await order_video(self._context, user, target, request, update)
        language = await language_for(self._context.app, user)
        if reply.task is None or not reply.ok:
            await self._context.reply(target, language, reply.text)
            return False
        note = translate(language, "album-first") if request.album else ""
        text = "\n".join(part for part in (reply.text, note) if part)
        if draft is not None:
            await self._status_messages.convert_draft(draft, reply.task, text)
        else:
            await self._status_messages.create(target, reply.task, text)
        return True

    async def _follow_up(
        self, interactive: InteractiveMessage, change: MakeVideo
    ) -> VideoRequestDraft:
        """Return the request for a changed version of a finished video."""
        task = await task_by_id(self._context.app, interactive.task_id or "")
        if task is None:
            raise Refusal("press-too-old")
        return VideoRequestDraft.follow_up(task, change, remix=can_remix(self._context.app, task))

    async def _free_text(self, incoming: IncomingMessage) -> None:
        """Show a draft for text or an image without a command."""
        if await self._drafts.join(incoming):
            return
        language = await language_for(self._context.app, incoming.user)
        # Our name alone, in reply to a picture or to words, is about those.
        answered = None if incoming.other else incoming.answered
        image = incoming.image or (answered.image if answered else None)
        words = incoming.text or (_prompt_of(answered) if answered else "")
        if image is None and not words:
            if incoming.album is None:
                word = "takes-pictures" if incoming.other else "ask-me"
                await self._context.reply(incoming.target, language, translate(language, word))
            return
        if (
            incoming.image is None
            and incoming.text
            and (await self._implicit_answer(incoming) or await self._drafts.fill(incoming))
        ):
            return
        await self._drafts.create(incoming, _request_of(MakeVideo(words), image, incoming))

    # --- questions -----------------------------------------------------------------------

    async def _ask_for_prompt(self, incoming: IncomingMessage, request: VideoRequestDraft) -> None:
        """Ask for the prompt of a bare `/video`; the image and the options are kept."""
        cause = _update_key(incoming)
        await self._ask(incoming.user, incoming.target, "question-video", request.to_json, cause)

    async def ask_for_change(
        self, user: User, target: ChatTarget, interactive: InteractiveMessage, cause: str
    ) -> None:
        """Ask what to change in a video. Raises `Refusal`, `RetryLater`."""
        if interactive.user_id != user.id or interactive.task_id is None:
            raise Refusal("card-not-yours")
        body = {"remix": interactive.task_id, "card": interactive.callback_id}
        await self._ask(user, target, "question-remix", body, cause, task=interactive.task_id)

    async def _ask(
        self,
        user: User,
        target: ChatTarget,
        sentence: str,
        body: dict[str, Any],
        cause: str,
        **facts: str,
    ) -> None:
        language = await language_for(self._context.app, user)
        interactive = await self._context.get_or_create(
            MessageKind.QUESTION, user, target, body, cause
        )
        if interactive.message_ref is not None:
            return
        # In a group only the one who is asked gets the field to answer in.
        markup = ForceReply(
            selective=True, input_field_placeholder=translate(language, "question-placeholder")
        )
        text = escaped(translate(language, sentence, **facts))
        await self._context.send(interactive, target, language, text, markup)

    async def _answer_to(self, interactive: InteractiveMessage, incoming: IncomingMessage) -> None:
        request = await self._answered(interactive, incoming)
        if await self._order(incoming.user, incoming.target, request, _update_key(incoming)):
            await self._context.interactive_messages.close(interactive)

    async def _implicit_answer(self, incoming: IncomingMessage) -> bool:
        """Take text that follows a question without replying to it as a draft.

        It may be about something else, so nothing is ordered yet. Returns whether there was a
        question.
        """
        if not incoming.target.is_private or incoming.answered is not None:
            return False
        room = incoming.target.channel_only.address
        interactive = await self._context.interactive_messages.newest(
            MessageKind.QUESTION, incoming.user.id, room, STILL_ASKED
        )
        if interactive is None or interactive.message_ref is None:
            return False
        await self._drafts.create(incoming, await self._answered(interactive, incoming))
        await self._context.interactive_messages.close(interactive)
        return True

    async def _answered(
        self, interactive: InteractiveMessage, incoming: IncomingMessage
    ) -> VideoRequestDraft:
        """Return the request that a question stored, with the answer's text as prompt."""
        if "card" in interactive.body:
            result = await self._context.interactive_messages.get(str(interactive.body["card"]))
            if result is None:
                raise Refusal("press-too-old")
            return await self._follow_up(result, MakeVideo(incoming.text))
        request = VideoRequestDraft.from_json(interactive.body)
        request = replace(request, video=replace(request.video, prompt=incoming.text))
        return replace(request, image=incoming.image) if incoming.image else request


def _update_key(incoming: IncomingMessage) -> str:
    """The key of a message: the same however often Telegram delivers it."""
    return message_ref(incoming.target.chat, incoming.target.reply or 0)


def _prompt_of(answered: RepliedMessage) -> str:
    """Return the text of a replied message as a prompt; of a command only its prompt."""
    if answered.ours:
        return ""
    if not answered.text.startswith("/"):
        return answered.text
    try:
        command = parser.parse_command(answered.text)
    except Refusal:
        return ""
    return command.prompt if isinstance(command, MakeVideo) else ""


def _request_of(
    command: MakeVideo, image: ImageAttachment | None, incoming: IncomingMessage
) -> VideoRequestDraft:
    own = incoming.image is not None and incoming.album is not None
    return VideoRequestDraft(command, image, album=own)


def _add_task_argument(task_id: str, line: str) -> str:
    """Add the task of the replied message to a command such as `/cancel`."""
    command, rest = split_first_word(line)
    word, _ = split_first_word(rest)
    if command.partition("@")[0] == "/remix":
        return line if word.lower() == task_id else f"{command} {task_id} {rest}"
    return line if word else f"{command} {task_id}"
