"""Discord: slash commands, forms and buttons, in guilds, threads, direct chats and user installs.

The way in: `client` hears interactions, `slash` says which commands there are, `hearing`
acknowledges and keeps them. What comes of them: `talk` for commands and forms, `presses` for
buttons, with `making` and `choices`. What stands in channels: `statuses`, `results`. The way out:
`post`, over the `wire`. Shared by all: `kit`, `spot`, `asked`, `markup`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets

import aiohttp
import discord
import structlog
from aiohttp.web import RouteDef

from bot.cards import Cards
from bot.clock import SystemClock
from bot.config import Settings
from bot.domain.commands import CountdownFormatter
from bot.domain.tasks import Delivery, Destination, Task, Video
from bot.frontends.discord.asked import Asked
from bot.frontends.discord.choices import Choices
from bot.frontends.discord.client import Client, shards_of
from bot.frontends.discord.hearing import Hearing
from bot.frontends.discord.kit import NAME, Kit
from bot.frontends.discord.markup import countdown, embed
from bot.frontends.discord.post import Post, Words
from bot.frontends.discord.presses import Presses
from bot.frontends.discord.results import Results
from bot.frontends.discord.slash import build
from bot.frontends.discord.spot import Spot, user_of
from bot.frontends.discord.statuses import Statuses
from bot.frontends.discord.syncing import sync
from bot.frontends.discord.talk import Talk
from bot.frontends.discord.wire import Refused, point_at
from bot.inbox import Inbox, StoredUpdate
from bot.ports import Clock, DeliveryError, DeliveryOutcomeUnknown
from bot.services.context import AppContext

_log = structlog.get_logger(__name__)
_LONGEST_WAIT = 30.0
_LAST_MOMENT = 3.0
_SOON = 2.0
_SPARED = 20
"""Logins that are not used up, as a process that is started again and again would."""
_BAD_TOKEN, _NO_INTENTS = 4004, 4014
"""Close codes (topics/opcodes-and-status-codes)."""
_OTHER_SHARDS = (
    "DISCORD_SHARDS",
    "Discord wants more shards; write more behind the stroke, or leave it empty",
)
_CLOSED = {
    _BAD_TOKEN: (
        "DISCORD_BOT_TOKEN",
        "Discord no longer knows the token; write what the developer portal gives",
    ),
    _NO_INTENTS: (
        "DISCORD_BOT_TOKEN",
        "Discord does not let this bot hear of its servers; look at it in the developer portal",
    ),
    4010: _OTHER_SHARDS,
    4011: _OTHER_SHARDS,
}
"""Close code -> the setting to change, and why."""


class Discord:
    """The front-end of one bot."""

    name = NAME

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.format_countdown: CountdownFormatter | None = countdown
        self._settings = settings
        self._clock = clock or SystemClock()
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._over = False
        """Discord will not be asked again in this life of the process."""

    def routes(self) -> list[RouteDef]:
        """Discord's gateway is called by us: there is nothing to listen to."""
        return []

    async def run(self, desk: AppContext) -> int:
        """Serve until `stop`; the exit status."""
        serving = asyncio.create_task(self._serve(desk))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                return 0
            self._over = True
            self._ready.set()
            return serving.result()
        finally:
            for one in (serving, stopping):
                one.cancel()
            await asyncio.gather(serving, stopping, return_exceptions=True)

    async def stop(self) -> None:
        """Hear nothing more; what is to be posted still can be."""
        self._stopping.set()

    async def close(self) -> None:
        """Let go of Discord, when what was begun beside has had a moment to end."""
        if self._ready.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_MOMENT):
                    await self._kit.quiet()
            await self._kit.post.close()
            await self._client.close()

    def _assemble(self, client: Client, refused: Refused, desk: AppContext) -> None:
        cards = Cards(desk.database, self._clock, NAME)
        self._client = client
        self._inbox = Inbox(desk.database, self._clock, NAME, self._handle)
        self._kit = kit = Kit(desk, Post(client, self._clock, refused), cards, self._inbox)
        self._statuses = Statuses(kit)
        self._results = Results(kit, self._statuses)
        self._talk = Talk(kit, self._statuses, self._results)
        self._presses = Presses(kit, self._statuses, self._results, self._talk)
        client.hearing = Hearing(desk, cards, self._inbox)
        build(client.tree, client.hearing, Choices(desk))

    async def _serve(self, desk: AppContext) -> int:
        point_at(self._settings.discord_api_url)
        refused = Refused(self._clock)
        client = Client(refused, shards_of(self._settings.discord_shards))
        self._assemble(client, refused, desk)
        if not await self._logged_in(client):
            await client.close()
            return 1
        await self._kit.post.open()
        self._ready.set()
        beside = [
            asyncio.create_task(one)
            for one in (
                self._inbox.run(),
                self._statuses.tidy(),
                self._sync(client),
                self._until_unknown(client, refused),
            )
        ]
        _log.info("discord_serves", bot=str(client.user))
        try:
            return await self._connected(client)
        finally:
            for one in beside:
                one.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self._inbox.stop(self._settings.shutdown_grace_seconds)

    async def _logged_in(self, client: Client) -> bool:
        """Whether Discord knows the token; while it cannot be asked, we ask again."""
        attempt = 0
        while True:
            try:
                await client.login(self._settings.discord_bot_token.get_secret_value())
                await client.tree.load()
                shards, gateway, logins = await client.http.get_bot_gateway()
            except discord.LoginFailure:
                _log.error(
                    "discord_token_refused",
                    setting="DISCORD_BOT_TOKEN",
                    why="Discord does not know it; write what the developer portal gives",
                )
                return False
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                wait = min(2.0**attempt, _LONGEST_WAIT)
                _log.warning("discord_waits", why=f"{type(error).__name__} {error}", seconds=wait)
                # The next login opens a session, and what was open goes with the one before.
                await client.http.close()
                client.http.connector = discord.utils.MISSING
                await self._clock.sleep(wait)
                attempt += 1
            else:
                point_at(self._settings.discord_api_url, gateway)
                # Where nothing was said: as many as Discord advises.
                client.shard_count = client.shard_count or shards
                await self._spare(logins["remaining"], logins["reset_after"] / 1000)
                return True

    async def _spare(self, left: int, reset_after: float) -> None:
        """Wait with the last logins of the day: whoever needs more loses the token for good."""
        if left <= _SPARED:
            why = f"only {left} logins are left until Discord would take the token away"
            _log.error("discord_waits", why=why, seconds=reset_after)
            await self._clock.sleep(reset_after)

    async def _connected(self, client: Client) -> int:
        """Hear until the connection is closed for good; the exit status."""
        try:
            await client.connect()
        except discord.PrivilegedIntentsRequired:
            code = _NO_INTENTS
        except discord.ConnectionClosed as error:
            code = error.code
        else:
            return 1
        if code in _CLOSED:
            setting, why = _CLOSED[code]
            _log.error("discord_refused", setting=setting, why=why)
        else:
            _log.error("discord_refused", why=f"Discord has closed the connection for good: {code}")
        return 1

    async def _until_unknown(self, client: Client, refused: Refused) -> None:
        """A token that is refused meanwhile is not tried again and again."""
        await refused.unknown.wait()
        setting, why = _CLOSED[_BAD_TOKEN]
        _log.error("discord_refused", setting=setting, why=why)
        await asyncio.shield(client.close())

    async def _sync(self, client: Client) -> None:
        attempt, worker = 0, secrets.token_hex(8)
        cards, guilds = self._kit.cards, self._settings.discord_guilds
        while True:
            try:
                await sync(client, cards, self._clock, worker, guilds)
            except Exception as error:  # noqa: BLE001 - whatever it is, people have commands
                wait = min(2.0**attempt * 5, _LONGEST_WAIT * 10)
                _log.warning("commands_not_told", why=str(error)[:500], seconds=wait)
                await self._clock.sleep(wait)
                attempt += 1
            else:
                return

    async def _handle(self, one: StoredUpdate) -> None:
        asked = Asked.parse(one, self._settings)
        if "press" in asked.what:
            await self._presses.press(asked)
        else:
            await self._talk.heard(asked)

    # --- what the engine asks for --------------------------------------------------------

    def _there(self) -> None:
        """Raise `DeliveryError` unless Discord can be reached; others' results go on meanwhile."""
        if self._over or not self._ready.is_set():
            why = "there is no connection to Discord"
            raise DeliveryError("unreachable", why, retry_after=_SOON)

    def max_video_bytes(self, destination: Destination) -> int | None:
        """By the interaction's own limit, then by that of the guild."""
        spot = Spot.parse(destination.address)
        return self._kit.post.largest(spot) if self._ready.is_set() else spot.own_limit

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        """See `Messenger`."""
        self._there()
        return await self._results.deliver(task, delivery, video, note)

    async def find_delivered(self, task: Task, delivery: Delivery) -> str | None:
        """See `Messenger`."""
        await self._ready.wait()
        return await self._results.posted(task, delivery)

    async def send_final_message(self, task: Task, text: str) -> None:
        """See `Messenger`."""
        self._there()
        await self._results.tell(task, text)

    async def update_status(self, task: Task, text: str) -> None:
        """See `Messenger`."""
        if self._ready.is_set() and not self._over:
            self._statuses.show(task, text)

    async def alert_admins(self, text: str) -> None:
        """Tell every admin here in their direct chat."""
        self._there()
        told = False
        failed: DeliveryError | DeliveryOutcomeUnknown | None = None
        for admin in sorted(self._settings.admins):
            if not admin.startswith(f"{NAME}:"):
                continue
            try:
                channel = await self._kit.post.direct(user_of(admin))
                nonce = f"a{self._clock.now():.3f}"
                await self._kit.post.send(channel, Words([embed(text)]), nonce)
                told = True
            except (DeliveryError, DeliveryOutcomeUnknown) as error:
                failed = error
        if failed is not None and not told:
            raise failed
