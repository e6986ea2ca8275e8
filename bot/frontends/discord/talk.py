"""What comes of commands and forms."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import discord
import structlog

from bot.cards import DatabaseError
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
from bot.frontends.discord.asked import Asked, kept_video, video_of
from bot.frontends.discord.kit import Kit
from bot.frontends.discord.making import make
from bot.frontends.discord.markup import keyboard, pressed
from bot.frontends.discord.results import Results
from bot.frontends.discord.statuses import Statuses
from bot.inbox import Later
from bot.presentation.i18n import format_error, translate
from bot.services.account import set_handle
from bot.services.queries import language_for, task_by_id

_log = structlog.get_logger(__name__)
_STYLE = discord.ButtonStyle


class Talk:
    """Deals with what people ask for."""

    def __init__(self, kit: Kit, statuses: Statuses, results: Results) -> None:
        self._kit = kit
        self._statuses = statuses
        self._results = results

    async def heard(self, asked: Asked) -> None:
        """One command or form, whoever's. Raises `Later`."""
        await set_handle(self._kit.desk, asked.person.id, asked.handle)
        await self.kindly(asked, self._do(asked))

    async def kindly(self, asked: Asked, work: Awaitable[None]) -> None:
        """Do it; what cannot be done is told."""
        desk = self._kit.desk
        try:
            await work
        except Refusal as refused:
            language = await language_for(desk, asked.person, asked.group)
            await self._kit.answer(
                asked, format_error(language, refused, desk.credit_rules.timezone)
            )
        except (Later, DatabaseError):
            raise
        except Exception:  # noqa: BLE001 - a fault of ours; the person is not to wait for nothing
            _log.exception("request_failed")
            language = await language_for(desk, asked.person, asked.group)
            await self._kit.answer(asked, translate(language, "internal-error"))

    async def _do(self, asked: Asked) -> None:
        what = asked.what
        if "form" in what:
            await self._form(asked, str(what["form"]), str(what["prompt"]))
        elif "keep" in what:
            await self._keep(asked)
        elif "video" in what:
            await self._video(asked)
        elif "remix" in what:
            await self.order(asked, Remix(str(what["remix"]), str(what["prompt"])))
        elif "group" in what:
            await self.do(asked, _group_command(what["group"]))
        elif "settings" in what:
            await self.do(asked, ChangeSettings(dict(what["settings"])))
        else:
            await self.do(asked, parser.parse_command(str(what["line"])))

    # --- commands ------------------------------------------------------------------------

    async def do(self, asked: Asked, command: Command, update: str = "") -> None:
        """A command in words. Raises `Refusal`, `Later`."""
        if isinstance(command, Retry):
            await self.order(asked, command, update)
        elif isinstance(command, Fetch):
            await self._fetch(asked, command, update)
        elif isinstance(command, ForgetMe) and not command.confirmed:
            await self._confirm(asked)
        elif isinstance(command, Help):
            language = await language_for(self._kit.desk, asked.person, asked.group)
            await self._kit.answer(asked, _help(language, admin=asked.person.is_admin))
        elif isinstance(command, AdminCommand) and not self._kit.has_admin:
            # Who sets a bot up needs a number that Discord hides well.
            raise Refusal("admin-none-yet", person=asked.person.id)
        else:
            reply = await self._kit.ask(asked, command, update)
            await self._kit.answer(asked, reply.text)
            if reply.task is not None and reply.ok:
                await self._ended(reply.task)

    async def _ended(self, task: Task) -> None:
        """A cancelled task's status says so at once."""
        now_is = await task_by_id(self._kit.desk, task.id)
        if now_is is not None:
            await self._statuses.end_if_cancelled(now_is)

    async def order(self, asked: Asked, command: Command, update: str = "") -> None:
        """Have a video made, and show how it goes. Raises `Refusal`, `Later`."""
        told = await self._ordered(asked, await self._kit.ask(asked, command, update))
        if update and not told:
            # A second press.
            raise Refusal("press-done")

    async def _video(self, asked: Asked) -> None:
        wish, picture = video_of(asked.what)
        await self._ordered(asked, await make(self._kit, asked, wish, picture))

    async def _ordered(self, asked: Asked, reply: Reply) -> bool:
        """Show how it goes, or say why it does not. Whether that was told now."""
        if reply.task is None or not reply.ok:
            await self._kit.answer(asked, reply.text)
            return True
        return await self._statuses.announce(asked, reply.task, reply.text)

    async def _fetch(self, asked: Asked, command: Fetch, update: str) -> None:
        reply = await self._kit.ask(asked, command, update)
        if reply.video is not None and reply.task is not None:
            await self._results.again(asked, reply.task)
        else:
            await self._kit.answer(asked, reply.text)

    async def _confirm(self, asked: Asked) -> None:
        language = await language_for(self._kit.desk, asked.person, asked.group)
        body = {"choices": ["/forgetme yes", ""]}
        card = await self._kit.cards.open(
            MessageKind.CHOICES, asked.person.id, asked.spot.room, body=body
        )
        row = [
            (translate(language, "button-forget"), "0", _STYLE.danger),
            (translate(language, "button-keep"), "1", _STYLE.secondary),
        ]
        await self._kit.answer(asked, translate(language, "forgetme-choose"), keyboard(card, [row]))

    # --- forms ---------------------------------------------------------------------------

    async def _keep(self, asked: Asked) -> None:
        """A form was opened about a picture: remember which, until the form is sent."""
        body = {"picture": asked.what["keep"]}
        await self._kit.cards.open(
            MessageKind.QUESTION,
            asked.person.id,
            asked.spot.room,
            body=body,
            token=str(asked.what["token"]),
        )

    async def _form(self, asked: Asked, sent: str, prompt: str) -> None:
        token, verb = pressed(sent)
        card = await self._kit.cards.get(token)
        if card is None:
            raise Refusal("press-too-old")
        if card.user_id != asked.person.id:
            raise Refusal("card-not-yours")
        if verb == "picture":
            what = kept_video(MakeVideo(prompt)) | {"picture": card.body["picture"]}
            await self._video(replace(asked, what=what))
        elif verb == "remix":
            await self.order(asked, Remix(card.task_id or "", prompt))
        else:
            await self._again(asked, card, prompt)

    async def _again(self, asked: Asked, card: InteractiveMessage, prompt: str) -> None:
        """The same once more; with other words it is another video of the same kind."""
        task = await task_by_id(self._kit.desk, card.task_id or "")
        if task is None:
            raise Refusal("press-too-old")
        same = " ".join(prompt.split()) == " ".join(task.order.prompt.split())
        await self.order(asked, Retry(task.id, video_seen=True, prompt=None if same else prompt))


def _help(language: str, *, admin: bool) -> str:
    """Every command in a line; Discord itself shows what belongs behind each."""
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
