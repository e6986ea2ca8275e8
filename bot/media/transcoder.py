"""Adapt result videos to the size limits of chats. Outputs are cached in `fitted/`."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from bot.media.encode import NotFitted, encode, faststart, thumbnail
from bot.media.ffmpeg import Limits
from bot.media.probe import NoVideo, Probed, probe
from bot.media.process_lock import Living
from bot.media.storage import KEEP_FREE_BYTES, DiskFull
from bot.media.transcode_plan import Plan, Way, beside, plan

_MARK = "~"
"""Separates result name, result size and variant in the name of an output file."""

_IN_VAIN = ".failed"
_THUMBNAIL_ROOM = 1 << 20

Work = Callable[[Path], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The file to send to a chat."""

    way: Way
    path: Path | None
    """The whole video, or a preview if `way` is `LINK` or `KEEP`; None if there is no preview."""
    bytes: int = 0
    video: Probed | None = None
    """Properties of `path`; None also if ffmpeg cannot read it as a video."""


class Fitter:
    """Creates and caches outputs in `fitted/`; `slots` limits how many are created at once."""

    def __init__(
        self,
        data_dir: Path,
        slots: asyncio.Semaphore,
        *,
        limits: Limits = Limits(),  # noqa: B008  frozen, so it can be shared
        keep_free: int = KEEP_FREE_BYTES,
    ) -> None:
        self._folder = data_dir / "fitted"
        self._living = Living(data_dir / "living")
        self._slots = slots
        self._limits = limits
        self._keep_free = keep_free
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def close(self) -> None:
        """Release the process tag; no further output may be created."""
        self._living.close()

    async def fit(self, source: Path, limit_bytes: int, *, link_possible: bool) -> Fitted:
        """Return what to send of a result to a chat that accepts `limit_bytes` per file.

        Raises `DiskFull` if there is no space for the output, and `FileNotFoundError`.
        """
        size = await asyncio.to_thread(_size, source)
        try:
            video = await probe(source)
        except NoVideo:
            # Perhaps a file with sound only: it can be sent, but not transcoded.
            if size <= limit_bytes:
                return Fitted(Way.AS_IS, source, size)
            return Fitted(beside(link_possible=link_possible), None)
        chosen = plan(video, limit_bytes, link_possible=link_possible)
        made = await self._carry_out(source, video, chosen, limit_bytes)
        if made is None:
            chosen = plan(video, limit_bytes, link_possible=link_possible, encodable=False)
            made = await self._carry_out(source, video, chosen, limit_bytes)
        return made or Fitted(chosen.way, None)

    async def _carry_out(
        self, source: Path, video: Probed, chosen: Plan, limit_bytes: int
    ) -> Fitted | None:
        if chosen.way is Way.AS_IS:
            return Fitted(Way.AS_IS, source, video.bytes, video)
        if chosen.way is Way.FASTSTART:
            return await self._faststart(source, video, limit_bytes)
        encoding = chosen.encoding
        if encoding is None:
            return None
        what = "whole" if chosen.way is Way.ENCODE else "preview"
        path = await self._made(
            self._target(source, video.bytes, f"{what}-{limit_bytes}.mp4"),
            limit_bytes,
            lambda part: encode(source, part, encoding, limit_bytes, self._limits),
        )
        return None if path is None else await _fitted(chosen.way, path)

    async def _faststart(self, source: Path, video: Probed, limit_bytes: int) -> Fitted:
        path = await self._made(
            self._target(source, video.bytes, "faststart.mp4"),
            video.bytes,
            lambda part: faststart(source, part, video, self._limits),
        )
        made = None if path is None else await _fitted(Way.FASTSTART, path)
        # The original works too: it only starts to play later.
        if made is None or made.bytes > limit_bytes:
            return Fitted(Way.AS_IS, source, video.bytes, video)
        return made

    async def thumbnail(self, source: Path) -> Path | None:
        """Return a small still image of a result. Raises `DiskFull` and `FileNotFoundError`."""
        size = await asyncio.to_thread(_size, source)
        return await self._made(
            self._target(source, size, "thumbnail.jpg"),
            _THUMBNAIL_ROOM,
            lambda part: thumbnail(source, part, self._limits),
        )

    # --- creating outputs ----------------------------------------------------------------

    def _target(self, source: Path, size: int, what: str) -> Path:
        return self._folder / f"{source.name}{_MARK}{size}{_MARK}{what}"

    async def _made(self, target: Path, needed: int, work: Work) -> Path | None:
        """Return the output, creating it if missing; None if that failed now or earlier."""
        lock = self._locks.setdefault(target.name, asyncio.Lock())
        async with lock:
            if not await asyncio.to_thread(_is_done, target):
                async with self._slots:
                    await self._make(target, needed, work)
        return target if await asyncio.to_thread(target.is_file) else None

    async def _make(self, target: Path, needed: int, work: Work) -> None:
        await asyncio.to_thread(self._check_room, needed)
        # With the tag of this process: another one may be creating the same output.
        part = target.with_name(f"{self._living.owned(target.name)}.part")
        try:
            await work(part)
            await asyncio.to_thread(_keep, part, target)
        except NotFitted as error:
            # Recorded, so that a restart makes the same decision without another attempt.
            _in_vain(target).write_text(str(error))
        finally:
            part.unlink(missing_ok=True)

    def _check_room(self, needed: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = shutil.disk_usage(self._folder).free
        if free < needed + self._keep_free:
            raise DiskFull(f"{needed} bytes are needed and {free} are free")

    # --- cleanup -------------------------------------------------------------------------

    async def forget(self, name: str) -> None:
        """Remove all outputs of this result."""
        await asyncio.to_thread(self._remove, lambda source, _: source == name)

    async def sweep(self, in_use: AbstractSet[str]) -> int:
        """Remove outputs of results not in `in_use` and files of crashed processes.

        Returns the number of removed files.
        """
        return await asyncio.to_thread(
            self._remove,
            lambda source, file: (
                self._living.may_go(file) if file.endswith(".part") else source not in in_use
            ),
        )

    def _remove(self, unwanted: Callable[[str, str], bool]) -> int:
        if not self._folder.is_dir():
            return 0
        files = [
            path
            for path in self._folder.iterdir()
            if unwanted(path.name.rsplit(_MARK, 2)[0], path.name)
        ]
        for path in files:
            path.unlink(missing_ok=True)
        return len(files)


async def _fitted(way: Way, path: Path) -> Fitted:
    video = await probe(path)
    return Fitted(way, path, video.bytes, video)


def _size(path: Path) -> int:
    return path.stat().st_size


def _in_vain(target: Path) -> Path:
    return target.with_name(target.name + _IN_VAIN)


def _is_done(target: Path) -> bool:
    return target.is_file() or _in_vain(target).is_file()


def _keep(part: Path, target: Path) -> None:
    """Sync the file before renaming it, else a power failure could leave an empty video."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(target)
