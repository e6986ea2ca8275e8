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
from bot.store import updates
from bot.store.database import Database, DatabaseError, Tx
from bot.store.updates import StoredUpdate

__all__ = ["Inbox", "Later", "StoredUpdate"]

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


class Later(Exception):
    """An update cannot be dealt with now; what has been done of it is found again."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Inbox:
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
        self._lanes: dict[str, deque[StoredUpdate]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._looking = asyncio.Lock()
        self._freed = False
        self._behind = True
        """There may be older updates that nobody has in hand."""
        self._in_hand: set[int] = set()
        self._coming: set[int] = set()
        """Updates that are being written down."""
        self._astray = False
        """The database may have given us updates without our hearing of it."""
        self._unnoted: set[int] = set()
        """Updates that are dealt with, which the database could not be told."""
        self._room = asyncio.Event()
        self._room.set()
        self._stopping = asyncio.Event()

    async def take(self, arrived: Sequence[StoredUpdate]) -> None:
        """Keep what has come, and begin with it. Raises `DatabaseError`: nothing was kept."""
        if not arrived:
            return
        if self._behind:
            # What came in an earlier life goes first.
            await self._look()
        now = self._clock.now()

        def keep(tx: Tx) -> list[StoredUpdate]:
            return updates.add(tx, self._front_end, arrived, self._worker, now, now + _LEASE)

        coming = {one.id for one in arrived} - self._coming
        self._coming |= coming
        try:
            self._begin(await self._given(keep))
        finally:
            self._coming -= coming

    async def _given(self, function: Callable[[Tx], list[StoredUpdate]]) -> list[StoredUpdate]:
        """What the database gives us; without its answer it may have done so all the same."""
        try:
            return await self._database.transact(function)
        except Exception:
            self._astray = True
            raise

    async def holds(self, update: int) -> bool:
        """Whether an update is still being dealt with, here or in another process."""
        return await self._database.read(lambda tx: updates.is_pending(tx, self._front_end, update))

    async def room(self) -> None:
        """Return when there are not too many updates in hand."""
        await self._room.wait()

    async def run(self) -> None:
        """Take up what an earlier life has left, and what dead processes leave; never ends."""
        while True:
            try:
                await self._look()
            except DatabaseError as error:
                _log.warning("inbox_waits", why=str(error))
            except Exception:  # noqa: BLE001 - the next look may go better
                _log.exception("inbox_look_failed")
            await self._clock.sleep(_LOOK)

    async def stop(self, grace: float) -> None:
        """Begin nothing more; let what is under way end within the grace, and leave the rest."""
        self._stopping.set()
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for one in list(self._running):
            one.cancel()
        if self._running:
            await asyncio.wait(self._running)
        now = self._clock.now()
        with contextlib.suppress(DatabaseError):
            await self._note_again()
            await self._database.transact(lambda tx: updates.release(tx, self._worker, now))

    async def quiet(self) -> None:
        """Return when nothing is in hand."""
        while self._running:
            await asyncio.wait(self._running)

    async def _look(self) -> None:
        """Keep what is in hand, and take up what nobody has, as far as there is room."""
        async with self._looking:
            await self._free_once()
            await self._note_again()
            await self._find_astray()
            while not self._stopping.is_set():
                most = _TAKEN_AT_ONCE if self._room.is_set() else 0
                found = await self._given(self._claim(self._clock.now(), most))
                self._begin(found)
                if most == 0:
                    return
                self._behind = len(found) == most
                if not self._behind:
                    return

    async def _free_once(self) -> None:
        """Where nobody else can be alive, what is taken was taken by the dead."""
        if self._database.single_process and not self._freed:
            now = self._clock.now()
            await self._database.transact(
                lambda tx: updates.release_others(tx, self._front_end, self._worker, now)
            )
            self._freed = True

    async def _find_astray(self) -> None:
        """Begin with what the database has given us without our hearing of it.

        We are its worker, so nobody else ever would.
        """
        if self._astray:
            known = self._in_hand | self._coming
            found = await self._database.read(
                lambda tx: updates.claimed_by(tx, self._front_end, self._worker)
            )
            known |= self._in_hand | self._coming | self._unnoted
            self._astray = False
            self._begin([one for one in found if one.id not in known])

    async def _note_again(self) -> None:
        for one in sorted(self._unnoted):
            now = self._clock.now()
            await self._database.transact(self._done(one, now))
            self._unnoted.discard(one)

    def _claim(self, now: float, most: int) -> Callable[[Tx], list[StoredUpdate]]:
        until = now + _LEASE

        def claim(tx: Tx) -> list[StoredUpdate]:
            updates.extend_claims(tx, self._worker, until)
            if most == 0:
                return []
            return updates.claim(tx, self._front_end, self._worker, now, until, most)

        return claim

    def _begin(self, arrived: Sequence[StoredUpdate]) -> None:
        for one in arrived:
            self._in_hand.add(one.id)
            lane = self._lanes.setdefault(one.ordering_key, deque())
            lane.append(one)
            if len(lane) == 1:
                running = asyncio.create_task(self._follow(one.ordering_key))
                self._running.add(running)
                running.add_done_callback(self._running.discard)
        if len(self._in_hand) >= _FULL:
            self._room.clear()

    async def _follow(self, name: str) -> None:
        """Deal with one lane's updates, one after the other."""
        lane = self._lanes[name]
        try:
            while lane and not self._stopping.is_set():
                if await self._dealt_with(lane[0]):
                    self._count_off([lane.popleft()])
        finally:
            del self._lanes[name]
            self._count_off(lane)

    def _count_off(self, arrived: Iterable[StoredUpdate]) -> None:
        self._in_hand -= {one.id for one in arrived}
        if len(self._in_hand) < _FULL:
            self._room.set()

    async def _dealt_with(self, one: StoredUpdate) -> bool:
        """Deal with it, however long it takes. False: we are to stop, and it is left as it is."""
        for attempt in range(one.attempts, _TRIES):
            try:
                await self._handle(one)
                break
            except (Later, DatabaseError) as error:
                wait = error.seconds if isinstance(error, Later) else None
                _log.info("update_waits", update=one.id, why=str(error))
                await self._pause(wait or min(2.0**attempt, _LONGEST_WAIT))
                if self._stopping.is_set():
                    return False
            except Exception:  # noqa: BLE001 - one update must not stop those behind it
                _log.exception("update_failed", update=one.id)
                break
        else:
            _log.error("update_given_up", update=one.id)
        await self._note_done(one)
        return True

    async def _pause(self, seconds: float) -> None:
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({slept, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            slept.cancel()
            stopped.cancel()

    async def _note_done(self, one: StoredUpdate) -> None:
        try:
            await self._database.transact(self._done(one.id, self._clock.now()))
        except DatabaseError as error:
            self._unnoted.add(one.id)
            _log.warning("update_not_noted", update=one.id, why=str(error))

    def _done(self, update: int, now: float) -> Callable[[Tx], None]:
        return lambda tx: updates.mark_done(tx, self._front_end, update, now)
