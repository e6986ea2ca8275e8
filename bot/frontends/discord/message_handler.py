"""Handle commands and submitted forms."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import discord
import structlog

from bot.chat.interactive_messages import DatabaseError
from bot.chat.update_queue import RetryLater
from bot.commands import parser
from bot.domain.commands import (
    AdminCommand,
    ChangeGroup,
    ChangeSettings,
    Command,
    Fetch,
    ForgetMe,
    Help,
    MakeVideo,
    Remix,
    Reply,
    Retry,
)
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import Task
from bot.frontends.discord.attachments import order_video
from bot.frontends.discord.context import ChatContext
from bot.frontends.discord.interaction_payload import (
    StoredInteraction,
    dump_video_options,
    load_video_options,
)
from bot.frontends.discord.rendering import keyboard, parse_callback_data
from bot.frontends.discord.result_messages import ResultMessages
from bot.frontends.discord.status_messages import StatusMessages
from bot.presentation.i18n import format_error, translate
from bot.services.account import set_handle
from bot.services.queries import language_for, task_by_id

_log = structlog.get_logger(__name__)
_STYLE = discord.ButtonStyle


class MessageHandler:
    """Runs the commands of users."""

    def __init__(
        self, context: ChatContext, status_messages: StatusMessages, result_messages: ResultMessages
    ) -> None:
        self._context = context
        self._status_messages = status_messages
        self._result_messages = result_messages

    async def handle(self, stored: StoredInteraction) -> None:
        """Handle one command or form of any user. Raises `RetryLater`."""
        await set_handle(self._context.app, stored.user.id, stored.handle)
        await self.with_error_replies(stored, self._route(stored))

    async def with_error_replies(self, stored: StoredInteraction, work: Awaitable[None]) -> None:
        """Run the handler and reply with the error text if it fails. Raises `RetryLater`."""
        app = self._context.app
        try:
            await work
        except Refusal as refused:
            language = await language_for(app, stored.user, stored.group_id)
            await self._context.reply(
                stored, format_error(language, refused, app.credit_rules.timezone)
            )
        except (RetryLater, DatabaseError):
            raise
        except Exception:  # noqa: BLE001 - a fault of ours; the person is not to wait for nothing
            _log.exception("interaction_handler_failed")
            language = await language_for(app, stored.user, stored.group_id)
            await self._context.reply(stored, translate(language, "internal-error"))

    async def _route(self, stored: StoredInteraction) -> None:
        what = stored.payload
        if "form" in what:
            await self._open_form(stored, str(what["form"]), str(what["prompt"]))
        elif "keep" in what:
            await self._save_image(stored)
        elif "video" in what:
            await self._video(stored)
        elif "remix" in what:
            await self.order(stored, Remix(str(what["remix"]), str(what["prompt"])))
        elif "group" in what:
            await self.run_command(stored, _group_command(what["group"]))
        elif "settings" in what:
            await self.run_command(stored, ChangeSettings(dict(what["settings"])))
        else:
            await self.run_command(stored, parser.parse_command(str(what["line"])))

    # --- commands ------------------------------------------------------------------------

    async def run_command(
        self, stored: StoredInteraction, command: Command, update: str = ""
    ) -> None:
        """Run a typed command and reply. Raises `Refusal`, `RetryLater`."""
        if isinstance(command, Retry):
            await self.order(stored, command, update)
        elif isinstance(command, Fetch):
            await self._fetch(stored, command, update)
        elif isinstance(command, ForgetMe) and not command.confirmed:
            await self._confirm(stored)
        elif isinstance(command, Help):
            language = await language_for(self._context.app, stored.user, stored.group_id)
            await self._context.reply(stored, _help(language, admin=stored.user.is_admin))
        elif isinstance(command, AdminCommand) and not self._context.has_admin:
            # Who sets a bot up needs a number that Discord hides well.
            raise Refusal("admin-none-yet", person=stored.user.id)
        else:
            reply = await self._context.run_command(stored, command, update)
            await self._context.reply(stored, reply.text)
            if reply.task is not None and reply.ok:
                await self._end_status(reply.task)

    async def _end_status(self, task: Task) -> None:
        """Show at once that a task is cancelled."""
        status_text = await task_by_id(self._context.app, task.id)
        if status_text is not None:
            await self._status_messages.end_if_cancelled(status_text)

    async def order(self, stored: StoredInteraction, command: Command, update: str = "") -> None:
        """Order a video and post its status message. Raises `Refusal`, `RetryLater`."""
        sent = await self._announce(
            stored, await self._context.run_command(stored, command, update)
        )
        if update and not sent:
            # A second press.
            raise Refusal("press-done")

    async def _video(self, stored: StoredInteraction) -> None:
        request, image = load_video_options(stored.payload)
        await self._announce(stored, await order_video(self._context, stored, request, image))

    async def _announce(self, stored: StoredInteraction, reply: Reply) -> bool:
        """Post the status message, or reply why there is no task.

        Returns whether it was posted now.
        """
        if reply.task is None or not reply.ok:
            await self._context.reply(stored, reply.text)
            return True
        return await self._status_messages.create(stored, reply.task, reply.text)

    async def _fetch(self, stored: StoredInteraction, command: Fetch, update: str) -> None:
        reply = await self._context.run_command(stored, command, update)
        if reply.video is not None and reply.task is not None:
            await self._result_messages.resend(stored, reply.task)
        else:
            await self._context.reply(stored, reply.text)

    async def _confirm(self, stored: StoredInteraction) -> None:
        language = await language_for(self._context.app, stored.user, stored.group_id)
        body = {"choices": ["/forgetme yes", ""]}
        interactive = await self._context.interactive_messages.create(
            MessageKind.CHOICES, stored.user.id, stored.target.channel_only, body=body
        )
        row = [
            (translate(language, "button-forget"), "0", _STYLE.danger),
            (translate(language, "button-keep"), "1", _STYLE.secondary),
        ]
        await self._context.reply(
            stored, translate(language, "forgetme-choose"), keyboard(interactive, [row])
        )

    # --- forms ---------------------------------------------------------------------------

    async def _save_image(self, stored: StoredInteraction) -> None:
        """Store which image a form was opened for, until it is submitted."""
        body = {"picture": stored.payload["keep"]}
        await self._context.interactive_messages.create(
            MessageKind.QUESTION,
            stored.user.id,
            stored.target.channel_only,
            body=body,
            callback_id=str(stored.payload["token"]),
        )

    async def _open_form(self, stored: StoredInteraction, sent: str, prompt: str) -> None:
        callback_id, verb = parse_callback_data(sent)
        interactive = await self._context.interactive_messages.get(callback_id)
        if interactive is None:
            raise Refusal("press-too-old")
        if interactive.user_id != stored.user.id:
            raise Refusal("card-not-yours")
        if verb == "picture":
            payload = dump_video_options(MakeVideo(prompt)) | {
                "picture": interactive.body["picture"]
            }
            await self._video(replace(stored, payload=payload))
        elif verb == "remix":
            await self.order(stored, Remix(interactive.task_id or "", prompt))
        else:
            await self._again(stored, interactive, prompt)

    async def _again(
        self, stored: StoredInteraction, interactive: InteractiveMessage, prompt: str
    ) -> None:
        """Order the same again; with another prompt it is a new video of the same kind."""
        task = await task_by_id(self._context.app, interactive.task_id or "")
        if task is None:
            raise Refusal("press-too-old")
        same = " ".join(prompt.split()) == " ".join(task.order.prompt.split())
        await self.order(stored, Retry(task.id, video_seen=True, prompt=None if same else prompt))


def _help(language: str, *, admin: bool) -> str:
    """Return one line per command; Discord itself shows the options."""
    listed = [f"/{one.name} - {translate(language, one.summary_key)}" for one in parser.COMMANDS]
    lines = [
        translate(language, "help-title-discord"),
        *listed,
        "",
        translate(language, "help-discord"),
    ]
    return "\n".join([*lines, *([translate(language, "help-admin")] if admin else [])])


def _group_command(stored: dict[str, Any]) -> ChangeGroup:
    """The command of stored options; the keys stay when attributes are renamed."""
    return ChangeGroup(
        allow=stored.get("allow"),
        forbid=stored.get("forbid"),
        role=stored.get("role"),
        role_allowance=stored.get("share"),
        language=stored.get("language"),
        spoiler=stored.get("spoiler"),
    )
