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

from bot.media.encode import EncodingFailed, encode, make_thumbnail, move_index_first
from bot.media.ffmpeg import ResourceLimits
from bot.media.probe import NoVideoStream, VideoInfo, probe
from bot.media.process_lock import ProcessTag
from bot.media.storage import MIN_FREE_BYTES, DiskFull
from bot.media.transcode_plan import Strategy, TranscodePlan, choose_plan, fallback_strategy

_SEPARATOR = "~"
"""Separates result name, result size and variant in the name of an output file."""

_FAILED_SUFFIX = ".failed"
_THUMBNAIL_SPACE_BYTES = 1 << 20

EncodeStep = Callable[[Path], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TranscodeResult:
    """The file to send to a chat."""

    strategy: Strategy
    path: Path | None
    """The whole video, or a preview (`PREVIEW_AND_LINK`, `PREVIEW_ONLY`); None without one."""
    size_bytes: int = 0
    video: VideoInfo | None = None
    """Properties of `path`; None also if ffmpeg cannot read it as a video."""


class Transcoder:
    """Creates and caches outputs in `fitted/`; `slots` limits how many are created at once."""

    def __init__(
        self,
        data_dir: Path,
        slots: asyncio.Semaphore,
        *,
        limits: ResourceLimits = ResourceLimits(),  # noqa: B008  frozen, so it can be shared
        min_free_bytes: int = MIN_FREE_BYTES,
    ) -> None:
        self._folder = data_dir / "fitted"
        self._process_tag = ProcessTag(data_dir / "living")
        self._slots = slots
        self._limits = limits
        self._min_free_bytes = min_free_bytes
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def close(self) -> None:
        """Release the process tag; no further output may be created."""
        self._process_tag.close()

    async def fit_to_limit(
        self, source: Path, limit_bytes: int, *, link_possible: bool
    ) -> TranscodeResult:
        """Return what to send of a result to a chat that accepts `limit_bytes` per file.

        Raises `DiskFull` if there is no space for the output, and `FileNotFoundError`.
        """
        size = await asyncio.to_thread(_file_size, source)
        try:
            video = await probe(source)
        except NoVideoStream:
            # Perhaps a file with sound only: it can be sent, but not transcoded.
            if size <= limit_bytes:
                return TranscodeResult(Strategy.AS_IS, source, size)
            return TranscodeResult(fallback_strategy(link_possible=link_possible), None)
        plan = choose_plan(video, limit_bytes, link_possible=link_possible)
        result = await self._execute(source, video, plan, limit_bytes)
        if result is None:
            plan = choose_plan(video, limit_bytes, link_possible=link_possible, encodable=False)
            result = await self._execute(source, video, plan, limit_bytes)
        return result or TranscodeResult(plan.strategy, None)

    async def _execute(
        self, source: Path, video: VideoInfo, plan: TranscodePlan, limit_bytes: int
    ) -> TranscodeResult | None:
        if plan.strategy is Strategy.AS_IS:
            return TranscodeResult(Strategy.AS_IS, source, video.size_bytes, video)
        if plan.strategy is Strategy.FASTSTART:
            return await self._move_index_first(source, video, limit_bytes)
        encoding = plan.encoding
        if encoding is None:
            return None
        variant = "whole" if plan.strategy is Strategy.ENCODE else "preview"
        path = await self._get_or_create(
            self._output_path(source, video.size_bytes, f"{variant}-{limit_bytes}.mp4"),
            limit_bytes,
            lambda part: encode(source, part, encoding, limit_bytes, self._limits),
        )
        return None if path is None else await _probe_result(plan.strategy, path)

    async def _move_index_first(
        self, source: Path, video: VideoInfo, limit_bytes: int
    ) -> TranscodeResult:
        path = await self._get_or_create(
            self._output_path(source, video.size_bytes, "faststart.mp4"),
            video.size_bytes,
            lambda part: move_index_first(source, part, video, self._limits),
        )
        result = None if path is None else await _probe_result(Strategy.FASTSTART, path)
        # The original works too: it only starts to play later.
        if result is None or result.size_bytes > limit_bytes:
            return TranscodeResult(Strategy.AS_IS, source, video.size_bytes, video)
        return result

    async def thumbnail(self, source: Path) -> Path | None:
        """Return a small still image of a result. Raises `DiskFull` and `FileNotFoundError`."""
        size = await asyncio.to_thread(_file_size, source)
        return await self._get_or_create(
            self._output_path(source, size, "thumbnail.jpg"),
            _THUMBNAIL_SPACE_BYTES,
            lambda part: make_thumbnail(source, part, self._limits),
        )

    # --- creating outputs ----------------------------------------------------------------

    def _output_path(self, source: Path, size: int, variant: str) -> Path:
        return self._folder / f"{source.name}{_SEPARATOR}{size}{_SEPARATOR}{variant}"

    async def _get_or_create(
        self, target: Path, needed_bytes: int, encode_step: EncodeStep
    ) -> Path | None:
        """Return the output, creating it if missing; None if that failed now or earlier."""
        lock = self._locks.setdefault(target.name, asyncio.Lock())
        async with lock:
            if not await asyncio.to_thread(_is_done, target):
                async with self._slots:
                    await self._create(target, needed_bytes, encode_step)
        return target if await asyncio.to_thread(target.is_file) else None

    async def _create(self, target: Path, needed_bytes: int, encode_step: EncodeStep) -> None:
        await asyncio.to_thread(self._check_free_space, needed_bytes)
        # With the tag of this process: another one may be creating the same output.
        part = target.with_name(f"{self._process_tag.tag(target.name)}.part")
        try:
            await encode_step(part)
            await asyncio.to_thread(_sync_and_rename, part, target)
        except EncodingFailed as error:
            # Recorded, so that a restart makes the same decision without another attempt.
            _failure_marker(target).write_text(str(error))
        finally:
            part.unlink(missing_ok=True)

    def _check_free_space(self, needed_bytes: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = shutil.disk_usage(self._folder).free
        if free < needed_bytes + self._min_free_bytes:
            raise DiskFull(f"{needed_bytes} bytes are needed and {free} are free")

    # --- cleanup -------------------------------------------------------------------------

    async def remove_outputs(self, result_name: str) -> None:
        """Remove all outputs of this result."""
        await asyncio.to_thread(self._remove_matching, lambda source, _: source == result_name)

    async def remove_orphans(self, in_use: AbstractSet[str]) -> int:
        """Remove outputs of results not in `in_use` and files of crashed processes.

        Returns the number of removed files.
        """
        return await asyncio.to_thread(
            self._remove_matching,
            lambda source, file: (
                self._process_tag.is_orphan(file)
                if file.endswith(".part")
                else source not in in_use
            ),
        )

    def _remove_matching(self, should_remove: Callable[[str, str], bool]) -> int:
        if not self._folder.is_dir():
            return 0
        files = [
            path
            for path in self._folder.iterdir()
            if should_remove(path.name.rsplit(_SEPARATOR, 2)[0], path.name)
        ]
        for path in files:
            path.unlink(missing_ok=True)
        return len(files)


async def _probe_result(strategy: Strategy, path: Path) -> TranscodeResult:
    video = await probe(path)
    return TranscodeResult(strategy, path, video.size_bytes, video)


def _file_size(path: Path) -> int:
    return path.stat().st_size


def _failure_marker(target: Path) -> Path:
    return target.with_name(target.name + _FAILED_SUFFIX)


def _is_done(target: Path) -> bool:
    return target.is_file() or _failure_marker(target).is_file()


def _sync_and_rename(part: Path, target: Path) -> None:
    """Sync the file before renaming it, else a power failure could leave an empty video."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(target)
