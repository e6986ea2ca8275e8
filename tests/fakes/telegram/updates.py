"""Pending updates: fetched by long polling, or sent to the webhook."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.fakes.telegram.api_schema import UPDATES
from tests.fakes.telegram.value_checks import problems

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
_NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
LONGEST_POLL = 50.0


class PollSuperseded(Exception):
    """A newer poll has replaced this one."""


@dataclass(frozen=True, slots=True)
class Update:
    """One update, and of whom or which chat it is."""

    id: int
    key: int
    body: dict[str, Any]


@dataclass(slots=True)
class Webhook:
    """Where updates are brought."""

    url: str
    secret: str
    connections: int


class Updates:
    """All updates that are not confirmed, in order."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        """Called when something was confirmed."""
        self.allowed: frozenset[str] = UPDATES - _NOT_BY_DEFAULT
        self.allowed_as_told: list[str] | None = None
        self.all: list[Update] = []
        self.waiting: dict[int, Update] = {}
        """What is not confirmed yet."""
        self.told = 0
        """How often one was handed to the bot, repeats included."""
        self.webhook: Webhook | None = None
        self.retry_seconds = 0.2
        """The first delay after a webhook failed; each further one is twice as long."""
        self.last_error = ""
        self.webhook_answers: list[int] = []
        """The status of each delivery; 0: no answer."""
        self._numbers = count(870_000_001)
        self._again: list[Update] = []
        self._open = asyncio.Event()
        self._open.set()
        self._polling: asyncio.Future[None] | None = None
        self._lanes: dict[int, asyncio.Task[None]] = {}
        self._queues: defaultdict[int, list[int]] = defaultdict(list)
        self._free = asyncio.Semaphore(40)
        self._session: ClientSession | None = None

    def add(self, kind: str, told: dict[str, Any], key: int) -> Update | None:
        """Tell something, if the bot wishes to hear of such."""
        if kind not in self.allowed:
            return None
        update = Update(0, key, {"update_id": next(self._numbers), kind: told})
        update = Update(update.body["update_id"], key, update.body)
        found = problems("Update", update.body)
        assert not found, f"a wrong update of the fake's own: {found}"
        self.all.append(update)
        self._offer(update)
        return update

    def repeat(self, update: Update) -> None:
        """Tell the same update once more, confirmed or not."""
        if self.webhook is None:
            self._again.append(update)
        self._offer(update)

    def pause(self) -> None:
        """Bring nothing to the webhook for a while."""
        self._open.clear()

    def resume(self) -> None:
        """Go on."""
        self._open.set()

    def _offer(self, update: Update) -> None:
        self.waiting[update.id] = update
        if self._polling is not None and not self._polling.done():
            self._polling.set_result(None)
        if self.webhook is not None:
            self._send_on(update)

    def allow(self, kinds: list[str] | None) -> None:
        """From now on only these; an empty list: the usual ones."""
        if kinds is not None:
            self.allowed_as_told = kinds or None
            self.allowed = frozenset(kinds) if kinds else UPDATES - _NOT_BY_DEFAULT

    # --- polling -------------------------------------------------------------------------

    async def fetch(self, offset: int, limit: int, seconds: float) -> list[dict[str, Any]]:
        """A poll. Raises `PollSuperseded` once a newer one comes."""
        if self._polling is not None and not self._polling.done():
            self._polling.set_exception(PollSuperseded())
        if offset < 0:
            keep = sorted(self.waiting)[offset:]
            self.waiting = {update_id: self.waiting[update_id] for update_id in keep}
        for one in [update_id for update_id in self.waiting if update_id < offset]:
            del self.waiting[one]
        self._changed()
        if not self.waiting and seconds > 0:
            await self._wait(min(seconds, LONGEST_POLL))
        again, self._again = self._again, []
        ids = [repeated.id for repeated in again]
        wanted = again + [self.waiting[one] for one in sorted(self.waiting) if one not in ids]
        found = [update.body for update in wanted[:limit]]
        self.told += len(found)
        return found

    async def _wait(self, seconds: float) -> None:
        mine = self._polling = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(mine, seconds)
        except TimeoutError:
            pass
        finally:
            if self._polling is mine:
                self._polling = None

    # --- webhook -------------------------------------------------------------------------

    async def set_webhook(self, webhook: Webhook | None) -> None:
        """Bring updates there, also those that wait; None: wait to be asked."""
        await self.stop()
        self.webhook = webhook
        if webhook is not None:
            self._free = asyncio.Semaphore(webhook.connections)
            self._session = ClientSession(timeout=ClientTimeout(total=60))
            for one in sorted(self.waiting):
                self._send_on(self.waiting[one])

    async def stop(self) -> None:
        """Bring nothing any more."""
        lanes, self._lanes = list(self._lanes.values()), {}
        self._queues.clear()
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _send_on(self, update: Update) -> None:
        """What is of one chat or person goes one after the other, all else side by side."""
        self._queues[update.key].append(update.id)
        if update.key not in self._lanes:
            self._lanes[update.key] = asyncio.create_task(self._lane(update.key))

    async def _lane(self, key: int) -> None:
        queue = self._queues[key]
        while queue:
            update, delay = self.waiting.get(queue[0]), self.retry_seconds
            while update is not None and not await self._brought(update):
                await asyncio.sleep(delay)
                delay = min(delay * 2, 60.0)
            queue.pop(0)
            if update is not None:
                self.waiting.pop(update.id, None)
                self._changed()
        del self._lanes[key], self._queues[key]

    async def _brought(self, update: Update) -> bool:
        assert self.webhook is not None
        assert self._session is not None
        headers = {"Content-Type": "application/json"}
        if self.webhook.secret:
            headers[SECRET_HEADER] = self.webhook.secret
        status = 0
        await self._open.wait()
        async with self._free:
            self.told += 1
            try:
                async with self._session.post(
                    self.webhook.url,
                    data=json.dumps(update.body),
                    headers=headers,
                    allow_redirects=False,
                ) as answer:
                    await answer.read()
                    status = answer.status
            except (ClientError, TimeoutError, OSError) as error:
                self.last_error = str(error) or type(error).__name__
        self.webhook_answers.append(status)
        if status and not 200 <= status < 300:
            self.last_error = f"Wrong response from the webhook: {status}"
        return 200 <= status < 300
