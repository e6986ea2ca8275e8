"""Updates between a platform and what comes of them: kept until all of it has.

A front-end confirms an update to its platform when `take` has returned. From then on the update is
handled in this life of the process or in the next, after those before it in its lane; the same one
twice is one.
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
"""Seconds after which the updates of a process that says nothing are taken over."""
_LOOK = 10.0
_TAKEN_AT_ONCE = 200
_TRIES = 12
"""With doubling waits up to two minutes: about a quarter of an hour."""
_LONGEST_WAIT = 120.0
_FULL = 2000
"""Updates in hand; a front-end that can, waits with asking for more."""


class RetryLater(Exception):
    """An update cannot be dealt with now; what has been done of it is found again."""

    def __init__(self, reason: str, delay_s: float | None = None) -> None:
        super().__init__(reason)
        self.delay_s = delay_s


class UpdateQueue:
    """The updates of one front-end in this process."""

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
        """There may be older updates that nobody has in hand."""
        self._in_progress: set[int] = set()
        self._persisting: set[int] = set()
        """Updates that are being written down."""
        self._lost_claims = False
        """The database may have given us updates without our hearing of it."""
        self._unacked: set[int] = set()
        """Updates that are dealt with, which the database could not be told."""
        self._room = asyncio.Event()
        self._room.set()
        self._stopping = asyncio.Event()

    async def take(self, updates: Sequence[StoredUpdate]) -> None:
        """Keep what has come, and begin with it. Raises `DatabaseError`: nothing was kept."""
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
        """What the database gives us; without its answer it may have done so all the same."""
        try:
            return await self._database.transact(function)
        except Exception:
            self._lost_claims = True
            raise

    async def is_pending(self, update_id: int) -> bool:
        """Whether an update is still being dealt with, here or in another process."""
        return await self._database.read(
            lambda tx: update_rows.is_pending(tx, self._front_end, update_id)
        )

    async def wait_for_capacity(self) -> None:
        """Return when there are not too many updates in hand."""
        await self._room.wait()

    async def run(self) -> None:
        """Take up what an earlier life has left, and what dead processes leave; never ends."""
        while True:
            try:
                await self._claim_next()
            except DatabaseError as error:
                _log.warning("update_queue_retry", error=str(error))
            except Exception:  # noqa: BLE001 - the next look may go better
                _log.exception("update_queue_claim_failed")
            await self._clock.sleep(_LOOK)

    async def stop(self, grace_s: float) -> None:
        """Begin nothing more; let what is under way end within the grace, and leave the rest."""
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
        """Return when nothing is in hand."""
        while self._running:
            await asyncio.wait(self._running)

    async def _claim_next(self) -> None:
        """Keep what is in hand, and take up what nobody has, as far as there is room."""
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
        """Where nobody else can be alive, what is taken was taken by the dead."""
        if self._database.single_process and not self._freed:
            now = self._clock.now()
            await self._database.transact(
                lambda tx: update_rows.release_others(tx, self._front_end, self._worker, now)
            )
            self._freed = True

    async def _find_lost_claims(self) -> None:
        """Begin with what the database has given us without our hearing of it.

        We are its worker, so nobody else ever would.
        """
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
        """Deal with one lane's updates, one after the other."""
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
        """Deal with it, however long it takes. False: we are to stop, and it is left as it is."""
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
