"""Discord: slash commands, forms and buttons, in guilds, threads, direct chats and user installs.

Receiving: `client` gets interactions, `commands` defines them, `interaction_receiver` acknowledges
and stores them (`interaction_payload`). Handling: `message_handler` for commands and forms,
`callback_handler` for buttons, `attachments`, `autocomplete`. Messages: `status_messages`,
`result_messages`. Sending: `sender`, over `http`. Shared: `context`, `target`, `rendering`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets

import aiohttp
import discord
import structlog
from aiohttp.web import RouteDef

from bot.chat.interactive_messages import InteractiveMessages
from bot.chat.update_queue import StoredUpdate, UpdateQueue
from bot.clock import SystemClock
from bot.config import Settings
from bot.domain.commands import CountdownFormatter
from bot.domain.tasks import Delivery, Destination, Task, Video
from bot.frontends.discord.autocomplete import Autocomplete
from bot.frontends.discord.callback_handler import CallbackHandler
from bot.frontends.discord.client import Client, parse_shards
from bot.frontends.discord.command_sync import sync
from bot.frontends.discord.commands import build
from bot.frontends.discord.context import NAME, ChatContext
from bot.frontends.discord.http import InvalidRequestCounter, set_base_url
from bot.frontends.discord.interaction_payload import StoredInteraction
from bot.frontends.discord.interaction_receiver import InteractionReceiver
from bot.frontends.discord.message_handler import MessageHandler
from bot.frontends.discord.rendering import countdown, embed
from bot.frontends.discord.result_messages import ResultMessages
from bot.frontends.discord.sender import MessageSender, OutgoingMessage
from bot.frontends.discord.status_messages import StatusMessages
from bot.frontends.discord.target import ChatTarget, parse_user_id
from bot.ports import Clock, DeliveryError, DeliveryOutcomeUnknown
from bot.services.context import AppContext

_log = structlog.get_logger(__name__)
_MAX_RETRY_DELAY_S = 30.0
_STOP_GRACE_S = 3.0
_FIRST_RETRY_DELAY_S = 2.0
_RESERVED_LOGINS = 20
"""Logins kept in reserve: a process in a restart loop must not use them all."""
_BAD_TOKEN, _NO_INTENTS = 4004, 4014
"""Close codes (topics/opcodes-and-status-codes)."""
_OTHER_SHARDS = (
    "DISCORD_SHARDS",
    "Discord wants more shards; write more behind the stroke, or leave it empty",
)
_CLOSE_CODES = {
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
        """Whether Discord has rejected the bot for good in this process."""

    def routes(self) -> list[RouteDef]:
        """Discord's gateway is called by us: there are no routes."""
        return []

    async def run(self, app: AppContext) -> int:
        """Serve until `stop`; return the exit status."""
        serving = asyncio.create_task(self._serve(app))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                return 0
            self._over = True
            self._ready.set()
            return serving.result()
        finally:
            for task in (serving, stopping):
                task.cancel()
            await asyncio.gather(serving, stopping, return_exceptions=True)

    async def stop(self) -> None:
        """Receive nothing more; messages can still be sent."""
        self._stopping.set()

    async def close(self) -> None:
        """Close the connection after background tasks had a moment to end."""
        if self._ready.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_GRACE_S):
                    await self._context.background.drain()
            await self._context.sender.close()
            await self._client.close()

    def _assemble(self, client: Client, refused: InvalidRequestCounter, app: AppContext) -> None:
        interactive_messages = InteractiveMessages(app.database, self._clock, NAME)
        self._client = client
        self._update_queue = UpdateQueue(app.database, self._clock, NAME, self._handle)
        self._context = context = ChatContext(
            app,
            MessageSender(client, self._clock, refused),
            interactive_messages,
            self._update_queue,
        )
        self._status_messages = StatusMessages(context)
        self._result_messages = ResultMessages(context, self._status_messages)
        self._message_handler = MessageHandler(
            context, self._status_messages, self._result_messages
        )
        self._callback_handler = CallbackHandler(
            context, self._status_messages, self._result_messages, self._message_handler
        )
        client.update_source = InteractionReceiver(app, interactive_messages, self._update_queue)
        build(client.tree, client.update_source, Autocomplete(app))

    async def _serve(self, app: AppContext) -> int:
        set_base_url(self._settings.discord_api_url)
        refused = InvalidRequestCounter(self._clock)
        client = Client(refused, parse_shards(self._settings.discord_shards))
        self._assemble(client, refused, app)
        if not await self._log_in(client):
            await client.close()
            return 1
        await self._context.sender.open()
        self._ready.set()
        background = [
            asyncio.create_task(task)
            for task in (
                self._update_queue.run(),
                self._status_messages.cleanup_stale(),
                self._sync(client),
                self._wait_for_revoked_token(client, refused),
            )
        ]
        _log.info("discord_started", bot=str(client.user))
        try:
            return await self._connect(client)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self._update_queue.stop(self._settings.shutdown_grace_seconds)

    async def _log_in(self, client: Client) -> bool:
        """Log in, retrying while Discord cannot be reached.

        Returns whether it accepts the token.
        """
        attempt = 0
        while True:
            try:
                await client.login(self._settings.discord_bot_token.get_secret_value())
                await client.tree.load()
                shards, gateway, logins = await client.http.get_bot_gateway()
            except discord.LoginFailure:
                _log.error(
                    "discord_token_rejected",
                    setting="DISCORD_BOT_TOKEN",
                    error="Discord does not know it; write what the developer portal gives",
                )
                return False
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                wait = min(2.0**attempt, _MAX_RETRY_DELAY_S)
                _log.warning("discord_retry", error=f"{type(error).__name__} {error}", seconds=wait)
                # The next login opens a session, and what was open goes with the one before.
                await client.http.close()
                client.http.connector = discord.utils.MISSING
                await self._clock.sleep(wait)
                attempt += 1
            else:
                set_base_url(self._settings.discord_api_url, gateway)
                # Where nothing was said: as many as Discord advises.
                client.shard_count = client.shard_count or shards
                await self._check_login_budget(logins["remaining"], logins["reset_after"] / 1000)
                return True

    async def _check_login_budget(self, left: int, reset_after: float) -> None:
        """Wait before using the last logins of the day: at zero, Discord resets the token."""
        if left <= _RESERVED_LOGINS:
            reason = f"only {left} logins are left until Discord would take the token away"
            _log.error("discord_retry", error=reason, seconds=reset_after)
            await self._clock.sleep(reset_after)

    async def _connect(self, client: Client) -> int:
        """Receive until the connection is closed for good; return the exit status."""
        try:
            await client.connect()
        except discord.PrivilegedIntentsRequired:
            code = _NO_INTENTS
        except discord.ConnectionClosed as error:
            code = error.code
        else:
            return 1
        if code in _CLOSE_CODES:
            setting, reason = _CLOSE_CODES[code]
            _log.error("discord_connection_rejected", setting=setting, error=reason)
        else:
            _log.error(
                "discord_connection_rejected",
                error=f"Discord has closed the connection for good: {code}",
            )
        return 1

    async def _wait_for_revoked_token(self, client: Client, refused: InvalidRequestCounter) -> None:
        """Return when Discord rejects the token: it must not be tried again and again."""
        await refused.unknown.wait()
        setting, reason = _CLOSE_CODES[_BAD_TOKEN]
        _log.error("discord_connection_rejected", setting=setting, error=reason)
        await asyncio.shield(client.close())

    async def _sync(self, client: Client) -> None:
        attempt, worker = 0, secrets.token_hex(8)
        interactive_messages, guilds = (
            self._context.interactive_messages,
            self._settings.discord_guilds,
        )
        while True:
            try:
                await sync(client, interactive_messages, self._clock, worker, guilds)
            except Exception as error:  # noqa: BLE001 - whatever it is, people have commands
                wait = min(2.0**attempt * 5, _MAX_RETRY_DELAY_S * 10)
                _log.warning("command_sync_failed", error=str(error)[:500], seconds=wait)
                await self._clock.sleep(wait)
                attempt += 1
            else:
                return

    async def _handle(self, update: StoredUpdate) -> None:
        stored = StoredInteraction.parse(update, self._settings)
        if "press" in stored.payload:
            await self._callback_handler.handle(stored)
        else:
            await self._message_handler.handle(stored)

    # --- what the engine asks for --------------------------------------------------------

    def _require_ready(self) -> None:
        """Raise `DeliveryError` unless connected: other front-ends' results must not wait."""
        if self._over or not self._ready.is_set():
            reason = "there is no connection to Discord"
            raise DeliveryError("unreachable", reason, retry_after=_FIRST_RETRY_DELAY_S)

    def max_video_bytes(self, destination: Destination) -> int | None:
        """Return the upload limit of the interaction, else of the guild."""
        target = ChatTarget.parse(destination.address)
        return (
            self._context.sender.upload_limit(target)
            if self._ready.is_set()
            else target.bot_upload_limit
        )

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        """See `Messenger`."""
        self._require_ready()
        return await self._result_messages.deliver(task, delivery, video, note)

    async def find_delivered(self, task: Task, delivery: Delivery) -> str | None:
        """See `Messenger`."""
        await self._ready.wait()
        return await self._result_messages.find_delivered(task, delivery)

    async def send_final_message(self, task: Task, text: str) -> None:
        """See `Messenger`."""
        self._require_ready()
        await self._result_messages.send_final_message(task, text)

    async def update_status(self, task: Task, text: str) -> None:
        """See `Messenger`."""
        if self._ready.is_set() and not self._over:
            self._status_messages.show(task, text)

    async def alert_admins(self, text: str) -> None:
        """Send a text to every admin on Discord in their direct chat."""
        self._require_ready()
        sent = False
        failed: DeliveryError | DeliveryOutcomeUnknown | None = None
        for admin in sorted(self._settings.admins):
            if not admin.startswith(f"{NAME}:"):
                continue
            try:
                channel = await self._context.sender.open_direct_channel(parse_user_id(admin))
                nonce = f"a{self._clock.now():.3f}"
                await self._context.sender.send(channel, OutgoingMessage([embed(text)]), nonce)
                sent = True
            except (DeliveryError, DeliveryOutcomeUnknown) as error:
                failed = error
        if failed is not None and not sent:
            raise failed
