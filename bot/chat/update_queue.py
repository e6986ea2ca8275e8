"""The queue of updates: stored before they are confirmed to the platform, kept until handled.

A front-end confirms an update once `take` has returned. From then on it is handled by this process
or a later one, after earlier updates with the same ordering key. An update that arrives twice is
handled once.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog

from bot.ports import Clock
from bot.store import updates as update_rows
from bot.store.database import Database, DatabaseError, Tx
from bot.store.updates import StoredUpdate

__all__ = ["RetryLater", "StoredUpdate", "UpdateQueue"]

_log = structlog.get_logger(__name__)
_LEASE = 60.0
"""Seconds after which updates of a silent process are taken over."""
_LOOK = 10.0
_TAKEN_AT_ONCE = 200
_TRIES = 12
"""With doubling delays up to two minutes: about a quarter of an hour."""
_LONGEST_WAIT = 120.0
_FULL = 2000
"""Updates in progress; a front-end that can stops fetching more."""


class RetryLater(Exception):
    """The update cannot be handled now and is tried again; what was done is found again."""

    def __init__(self, reason: str, delay_s: float | None = None) -> None:
        super().__init__(reason)
        self.delay_s = delay_s


class UpdateQueue:
    """The queue of one front-end's updates in this process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        front_end: str,
        handle: Callable[[StoredUpdate], Awaitable[None]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._front_end = front_end
        self._handle = handle
        self._worker = secrets.token_hex(8)
        self._queues: dict[str, deque[StoredUpdate]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._looking = asyncio.Lock()
        self._freed = False
        self._backlog_pending = True
        """Older updates without a worker may be stored."""
        self._in_progress: set[int] = set()
        self._persisting: set[int] = set()
        """Ids of updates that are being stored."""
        self._lost_claims = False
        """The database may have assigned updates to us and lost the response."""
        self._unacked: set[int] = set()
        """Ids of handled updates that could not be marked as done yet."""
        self._room = asyncio.Event()
        self._room.set()
        self._stopping = asyncio.Event()

    async def take(self, updates: Sequence[StoredUpdate]) -> None:
        """Store updates and start to handle them. Raises `DatabaseError` if nothing was stored."""
        if not updates:
            return
        if self._backlog_pending:
            # What came in an earlier life goes first.
            await self._claim_next()
        now = self._clock.now()

        def persist(tx: Tx) -> list[StoredUpdate]:
            return update_rows.add(tx, self._front_end, updates, self._worker, now, now + _LEASE)

        new_ids = {update.id for update in updates} - self._persisting
        self._persisting |= new_ids
        try:
            self._start(await self._retry_until_stored(persist))
        finally:
            self._persisting -= new_ids

    async def _retry_until_stored(
        self, function: Callable[[Tx], list[StoredUpdate]]
    ) -> list[StoredUpdate]:
        """Return the updates assigned to us; a lost response may have assigned some too."""
        try:
            return await self._database.transact(function)
        except Exception:
            self._lost_claims = True
            raise

    async def is_pending(self, update_id: int) -> bool:
        """Return whether an update is still being handled, here or in another process."""
        return await self._database.read(
            lambda tx: update_rows.is_pending(tx, self._front_end, update_id)
        )

    async def wait_for_capacity(self) -> None:
        """Return when fewer updates are in progress than the limit."""
        await self._room.wait()

    async def run(self) -> None:
        """Handle updates left by earlier or dead processes, until cancelled."""
        while True:
            try:
                await self._claim_next()
            except DatabaseError as error:
                _log.warning("update_queue_retry", error=str(error))
            except Exception:  # noqa: BLE001 - the next look may go better
                _log.exception("update_queue_claim_failed")
            await self._clock.sleep(_LOOK)

    async def stop(self, grace_s: float) -> None:
        """Start nothing more; wait up to `grace_s` for running handlers. The rest stays stored."""
        self._stopping.set()
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        now = self._clock.now()
        with contextlib.suppress(DatabaseError):
            await self._retry_acks()
            await self._database.transact(lambda tx: update_rows.release(tx, self._worker, now))

    async def wait_idle(self) -> None:
        """Return when no update is in progress."""
        while self._running:
            await asyncio.wait(self._running)

    async def _claim_next(self) -> None:
        """Renew our leases and claim free updates as far as there is capacity."""
        async with self._looking:
            await self._release_stale_once()
            await self._retry_acks()
            await self._find_lost_claims()
            while not self._stopping.is_set():
                limit = _TAKEN_AT_ONCE if self._room.is_set() else 0
                claimed = await self._retry_until_stored(self._claim(self._clock.now(), limit))
                self._start(claimed)
                if limit == 0:
                    return
                self._backlog_pending = len(claimed) == limit
                if not self._backlog_pending:
                    return

    async def _release_stale_once(self) -> None:
        """With a single-process database every lease found at start is stale: release it once."""
        if self._database.single_process and not self._freed:
            now = self._clock.now()
            await self._database.transact(
                lambda tx: update_rows.release_others(tx, self._front_end, self._worker, now)
            )
            self._freed = True

    async def _find_lost_claims(self) -> None:
        """Start updates that were assigned to us without our knowing; nobody else would."""
        if self._lost_claims:
            known_ids = self._in_progress | self._persisting
            claimed = await self._database.read(
                lambda tx: update_rows.claimed_by(tx, self._front_end, self._worker)
            )
            known_ids |= self._in_progress | self._persisting | self._unacked
            self._lost_claims = False
            self._start([update for update in claimed if update.id not in known_ids])

    async def _retry_acks(self) -> None:
        for update_id in sorted(self._unacked):
            now = self._clock.now()
            await self._database.transact(self._mark_done(update_id, now))
            self._unacked.discard(update_id)

    def _claim(self, now: float, limit: int) -> Callable[[Tx], list[StoredUpdate]]:
        until = now + _LEASE

        def claim(tx: Tx) -> list[StoredUpdate]:
            update_rows.extend_claims(tx, self._worker, until)
            if limit == 0:
                return []
            return update_rows.claim(tx, self._front_end, self._worker, now, until, limit)

        return claim

    def _start(self, updates: Sequence[StoredUpdate]) -> None:
        for update in updates:
            self._in_progress.add(update.id)
            queue = self._queues.setdefault(update.ordering_key, deque())
            queue.append(update)
            if len(queue) == 1:
                running = asyncio.create_task(self._work_through(update.ordering_key))
                self._running.add(running)
                running.add_done_callback(self._running.discard)
        if len(self._in_progress) >= _FULL:
            self._room.clear()

    async def _work_through(self, ordering_key: str) -> None:
        """Handle the updates of one ordering key one after the other."""
        queue = self._queues[ordering_key]
        try:
            while queue and not self._stopping.is_set():
                if await self._process(queue[0]):
                    self._forget([queue.popleft()])
        finally:
            del self._queues[ordering_key]
            self._forget(queue)

    def _forget(self, updates: Iterable[StoredUpdate]) -> None:
        self._in_progress -= {update.id for update in updates}
        if len(self._in_progress) < _FULL:
            self._room.set()

    async def _process(self, update: StoredUpdate) -> bool:
        """Handle one update, with retries. False: we are stopping, and it stays stored."""
        for attempt in range(update.attempts, _TRIES):
            try:
                await self._handle(update)
                break
            except (RetryLater, DatabaseError) as error:
                wait = error.delay_s if isinstance(error, RetryLater) else None
                _log.info("update_retry", update=update.id, error=str(error))
                await self._pause(wait or min(2.0**attempt, _LONGEST_WAIT))
                if self._stopping.is_set():
                    return False
            except Exception:  # noqa: BLE001 - one update must not stop those behind it
                _log.exception("update_handler_failed", update=update.id)
                break
        else:
            _log.error("update_dropped", update=update.id)
        await self._ack(update)
        return True

    async def _pause(self, delay_s: float) -> None:
        slept = asyncio.ensure_future(self._clock.sleep(delay_s))
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({slept, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            slept.cancel()
            stopped.cancel()

    async def _ack(self, update: StoredUpdate) -> None:
        try:
            await self._database.transact(self._mark_done(update.id, self._clock.now()))
        except DatabaseError as error:
            self._unacked.add(update.id)
            _log.warning("update_ack_failed", update=update.id, error=str(error))

    def _mark_done(self, update_id: int, now: float) -> Callable[[Tx], None]:
        return lambda tx: update_rows.mark_done(tx, self._front_end, update_id, now)
