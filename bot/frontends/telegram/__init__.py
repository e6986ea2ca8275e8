"""Telegram: a bot in private chats, groups, topics and below channels' posts.

The way in: `hearing` gets updates, `incoming` reads them. What comes of them: `talk` for messages,
`presses` for buttons, with `drafts`, `making` and `people`. What stands in chats: `statuses`,
`results`, `menus`. The way out: `post`, at the `pace` of each chat, over the `wire`. Shared by all:
`kit`, `spot`, `markup`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json

import structlog
from aiohttp.web import RouteDef
from telegram import ChatMember, ChatMemberUpdated, Update
from telegram import User as TelegramUser
from telegram.error import InvalidToken, TelegramError

from bot.cards import Cards
from bot.clock import SystemClock
from bot.config import Settings
from bot.domain.commands import CountdownFormatter
from bot.domain.tasks import Delivery, Destination, Task, Video
from bot.frontends.telegram.drafts import Drafts
from bot.frontends.telegram.hearing import Hearing
from bot.frontends.telegram.incoming import person_of
from bot.frontends.telegram.kit import NAME, Kit
from bot.frontends.telegram.markup import pieces
from bot.frontends.telegram.menus import Menus
from bot.frontends.telegram.pace import Pace, Rank, Rules
from bot.frontends.telegram.post import Post
from bot.frontends.telegram.presses import Presses
from bot.frontends.telegram.results import Results
from bot.frontends.telegram.spot import Spot, user_of
from bot.frontends.telegram.statuses import Statuses
from bot.frontends.telegram.talk import Talk
from bot.frontends.telegram.wire import Throttled, Wire
from bot.inbox import Inbox, StoredUpdate
from bot.ports import Clock, DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.context import AppContext
from bot.services.queries import language_for

_log = structlog.get_logger(__name__)
_OFFICIAL = "https://api.telegram.org"
_CLOUD_MB = 50
_LOCAL_MB = 2000
"""Of an upload: core.telegram.org/bots/api, "Sending files" and "Using a Local Bot API Server"."""
_LONGEST_WAIT = 30.0
_LAST_MOMENT = 3.0
_HERE = {ChatMember.MEMBER, ChatMember.ADMINISTRATOR, ChatMember.RESTRICTED}


class Telegram:
    """The front-end of one bot."""

    name = NAME
    format_countdown: CountdownFormatter | None = None

    def __init__(
        self, settings: Settings, clock: Clock | None = None, rules: Rules | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._hearing = Hearing(settings, self._clock)
        self._pace = Pace(self._clock, rules or Rules())
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._largest = _upload_mb(settings) * 1_000_000

    def routes(self) -> list[RouteDef]:
        """What the web server of this process must listen to for it."""
        return self._hearing.routes()

    async def run(self, desk: AppContext) -> int:
        """Serve until `stop`; the exit status."""
        self._wire = Wire(self._settings)
        self._assemble(self._wire, desk)
        serving = asyncio.create_task(self._serve(self._wire, desk))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return serving.result() if serving.done() else 0
        finally:
            for one in (serving, stopping):
                one.cancel()
            await asyncio.gather(serving, stopping, return_exceptions=True)

    async def stop(self) -> None:
        """Hear nothing more; what is to be posted still can be."""
        self._stopping.set()

    async def close(self) -> None:
        """Let go of Telegram, when what was begun beside has had a moment to end."""
        if self._ready.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_MOMENT):
                    await self._kit.quiet()
            await self._statuses.stop()
            await self._wire.close()

    def _assemble(self, wire: Wire, desk: AppContext) -> None:
        cards = Cards(desk.database, self._clock, NAME)
        post = Post(wire.bot, self._pace, self._clock, cards, self._largest)
        self._kit = kit = Kit(desk, wire.bot, post, cards)
        self._statuses = Statuses(kit, self._pace)
        self._results = Results(kit, self._statuses)
        self._menus = Menus(kit)
        drafts = Drafts(kit, self._statuses)
        self._talk = Talk(kit, self._statuses, self._results, drafts, self._menus)
        self._presses = Presses(kit, self._statuses, self._results, drafts, self._talk)
        self._ready.set()

    async def _serve(self, wire: Wire, desk: AppContext) -> int:
        await self._kit.post.open()
        self._kit.me = await self._introduced()
        if self._kit.me is None:
            return 1
        # Each bot's updates have numbers of their own, and the token may change.
        inbox = Inbox(desk.database, self._clock, f"{NAME}:{self._kit.me.id}", self._handle)
        beside = [asyncio.create_task(one) for one in (inbox.run(), self._statuses.tidy())]
        self._kit.beside(self._menus.announce())
        _log.info("telegram_serves", bot=self._kit.me.username)
        try:
            return await self._hearing.hear(wire, inbox)
        finally:
            for one in beside:
                one.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await inbox.stop(self._settings.shutdown_grace_seconds)

    async def _introduced(self) -> TelegramUser | None:
        """Who the bot is; None: Telegram does not know its token."""
        attempt = 0
        while True:
            try:
                return await self._kit.bot.get_me()
            except InvalidToken:
                _log.error(
                    "telegram_token_refused",
                    setting="TELEGRAM_BOT_TOKEN",
                    why="Telegram does not know it; write what BotFather gives for this bot",
                )
                return None
            except TelegramError as error:
                wait = min(2.0**attempt, _LONGEST_WAIT)
                wait = error.seconds if isinstance(error, Throttled) else wait
                _log.warning("telegram_waits", why=str(error), seconds=wait)
                await self._clock.sleep(wait)
                attempt += 1

    # --- updates -------------------------------------------------------------------------

    async def _handle(self, one: StoredUpdate) -> None:
        update = Update.de_json(json.loads(one.body), self._kit.bot)
        if update.callback_query is not None:
            await self._presses.press(update.callback_query)
        elif update.message is not None:
            await self._talk.message(update.message)
        elif update.my_chat_member is not None:
            await self._membership(update.my_chat_member)

    async def _membership(self, change: ChatMemberUpdated) -> None:
        """Somebody has brought us into a group: say how we are spoken to there."""
        came = change.new_chat_member.status in _HERE
        was_here = change.old_chat_member.status in _HERE
        if change.chat.type not in {"group", "supergroup"} or was_here or not came:
            return
        person = person_of(change.from_user, self._settings)
        language = await language_for(self._kit.desk, person)
        await self._kit.answer(
            Spot(change.chat.id), language, translate(language, "group-greeting")
        )

    # --- what the engine asks for --------------------------------------------------------

    def max_video_bytes(self, destination: Destination) -> int | None:
        """The same in every chat."""
        del destination
        return self._kit.post.largest if self._ready.is_set() else self._largest

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        """See `Messenger`."""
        await self._ready.wait()
        return await self._results.deliver(task, delivery, video, note)

    async def find_delivered(self, task: Task, delivery: Delivery) -> str | None:
        """What was written down of it; Telegram itself cannot be asked what stands in a chat."""
        del delivery
        await self._ready.wait()
        return await self._results.posted(task)

    async def send_final_message(self, task: Task, text: str) -> None:
        """See `Messenger`."""
        await self._ready.wait()
        await self._results.tell(task, text)

    async def update_status(self, task: Task, text: str) -> None:
        """See `Messenger`."""
        if self._ready.is_set():
            self._statuses.show(task, text)

    async def alert_admins(self, text: str) -> None:
        """Tell every admin here; who has not started the bot cannot be told."""
        await self._ready.wait()
        told = False
        failed: DeliveryError | DeliveryOutcomeUnknown | None = None
        for admin in sorted(self._settings.admins):
            if not admin.startswith(f"{NAME}:"):
                continue
            try:
                for part in pieces(text):
                    await self._kit.post.text(Spot(user_of(admin)), part, Rank.WORD)
                told = True
            except (DeliveryError, DeliveryOutcomeUnknown) as error:
                failed = error
        if failed is not None and not told:
            raise failed


def _upload_mb(settings: Settings) -> int:
    if settings.telegram_upload_mb is not None:
        return settings.telegram_upload_mb
    return _CLOUD_MB if settings.telegram_api_url.rstrip("/") == _OFFICIAL else _LOCAL_MB
